"""One call, from its first byte to its last: waits no longer than it may, holds no more than it must, names what broke.

Both verbs of the door are this one exchange; `send` reads it to the end. aiohttp keeps at most twice its buffer of
64 KiB in either direction and holds up whoever would send more. Whether a request may have been acted on is one
fact, that it was given a connection, and no guess from the kind of the fault.

Does not know what an answer means. A failure shows no more of the URL than scheme and host.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, TypeVar

import aiohttp
import structlog
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from aiohttp.connector import Connection

from holdfast.domain.door import Limits, Ready, Upload
from holdfast.domain.exchange import Request
from holdfast.errors import HoldfastError, RequestValidationError
from holdfast.outbound.deadline import Deadline
from holdfast.outbound.faults import Broken, CertificateRefused, Switched, TooMuch, no_answer, refuses_certificate
from holdfast.outbound.policy import Destination
from holdfast.outbound.tls import Contexts
from holdfast.outbound.upload import Outgoing

log = structlog.get_logger()

T = TypeVar("T")

# What describes the connection is ours to write (RFC 9110 section 7.6.1, RFC 9112 section 6). `Host` above all: where
# many sites share an address, a host of the caller's choice would send the credential to another site.
CONNECTION_HEADERS = {
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NEVER = float("inf")
# Seconds that what has arrived already may take to be read.
MOMENT = 2.0


class OutgoingRequest(ClientRequest):
    """A request that knows the connection it was given, which aiohttp tells nobody before there is an answer."""

    on: asyncio.Transport | None = None
    ready: Ready | None = None

    async def send(self, conn: Connection) -> ClientResponse:
        if self.ready is not None:
            await self.ready()
        self.on = conn.transport
        return await super().send(conn)


class Exchange:
    """An exchange to enter with `async with`, and its `Answer` inside (`domain.door.Answer`)."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        tls: Contexts,
        to: Destination,
        request: Request,
        upload: Upload | None,
        *,
        limits: Limits,
        unpack: bool,
        ready: Ready | None = None,
    ) -> None:
        self._session, self._tls, self._to, self._request = session, tls, to, request
        self._limits, self._unpack, self._ready = limits, unpack, ready
        self._upload = upload and Outgoing(upload, asks=self._hold, gave=self._go_on, broke=self._hang_up)
        self._length = upload and upload.length
        self._sent: OutgoingRequest | None = None
        self._answer: ClientResponse | None = None
        self._timer: Deadline | None = None
        self._begun = asyncio.get_running_loop().time()
        self._end = self._begun + (_NEVER if limits.total is None else limits.total)
        self._size = 0
        self._spared = False

    @property
    def message(self) -> ClientResponse:
        """The answer as aiohttp has it."""
        assert self._answer is not None, "not entered"
        return self._answer

    @property
    def status(self) -> int:
        return self.message.status

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return self.message.raw_headers

    async def __aenter__(self) -> Exchange:
        await self._named(self._begin())
        self._log("answer", status=self.status)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hang_up()

    async def stream(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive. NoAnswer if the rest is late, too much, or does not come."""
        while piece := await self._named(self._piece()):
            yield piece

    async def _begin(self) -> None:
        async with Deadline(self._at(_sum(self._limits.connect, self._limits.head)), self._spare) as self._timer:
            self._answer = await self._session.request(
                self._request.method,
                self._to.url,
                headers=self._headers(),
                data=self._upload or self._request.body,
                ssl=await self._context(),
                timeout=aiohttp.ClientTimeout(connect=self._limits.connect),
                middlewares=(self._once,),
                allow_redirects=False,
                auto_decompress=self._unpack,
                skip_auto_headers=() if self._unpack else ("Accept", "Accept-Encoding"),
            )
        self._timer = None
        if self._answer.status == 101:
            raise Switched

    async def _context(self) -> ssl.SSLContext | bool:
        """What TLS shows and believes. Over plain http there is nobody to show a certificate to."""
        return self._to.url.scheme != "https" or await self._tls.of(self._request.certificate)

    async def _piece(self) -> bytes:
        """What has arrived; nothing at the end. aiohttp unpacks a little at a time, so no answer unfolds in memory."""
        async with Deadline(self._at(self._limits.silence), self._spare):
            piece = await self.message.content.readany()
        self._size += len(piece)
        if self._limits.body is not None and self._size > self._limits.body:
            raise TooMuch
        return piece

    async def _once(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """aiohttp sends an idempotent request again when its connection breaks, but not after an error of ours.

        Some providers refresh over GET, and a rotating refresh token that is spent twice is a grant lost.
        """
        assert isinstance(request, OutgoingRequest)
        self._sent, request.ready = request, self._ready
        try:
            return await handler(request)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as broken:
            if refuses_certificate(broken):
                raise CertificateRefused from broken
            if request.on is None:
                raise
            raise Broken from broken

    async def _named(self, step: Coroutine[Any, Any, T]) -> T:
        """What `step` gives. A fault is raised outside its handler: aiohttp's errors hold the URL, and an error that
        is raised while another one is handled keeps that one as its context.
        """
        try:
            return await step
        except (aiohttp.ClientError, OSError, ValueError) as error:
            fault = self._fault(error)
        except BaseException:
            self._hang_up()
            raise
        self._hang_up()
        self._log("no answer", fault=str(fault) if isinstance(fault, HoldfastError) else type(fault).__name__)
        raise fault

    def _fault(self, error: Exception) -> Exception:
        if self._upload and self._upload.failure:
            return self._upload.failure
        if not isinstance(error, aiohttp.ClientError | OSError):
            return RequestValidationError(f"The request to {self._to.origin} cannot be written in HTTP.")
        sent = self._sent is not None and self._sent.on is not None
        return no_answer(self._to.origin, error, sent=sent, status=self._answer.status if self._answer else None)

    def _hang_up(self) -> None:
        """Ends what is not over. aiohttp would wait until a server that takes no more has taken what was written."""
        if self._answer is not None and self._answer.connection is None:
            return  # read to its end; the connection may serve somebody else by now
        if self._sent is not None and self._sent.on is not None:
            self._sent.on.abort()
        if self._answer is not None:
            self._answer.close()

    def _headers(self) -> Mapping[str, str]:
        """The headers that a request may set. ValueError for a name that a server could read as another (`Host `)."""
        if not all(map(_TOKEN.fullmatch, self._request.headers)):
            raise ValueError("not a token (RFC 9110 section 5.6.2)")
        own = {name: value for name, value in self._request.headers.items() if name.lower() not in CONNECTION_HEADERS}
        return own if self._length is None else {**own, "Content-Length": str(self._length)}

    def _at(self, seconds: float | None) -> float | None:
        """When a wait of `seconds` ends, which is not after the end of the whole."""
        at = self._end if seconds is None else min(self._end, asyncio.get_running_loop().time() + seconds)
        return None if at == _NEVER else at

    def _spare(self, now: float) -> float | None:
        """A moment more for what arrived while this process was stopped; once, or a slow server could ask for more."""
        if self._spared:
            return None
        self._spared = True
        self._end = max(self._end, now + MOMENT)
        return now + MOMENT

    def _hold(self) -> None:
        """While an upload's source is asked for more, it is not the server that keeps us waiting."""
        if self._timer is not None:
            self._timer.reschedule(self._at(None))

    def _go_on(self, *, more: bool) -> None:
        """The server's turn: to take what the source gave or, after the last of it, to answer."""
        if self._timer is not None:
            self._timer.reschedule(self._at(self._limits.silence if more else self._limits.head))

    def _log(self, event: str, **more: Any) -> None:
        seconds = round(asyncio.get_running_loop().time() - self._begun, 3)
        log.debug(event, method=self._request.method, origin=self._to.origin, seconds=seconds, **more)


def _sum(connect: float, head: float | None) -> float | None:
    return None if head is None else connect + head
