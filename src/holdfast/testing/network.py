"""A network inside the process: each host name is an ASGI app, behind the two verbs of the outbound door.

Owns what a network adds to an exchange: names that lead nowhere, pinned hosts, faults, size limits, content coding.
Follows no redirect, as the real door does not. Has no clock, so it does not look at limits in seconds, and shows
certificates to nobody. Knows nothing of OAuth.
"""

from __future__ import annotations

import contextlib
import zlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Literal
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from holdfast.domain.door import STREAM, WHOLE, Limits, Ready, Upload
from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest.template import host_matches
from holdfast.errors import EgressRefused, NoAnswer
from holdfast.testing.asgi import Answer, Apps, ConnectionLost, app_for, call, scope_of
from holdfast.testing.conversation import Conversation

Fault = Literal["refused", "timeout", "lost"]


class FakeNetwork:
    """Sends requests to the apps that answer for their hosts; a `holdfast.domain.door.Door`.

    >>> network = FakeNetwork({"oauth.pipedrive.com": provider.app, "*.pipedrive.com": provider.app})
    >>> response = await network.send(Request("POST", "https://oauth.pipedrive.com/oauth/token", …))

    `requests` holds every request that left, in order.
    """

    def __init__(self, apps: Apps | None = None) -> None:
        self.apps: dict[str, ASGIApp] = dict(apps or {})
        self.requests: list[Request] = []
        self._faults: deque[Fault] = deque()

    def fail_next(self, fault: Fault, times: int = 1) -> None:
        """Let the next `times` requests fail.

        `refused`: no connection, so the provider has not seen the request. `timeout`: the request went out and
        no answer came; the provider did nothing. `lost`: the provider acted on it, and the answer never arrived.
        To a caller the last two look the same, which is the point of them.
        """
        self._faults.extend([fault] * times)

    async def send(self, request: Request, *, limits: Limits = WHOLE, ready: Ready | None = None) -> Response:
        """The whole answer to `request`. `ready` is called right before it leaves.

        Raises EgressRefused for a host that the request is not pinned to, and NoAnswer for everything that a network
        does: unknown name, refused, timed out, dropped, larger than `limits.body`.
        """
        app, fault = self._reached(request)
        if ready is not None:
            await ready()
        lost = self._leaves(request, fault)
        try:
            answer = await call(app, request.method, request.url, request.headers.items(), request.body or b"")
            body = _decoded(answer, limits.body)
        except (ConnectionLost, zlib.error):
            raise _lost(request) from None
        if lost:
            raise _lost(request)
        _require_room(request, len(body), answer.status, limits)
        return Response(answer.status, {name: answer.header(name) for name, _ in answer.headers}, body)

    @contextlib.asynccontextmanager
    async def open(
        self, request: Request, upload: Upload | None = None, *, limits: Limits = STREAM
    ) -> AsyncIterator[Arriving]:
        """The answer to `request` as soon as the app has begun it. Raises what `send` does."""
        app, fault = self._reached(request)
        lost = self._leaves(request, fault)
        body = _once(request.body) if upload is None else aiter(upload.pieces)
        length = len(request.body or b"") if upload is None else upload.length
        scope = scope_of(request.method, request.url, request.headers.items(), length)
        talk = Conversation(app, scope, body)
        arriving = Arriving(request, talk, limits)
        try:
            await arriving.begin(lost=lost)
            yield arriving
        finally:
            await talk.hang_up()

    def _reached(self, request: Request) -> tuple[ASGIApp, Fault | None]:
        """The app that a connection for `request` leads to, and what will go wrong on it."""
        if request.hosts and not host_matches(urlsplit(request.url).netloc, request.hosts):
            raise EgressRefused(f"The request may not go to {request.host}.")
        fault = self._faults.popleft() if self._faults else None
        app = app_for(self.apps, request.url)
        if app is None or fault == "refused":
            self.requests.append(request)
            raise NoAnswer(f"{request.host} could not be reached.", may_have_acted=False)
        return app, fault

    def _leaves(self, request: Request, fault: Fault | None) -> bool:
        """Whether the answer to `request`, which is under way from here on, gets lost on its way back."""
        self.requests.append(request)
        if fault == "timeout":
            raise NoAnswer(f"{request.host} did not answer in time.", may_have_acted=True, late=True)
        return fault == "lost"


class Arriving:
    """An answer on its way (`holdfast.domain.door.Answer`)."""

    def __init__(self, request: Request, talk: Conversation, limits: Limits) -> None:
        self._request, self._talk, self._limits = request, talk, limits

    @property
    def status(self) -> int:
        return int(self._talk.start["status"])

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return tuple((bytes(name), bytes(value)) for name, value in self._talk.start["headers"])

    async def begin(self, *, lost: bool) -> None:
        """Waits for the head. NoAnswer if there is none, or if the answer is to be `lost` after it was made."""
        try:
            await self._talk.begin()
            if lost:
                _ = [piece async for piece in self._talk.pieces()]
        except ConnectionLost:
            lost = True
        if lost:
            raise _lost(self._request)

    async def stream(self) -> AsyncIterator[bytes]:
        """The body as it was sent, coding and all. NoAnswer if it breaks off or is larger than the limit."""
        size = 0
        try:
            async for piece in self._talk.pieces():
                size += len(piece)
                _require_room(self._request, size, self.status, self._limits)
                yield piece
        except ConnectionLost:
            raise _lost(self._request, self.status) from None


async def _once(body: bytes | None) -> AsyncIterator[bytes]:
    if body:
        yield body


def _decoded(answer: Answer, limit: int | None) -> bytes:
    """The body without its content coding; never more than one byte above the limit, however it is packed."""
    if answer.header("content-encoding") not in ("gzip", "deflate"):
        return answer.body
    decoder = zlib.decompressobj(wbits=47)  # gzip or zlib, by their headers
    body = decoder.decompress(answer.body, 0 if limit is None else limit + 1)
    if not decoder.eof and (limit is None or len(body) <= limit):
        raise zlib.error("the coded body ends too early")
    return body


def _require_room(request: Request, size: int, status: int, limits: Limits) -> None:
    if limits.body is not None and size > limits.body:
        told = f"{request.host} answered with too much."
        raise NoAnswer(told, may_have_acted=True, retryable=False, status=status)


def _lost(request: Request, status: int | None = None) -> NoAnswer:
    return NoAnswer(f"The connection to {request.host} was lost.", may_have_acted=True, status=status)
