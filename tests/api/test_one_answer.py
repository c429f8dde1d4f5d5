"""A request has one answer: what goes wrong after it has begun ends it, and never begins another one."""

from __future__ import annotations

import asyncio

import pytest
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from holdfast.errors import ProviderError, UnauthorizedError
from holdfast.http.app import Frame
from holdfast.server import listening
from holdfast.testing.asgi import ConnectionLost, call

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]}


class Late:
    """Begins an answer of ten bytes, sends four, and fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(dict(START))
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise self._error


class Twice:
    """Begins two answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(dict(START))
        await send(dict(START))


ERRORS = [ProviderError("The provider went away."), UnauthorizedError("5ecret"), ValueError("5ecret")]
LATE = [pytest.param(Late(error), type(error).__name__, id=type(error).__name__) for error in ERRORS]


@pytest.mark.parametrize(("endpoint", "named"), [*LATE, pytest.param(Twice(), "RuntimeError", id="a second start")])
async def test_an_answer_that_has_begun_is_the_only_one(endpoint: Late | Twice, named: str) -> None:
    """An error of any kind after the start is logged by its name and place, and nothing more is sent."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/late", "raw_path": b"/late", "headers": []}
    with capture_logs() as logged:
        await Frame([Route("/late", endpoint, methods=["GET"])])(scope, receive, send)

    assert [m["type"] for m in sent].count("http.response.start") == 1
    assert sent[-1]["type"] == "http.response.start" or sent[-1]["more_body"]
    assert [(line["event"], line["error"]) for line in logged] == [("answer_cut_off", named)]
    assert "5ecret" not in str(logged)


async def test_a_server_cuts_an_unfinished_answer_off() -> None:
    """The connection is closed short of the promised length, so a client cannot take a half for the whole."""
    frame = Frame([Route("/late", Late(ERRORS[0]), methods=["GET"])])
    listener = listening.listen("127.0.0.1", 0)
    async with listening.in_background(frame, listener):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        writer.write(b"GET /late HTTP/1.1\r\nHost: vault\r\n\r\n")
        async with asyncio.timeout(10):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()

    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"half"


async def test_a_client_in_this_process_sees_it_too() -> None:
    """The test kit's client tells an unfinished answer as a lost connection."""
    frame = Frame([Route("/late", Late(ERRORS[0]), methods=["GET"])])

    with pytest.raises(ConnectionLost):
        await call(frame, "GET", "http://vault/late")
