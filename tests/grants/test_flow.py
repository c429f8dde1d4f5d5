"""The one driver: what it makes of no answer, and that it ends what it began."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import pytest

from holdfast.domain.exchange import Request, Response
from holdfast.errors import EgressRefused, GrantDeferred, HoldfastError, NoAnswer
from holdfast.grants.flow import drive
from holdfast.grants.sent import Sent

REQUEST = Request("POST", "https://auth.acme.example/token")


class Flow:
    """A flow of two requests; `ended` says whether it was given up."""

    def __init__(self) -> None:
        self.ended = False

    def __call__(self) -> Generator[Request, Response, list[int]]:
        try:
            first = yield REQUEST
            second = yield REQUEST
        finally:
            self.ended = True
        return [first.status, second.status]


async def test_a_flow_is_given_the_answer_to_each_request() -> None:
    """One after the other, until it returns what it found."""
    answers = iter((Response(200, {}, b""), Response(204, {}, b"")))

    async def send(request: Request) -> Response:
        return next(answers)

    assert await drive(Flow()(), send, Sent(())) == [200, 204]


@pytest.mark.parametrize("acted", [True, False])
async def test_no_answer_defers_the_grant(acted: bool) -> None:
    """What the door calls no answer is a grant deferred; whether the provider may have acted is handed on."""

    async def send(request: Request) -> Response:
        raise NoAnswer("https://auth.acme.example did not answer.", may_have_acted=acted, status=200)

    with pytest.raises(GrantDeferred) as deferred:
        await drive(Flow()(), send, Sent(()))

    told = deferred.value
    assert (told.ambiguous, told.status, told.retryable) == (acted, 200, True)
    assert told.detail == "https://auth.acme.example did not answer."


@pytest.mark.parametrize("error", [NoAnswer("Gone.", may_have_acted=True), EgressRefused(), RuntimeError()])
async def test_a_flow_ends_with_the_error_that_ended_it(error: Exception) -> None:
    """Nothing that a flow has begun is left for the garbage collector to end."""
    flow = Flow()

    async def send(request: Request) -> Response:
        raise error

    running = flow()
    with pytest.raises(HoldfastError if isinstance(error, HoldfastError) else RuntimeError):
        await drive(running, send, Sent(()))

    assert flow.ended


async def test_a_cancelled_flow_ends() -> None:
    """A caller that goes away within a request takes the flow along."""
    flow, waiting = Flow(), asyncio.Event()

    async def send(request: Request) -> Response:
        waiting.set()
        await asyncio.Event().wait()
        raise AssertionError

    running = flow()
    driving = asyncio.ensure_future(drive(running, send, Sent(())))
    await waiting.wait()
    driving.cancel()

    with pytest.raises(asyncio.CancelledError):
        await driving
    assert flow.ended
