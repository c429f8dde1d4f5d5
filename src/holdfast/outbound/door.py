"""The door itself: what holds for every call, whichever verb made it.

Nothing is followed, kept or sent twice: no redirect, no cookie, no proxy or netrc from the environment, no second
try. TLS verifies the name although the connection goes to the address that was checked (RFC 9110 section 4.3.4).
What happens within one call is in `exchange`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import aiohttp
from aiohttp import ClientResponse

from holdfast.domain.door import STREAM, WHOLE, Limits, Ready, Upload
from holdfast.domain.exchange import Request, Response
from holdfast.outbound.exchange import Exchange, OutgoingRequest
from holdfast.outbound.policy import EgressPolicy
from holdfast.outbound.resolver import CheckedResolver, Resolve, SystemResolver
from holdfast.outbound.tls import Contexts, MakeContext, system_context

USER_AGENT = f"Holdfast/{version('holdfast')}"
HEADER_LINE, HEADER_LINES = 16 * 1024, 128
# A provider that stalls holds a tenth of the connections, not all of them.
CONNECTIONS, CONNECTIONS_PER_HOST = 1000, 100
# Node, uvicorn and Apache close a connection after 5 idle seconds. Giving it up before they do keeps a request,
# which may not be repeated, from being lost on a connection that is just being closed.
IDLE_SECONDS = 4.0
UNPACKED = ("gzip", "deflate", "br", "zstd")  # what aiohttp decodes, where the machine has the libraries


class Outbound:
    """The door (`domain.door.Door`). One for the process, since it keeps connections open from call to call.

    `resolver` gives the addresses of a host and a port (the system's, if None); `tls` makes what decides which
    servers are genuine (the system's authorities, unless given).
    """

    def __init__(
        self, policy: EgressPolicy, *, resolver: Resolve | None = None, tls: MakeContext = system_context
    ) -> None:
        self._policy = policy
        self._names = SystemResolver()
        self._resolver = CheckedResolver(policy, resolver or self._names)
        self._tls = Contexts(tls)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close every connection; calls under way fail."""
        self._names.close()
        if self._session is not None:
            await self._session.close()

    async def send(self, request: Request, *, limits: Limits = WHOLE, ready: Ready | None = None) -> Response:
        """The whole answer to `request`, whatever its status; a 3xx is an answer like any other. `ready` is called
        when the connection stands, right before the first byte of the request.

        Raises EgressRefused, before anything leaves, if the policy or `request.hosts` forbids the destination;
        RequestValidationError if the method, a header or the certificate cannot be sent; NoAnswer if no answer
        came, or not a whole one within `limits`.
        """
        body = bytearray()
        async with self._exchange(request, None, limits, unpack=True, ready=ready) as answer:
            async for piece in answer.stream():
                body += piece
            return Response(answer.status, _joined(answer.message), bytes(body))

    def open(self, request: Request, upload: Upload | None = None, *, limits: Limits = STREAM) -> Exchange:
        """The answer to `request` as soon as its head is there, for use in `async with`.

        Nothing is unpacked, and no header says what we would accept: that is between the two ends. Raises what
        `send` does, on entering and while the answer is read, and whatever the pieces of `upload` raise.
        """
        return self._exchange(request, upload, limits, unpack=False)

    def _exchange(
        self, request: Request, upload: Upload | None, limits: Limits, *, unpack: bool, ready: Ready | None = None
    ) -> Exchange:
        to = self._policy.check_url(request.url, request.hosts)
        self._session = self._session or self._connections()
        return Exchange(self._session, self._tls, to, request, upload, limits=limits, unpack=unpack, ready=ready)

    def _connections(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            limit=CONNECTIONS,
            limit_per_host=CONNECTIONS_PER_HOST,
            keepalive_timeout=IDLE_SECONDS,
        )
        return aiohttp.ClientSession(
            connector=connector,
            request_class=OutgoingRequest,
            headers={"User-Agent": USER_AGENT},
            skip_auto_headers=["Content-Type"],
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            max_line_size=HEADER_LINE,
            max_field_size=HEADER_LINE,
            max_headers=HEADER_LINES,
        )


def _joined(answer: ClientResponse) -> Mapping[str, str]:
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
