"""What a broken exchange is called. Words, and whether trying again can help; whether it was sent is known elsewhere.

To give another fault its own words: a line in `FAULTS`.
"""

from __future__ import annotations

import ssl

import aiohttp

from holdfast.errors import NoAnswer


class Broken(aiohttp.ClientError):
    """The connection is of no more use, and the request may have gone out on it."""


class Switched(aiohttp.ClientError):
    """101, though nobody asked for another protocol (RFC 9110 section 15.2.2)."""


class TooMuch(aiohttp.ClientError):
    """The body is larger than the call allows."""


class CertificateRefused(aiohttp.ClientError):
    """The server asked for a certificate and does not take ours, or the lack of one."""


# The first kind that fits: its words, and whether the same call may work later.
FAULTS: tuple[tuple[type[Exception], str, bool], ...] = (
    (CertificateRefused, "does not accept the client certificate", False),
    (aiohttp.ClientConnectorCertificateError, "did not show a valid certificate", False),
    (aiohttp.ClientConnectorSSLError, "could not be reached over TLS", True),
    (aiohttp.ClientConnectorDNSError, "could not be resolved", True),
    (aiohttp.ConnectionTimeoutError, "could not be reached in time", True),
    (aiohttp.ClientConnectorError, "could not be reached", True),
    (TooMuch, "answered with too much", False),
    (Switched, "switched to another protocol", False),
    (TimeoutError, "did not answer in time", True),
    (aiohttp.ClientResponseError, "did not answer in HTTP", True),
    (aiohttp.ClientPayloadError, "did not send its whole answer", True),
    (Exception, "broke the connection", True),
)

# What a server says of the client's certificate (RFC 8446 section 6.2). In TLS 1.3 it says so after the client's
# handshake has ended and the request may be on its way; the server has not read it, and never will.
REFUSALS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    "SSLV3_ALERT_CERTIFICATE_REVOKED", "SSLV3_ALERT_CERTIFICATE_EXPIRED", "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    "TLSV1_ALERT_UNKNOWN_CA", "TLSV1_ALERT_DECRYPT_ERROR",
}  # fmt: skip


def no_answer(origin: str, error: Exception, *, sent: bool, status: int | None) -> NoAnswer:
    """`error` in our own words: no more of the URL than `origin`, and nothing of what aiohttp says of the rest."""
    if not sent and isinstance(error, TimeoutError):
        error = aiohttp.ConnectionTimeoutError()
    words, retryable = next((words, again) for kind, words, again in FAULTS if isinstance(error, kind))
    acted = sent and not isinstance(error, CertificateRefused)
    late = isinstance(error, TimeoutError)
    return NoAnswer(f"{origin} {words}.", may_have_acted=acted, retryable=retryable, status=status, late=late)


def refuses_certificate(error: BaseException | None) -> bool:
    """Whether TLS failed, somewhere below `error`, for the certificate that was shown."""
    while error is not None:
        if isinstance(error, ssl.SSLError) and getattr(error, "reason", None) in REFUSALS:  # aiohttp's own have none
            return True
        error = error.__cause__
    return False
