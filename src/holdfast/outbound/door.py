"""One exchange with another machine: sends a `Request`, reads the whole `Response`, names what broke.

Nothing is followed, kept or sent twice: no redirect, no cookie, no proxy or netrc from the environment, no second
try. An answer has a deadline and a size, counted unpacked. TLS verifies the name although the connection goes to
the address that was checked (RFC 9110 section 4.3.4).

Does not know what an answer means. A failure says whether the request may have reached the provider, and shows
no more of the URL than scheme and host.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from importlib.metadata import version

import aiohttp
import structlog
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from holdfast.domain.exchange import Request, Response
from holdfast.errors import GrantDeferred, HoldfastError, RequestValidationError
from holdfast.outbound.policy import Destination, EgressPolicy
from holdfast.outbound.resolver import CheckedResolver, Resolve, SystemResolver

log = structlog.get_logger()

USER_AGENT = f"Holdfast/{version('holdfast')}"
HEADER_LINE, HEADER_LINES = 16 * 1024, 128
# A provider that stalls holds a tenth of the connections, not all of them.
CONNECTIONS, CONNECTIONS_PER_HOST = 1000, 100
# Node, uvicorn and Apache close a connection after 5 idle seconds. Giving it up before they do keeps a request,
# which may not be repeated, from being lost on a connection that is just being closed.
IDLE_SECONDS = 4.0

# What describes the connection is ours to write (RFC 9110 section 7.6.1, RFC 9112 section 6). `Host` above all: where
# many sites share an address, a host of the caller's choice would send the credential to another site.
CONNECTION_HEADERS = {
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

UNPACKED = ("gzip", "deflate", "br", "zstd")  # what aiohttp decodes, where the machine has the libraries

# The first kind that fits: its words, and whether the request may have reached the provider.
FAULTS: tuple[tuple[type[Exception], str, bool], ...] = (
    (aiohttp.ClientConnectorCertificateError, "did not show a valid certificate", False),
    (aiohttp.ClientConnectorSSLError, "could not be reached over TLS", False),
    (aiohttp.ClientConnectorDNSError, "could not be resolved", False),
    (aiohttp.ConnectionTimeoutError, "could not be reached in time", False),
    (aiohttp.ClientConnectorError, "could not be reached", False),
    (TimeoutError, "did not answer in time", True),
    (aiohttp.ClientResponseError, "did not answer in HTTP", True),
    (aiohttp.ClientPayloadError, "did not send its whole answer", True),
    (Exception, "broke the connection", True),
)


class Outbound:
    """The door. One for the process, since it keeps connections open from call to call.

    `total_timeout` is in seconds and covers a whole exchange, half of it the way to a connection. `max_body` is in
    bytes after content decoding. `resolver` gives the addresses of a host and a port (the system's, if None),
    `tls` decides which servers are genuine (by the system's authorities, if None).
    """

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        total_timeout: float = 10.0,
        max_body: int = 1 << 20,
        resolver: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._total_timeout = total_timeout
        self._max_body = max_body
        self._names = SystemResolver()
        self._resolver = CheckedResolver(policy, resolver or self._names)
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the door in the running loop. `send` does so at the first call otherwise."""
        if self._session is None:
            self._session = self._open()

    async def close(self) -> None:
        """Close every connection; calls under way fail."""
        self._names.close()
        if self._session is not None:
            await self._session.close()

    async def send(self, request: Request) -> Response:
        """The answer to `request`, whatever its status; a 3xx is an answer like any other.

        The request leaves once or not at all. Raises EgressRefused, before anything leaves, if the policy or
        `request.hosts` forbids the destination; RequestValidationError if the method or a header cannot be written
        in HTTP; GrantDeferred if no answer came, or not a whole one within the limits, `ambiguous` if it was sent.
        """
        to = self._policy.check_url(request.url, request.hosts)
        await self.start()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        outcome = await self._attempt(request, to)
        seconds = round(loop.time() - begun, 3)
        if isinstance(outcome, HoldfastError):
            log.debug("no answer", method=request.method, origin=to.origin, fault=outcome.detail, seconds=seconds)
            raise outcome
        log.debug("answer", method=request.method, origin=to.origin, status=outcome.status, seconds=seconds)
        return outcome

    async def _attempt(self, request: Request, to: Destination) -> Response | HoldfastError:
        """A fault is returned, to be raised outside the handler: aiohttp's errors hold the URL, and an error that is
        raised while another one is handled keeps that one as its context.
        """
        try:
            async with asyncio.timeout(self._total_timeout):
                return await self._exchange(request, to)
        except (aiohttp.ClientError, OSError) as error:
            return _fault(to, error)
        except ValueError:
            return RequestValidationError(f"The request to {to.origin} cannot be written in HTTP.")

    async def _exchange(self, request: Request, to: Destination) -> Response:
        assert self._session is not None
        async with self._session.request(
            request.method, to.url, headers=_own(request.headers), data=request.body, allow_redirects=False
        ) as answer:
            if answer.status == 101:
                raise _Broken("the server switched to a protocol that nobody asked for (RFC 9110 section 15.2.2)")
            body = await self._body(answer, to)
            return Response(answer.status, _headers(answer), body)

    async def _body(self, answer: ClientResponse, to: Destination) -> bytes:
        """Read in pieces that aiohttp unpacks one at a time, so that a small answer cannot unfold in memory."""
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) > self._max_body:
                raise GrantDeferred(f"{to.origin} answered with too much.", status=answer.status, ambiguous=True)
        return bytes(body)

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            ssl=self._tls or _system_tls(),
            limit=CONNECTIONS,
            limit_per_host=CONNECTIONS_PER_HOST,
            keepalive_timeout=IDLE_SECONDS,
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(connect=self._total_timeout / 2),
            headers={"User-Agent": USER_AGENT},
            skip_auto_headers=["Content-Type"],
            middlewares=[_once],
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            max_line_size=HEADER_LINE,
            max_field_size=HEADER_LINE,
            max_headers=HEADER_LINES,
        )


class _Broken(aiohttp.ClientError):
    """The connection is of no more use, and the request may have gone out on it."""


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """aiohttp sends an idempotent request again when its connection breaks, but not after an error of this kind.

    Some providers refresh over GET, and a rotating refresh token that is spent twice is a grant lost.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as broken:
        raise _Broken from broken


def _fault(to: Destination, error: Exception) -> GrantDeferred:
    words, sent = next((words, sent) for kind, words, sent in FAULTS if isinstance(error, kind))
    return GrantDeferred(f"{to.origin} {words}.", ambiguous=sent)


def _own(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that a request may set. ValueError for a name that a server could read as another (`Host `)."""
    if not all(map(_TOKEN.fullmatch, headers)):
        raise ValueError("not a token (RFC 9110 section 5.6.2)")
    return {name: value for name, value in headers.items() if name.lower() not in CONNECTION_HEADERS}


def _headers(answer: ClientResponse) -> dict[str, str]:
    """Lower-case names; repeated ones joined (RFC 9110 section 5.2); none that describes the body as it was packed."""
    joined: dict[str, str] = {}
    for name, value in answer.headers.items():
        key = name.lower()
        joined[key] = f"{joined[key]}, {_text(value)}" if key in joined else _text(value)
    if joined.get("content-encoding", "").lower() in UNPACKED:
        del joined["content-encoding"]
        joined.pop("content-length", None)
    return joined


def _text(value: str) -> str:
    """`value` without the lone surrogates that aiohttp puts for bytes outside UTF-8, which nothing else can encode."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _system_tls() -> ssl.SSLContext:
    """Not `ssl.create_default_context`, which writes session keys to a file if SSLKEYLOGFILE is in the environment."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    context.set_alpn_protocols(["http/1.1"])
    return context
