"""Faults: what a provider does wrong, switched on for some of its endpoints and for as long as a test likes.

>>> with provider.behave("token:refresh_token", fail(503, retry_after=30)):
...     ...

To add a fault that changes only what is said, a function here; one that changes what happens, a word in `Behaviour`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from holdfast.clock import Clock


@dataclass(frozen=True, slots=True, repr=False)
class RawAnswer:
    """An answer byte by byte."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a request is treated. Times are seconds on the provider's clock."""

    delay: float = 0
    """Before the request is acted on."""
    acts: bool = True
    """Whether the request has its effect: a code is spent, a token is rotated."""
    delay_after: float = 0
    """Between the effect and the answer."""
    answer: RawAnswer | None = None
    """Said instead of the true answer."""
    members: Mapping[str, Any] = field(default_factory=dict)
    """Put over the members of the true JSON answer; `LEFT_OUT` takes one away."""
    drops: bool = False
    """The connection ends in the middle of the answer."""
    seconds_per_byte: float = 0
    """The pace of the body."""


PROPERLY = Behaviour()
LEFT_OUT = object()


def fail(status: int, *, retry_after: int | str | None = None, acts: bool = False) -> Behaviour:
    """Answers `status` with an empty body; `acts` tells whether the request had its effect all the same."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Behaviour(acts=acts, answer=RawAnswer(status, headers))


def say(answer: RawAnswer, *, acts: bool = False) -> Behaviour:
    """Answers exactly `answer`."""
    return Behaviour(acts=acts, answer=answer)


def lie(**members: Any) -> Behaviour:
    """Changes members of the true answer: `lie(expires_in=float("nan"), refresh_token=LEFT_OUT)`."""
    return Behaviour(members=members)


def drop(*, committed: bool = True) -> Behaviour:
    """Hangs up. `committed`: after the effect, so that the caller cannot know of it."""
    return Behaviour(acts=committed, drops=True)


def stall(seconds: float, *, committed: bool = False) -> Behaviour:
    """Keeps the caller waiting, before the effect or, `committed`, after it."""
    return Behaviour(delay_after=seconds) if committed else Behaviour(delay=seconds)


def drip(seconds_per_byte: float = 1) -> Behaviour:
    """Sends the true answer byte by byte."""
    return Behaviour(seconds_per_byte=seconds_per_byte)


def redirect(url: str, status: int = 307) -> Behaviour:
    """Sends the caller elsewhere; 307 and 308 would have it repeat the body, and with it the client's secret."""
    return Behaviour(acts=False, answer=RawAnswer(status, {"Location": url}))


async def perform(behaviour: Behaviour, act: Callable[[], Response], clock: Clock) -> Response:
    """The answer to a request whose effect and true answer `act` gives."""
    if behaviour.delay:
        await clock.sleep(behaviour.delay)
    response = act() if behaviour.acts else Response()
    if behaviour.delay_after:
        await clock.sleep(behaviour.delay_after)
    if behaviour.answer is not None:
        response = _raw(behaviour.answer)
    if behaviour.members and response.status_code < 300:
        response = _altered(response, behaviour.members)
    if behaviour.drops:
        return Dropped()
    return Dripping(response, behaviour.seconds_per_byte, clock.sleep) if behaviour.seconds_per_byte else response


class Dropped(Response):
    """An answer that is broken off after its head: the declared length never comes, so the server hangs up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"512")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


class Dripping(Response):
    """An answer that takes its time."""

    def __init__(self, response: Response, pace: float, sleep: Callable[[float], Awaitable[None]]) -> None:
        super().__init__(response.body, response.status_code)
        self.raw_headers = response.raw_headers
        self._pace, self._sleep = pace, sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for position in range(len(self.body)):
            await self._sleep(self._pace)
            chunk = bytes(self.body[position : position + 1])
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _raw(answer: RawAnswer) -> Response:
    response = Response(answer.body, answer.status)
    response.raw_headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    return response


def _altered(response: Response, members: Mapping[str, Any]) -> Response:
    told = {**json.loads(bytes(response.body)), **members}
    content = json.dumps({name: value for name, value in told.items() if value is not LEFT_OUT})  # NaN is wanted here
    return Response(content, response.status_code, {"Cache-Control": "no-store"}, "application/json")
