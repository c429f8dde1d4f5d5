"""Which headers pass an intermediary and which end there, in either direction (RFC 9110 section 7.6.1).

What belongs to one connection goes no further, nor does what was meant for the vault: its key, its selectors, the
cookies of its own origin. What a service says to browsers about an origin is not said about the vault's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urljoin

Raw = tuple[bytes, bytes]

# RFC 9110 section 7.6.1, and what HTTP/1 calls the same by other names.
_HOP: Final = frozenset((
    b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    b"http2-settings",
))  # fmt: skip
# Of a request: who asks the vault, from where and through what, and the framing of its body, which is written anew.
_ENDS_HERE: Final = _HOP | frozenset((
    b"authorization", b"cookie", b"cookie2", b"host", b"content-length", b"expect", b"forwarded", b"via", b"x-real-ip",
    b"origin", b"referer", b"idempotency-key",
))  # fmt: skip
_ENDS_HERE_FROM: Final = (b"x-apideck-", b"x-forwarded-", b"proxy-", b"sec-", b"access-control-", b"cf-")
# Of an answer: cookies, and what a browser would take for a rule about the vault's own origin or its cache.
_STAYS_THERE: Final = _HOP | frozenset((
    b"set-cookie", b"set-cookie2", b"strict-transport-security", b"alt-svc", b"clear-site-data", b"refresh",
    b"content-security-policy", b"content-security-policy-report-only", b"x-content-type-options", b"x-frame-options",
    b"nel", b"report-to", b"reporting-endpoints", b"expect-ct", b"public-key-pins", b"service-worker-allowed",
    b"cache-control", b"pragma", b"expires", b"age", b"date",
))  # fmt: skip
_STAYS_THERE_FROM: Final = (
    b"access-control-", b"x-apideck-", b"proxy-", b"holdfast-",
    # By which a server tells the one in front of it what to send, or a shared cache what to keep.
    b"x-accel-", b"x-sendfile", b"x-lighttpd-send-file", b"x-reproxy-", b"surrogate-", b"cdn-",
)  # fmt: skip
_CACHES: Final = b"-cdn-cache-control"
# A word of an API, such as `leads`, `custom-fields`, `v2.1` or `$metadata`; everything else may name somebody.
_WORD: Final = re.compile(r"v\d{1,3}(?:\.\d{1,3})?|\d(?:\.\d)?|[$_]?[A-Za-z]+(?:[._-][A-Za-z]+)*")
WORD_LIMIT: Final = 32
VALUE: Final = "{}"
_NO_BODY: Final = frozenset((204, 205, 304))


def onward(headers: Iterable[Raw]) -> dict[str, str]:
    """A caller's headers (names in lower case) as they go on to a service; repeated ones joined (section 5.3)."""
    found: dict[str, str] = {}
    named = _named_by_connection(headers)
    for name, value in headers:
        plain = name.replace(b"_", b"-")  # which is how many servers read it
        if plain in _ENDS_HERE or name in named or plain.startswith(_ENDS_HERE_FROM):
            continue
        key, text = name.decode("latin-1"), _text(value)
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def back(status: int, headers: Iterable[Raw], url: str, *, bodiless: bool) -> list[Raw]:
    """A service's headers as they go back to a caller, names in lower case. `url` is what was called; `bodiless`
    says that the answer's length is that of a body which does not come."""
    lowered = [(name.lower(), value) for name, value in headers]
    named = _named_by_connection(lowered)
    lengths = [value for name, value in lowered if name == b"content-length"]
    # What is not one number is read in more than one way (RFC 9110 section 8.6).
    unframed = bodiless or status in _NO_BODY or len(lengths) > 1 or not all(map(bytes.isdigit, lengths))
    passed: list[Raw] = []
    for name, value in lowered:
        if name in _STAYS_THERE or name in named or name.startswith(_STAYS_THERE_FROM) or name.endswith(_CACHES):
            continue
        if name == b"content-length" and unframed:
            continue
        passed.append((name, _absolute(url, value) if name == b"location" else value))
    return passed


def without_values(path: str) -> str:
    """A URL's path for the journal: `{}` in place of what is no word of an API, such as ids, addresses and names with
    digits; of a very long one the beginning."""
    segments = path.split("/", 17)[:17]
    return "/".join(s if not s or (len(s) <= WORD_LIMIT and _WORD.fullmatch(s)) else VALUE for s in segments)


def _named_by_connection(headers: Iterable[Raw]) -> frozenset[bytes]:
    """What `Connection` says is for this connection only. Content-Length it may not name."""
    values = [value for name, value in headers if name == b"connection"]
    if not values:
        return frozenset()
    return frozenset(token.strip().lower() for value in values for token in value.split(b",")) - {b"content-length"}


def _absolute(url: str, location: bytes) -> bytes:
    """Where a redirect leads. A relative one would lead a client to the vault (RFC 9110 section 10.2.2)."""
    try:
        return urljoin(url.partition("?")[0], location.decode("latin-1")).encode("latin-1")
    except ValueError:
        return location


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
