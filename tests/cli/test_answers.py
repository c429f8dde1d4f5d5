"""How answers leave: in as few pieces as they come in, and only as what they say they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from uvicorn.server import ServerState

from holdfast.server import listening
from holdfast.server.protocol import LimitedProtocol

GET = b"GET /vault/connections HTTP/1.1\r\nHost: vault\r\n\r\n"
ENDED: list[Message] = [{"type": "http.response.body", "body": b"{}"}]


class Wire(asyncio.Transport):
    """A client's end: keeps what is written, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def resume_reading(self) -> None: ...


class Timers:
    """An event loop whose time is moved by hand; everything else is the running one's."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._moment = 0.0
        self._due: list[tuple[float, Callable[[], None], asyncio.Handle]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def time(self) -> float:
        return self._moment

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.Handle:
        handle = asyncio.Handle(callback, (), self._loop)
        self._due.append((self._moment + delay, callback, handle))
        return handle

    @property
    def set(self) -> int:
        """How many timers are set."""
        return sum(not handle.cancelled() for _, _, handle in self._due)

    def pass_to(self, moment: float) -> None:
        while due := sorted((at, callback, handle) for at, callback, handle in self._due if at <= moment):
            self._due.remove(due[0])
            self._moment, callback, handle = due[0]
            if not handle.cancelled():
                callback()
        self._moment = moment


def start(status: int, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def connection(
    messages: Sequence[Message], loop: Any = None, ready: asyncio.Event | None = None
) -> tuple[LimitedProtocol, Wire]:
    """A connection to a server that answers every request with `messages`, once it is `ready`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if ready is not None:
            await ready.wait()
        for message in messages:
            await send(dict(message))

    config = listening._config(app)
    config.load()
    loop = loop or asyncio.get_running_loop()
    made, wire = LimitedProtocol(config=config, server_state=ServerState(), app_state={}, _loop=loop), Wire()
    made.connection_made(wire)
    return made, wire


async def ask(made: LimitedProtocol, request: bytes = GET) -> None:
    made.data_received(request)
    await asyncio.gather(*made.tasks)


async def test_a_whole_answer_is_one_write() -> None:
    """Head and body leave together, though the application gives them one after the other."""
    made, wire = connection([start(200, (b"content-length", b"2")), *ENDED])

    await ask(made)

    assert wire.pieces == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"]
    assert not wire.closed


async def test_a_stream_is_written_as_it_comes() -> None:
    """The head goes with the first piece, even an empty one; without a length, pieces are chunks."""
    body = [{"type": "http.response.body", "body": piece, "more_body": True} for piece in (b"", b"one", b"", b"two")]
    made, wire = connection([start(200), *body, {"type": "http.response.body"}])

    await ask(made)

    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    assert [piece for piece in wire.pieces if piece] == [head, b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"]


async def test_a_stream_to_an_old_client_ends_with_its_connection() -> None:
    """HTTP/1.0 knows no chunks (RFC 9112 section 6.1): the body is as it is, and the end of the line is its end."""
    pieces = [{"type": "http.response.body", "body": piece, "more_body": True} for piece in (b"one", b"two")]
    made, wire = connection([start(200), *pieces, {"type": "http.response.body"}])

    await ask(made, GET.replace(b"HTTP/1.1", b"HTTP/1.0"))

    assert b"".join(wire.pieces) == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nonetwo"
    assert wire.closed


@pytest.mark.parametrize(
    ("request_", "begun", "expected"),
    [
        pytest.param(GET, start(204), b"HTTP/1.1 204 No Content\r\n\r\n", id="no content"),
        pytest.param(
            GET,
            start(520, (b"content-length", b"0")),
            b"HTTP/1.1 520 \r\ncontent-length: 0\r\n\r\n",
            id="a status without words",
        ),
        pytest.param(
            GET,
            start(999, (b"content-length", b"0")),
            b"HTTP/1.1 999 \r\ncontent-length: 0\r\n\r\n",
            id="a status of somebody's own",
        ),
        pytest.param(
            GET.replace(b"GET", b"HEAD"),
            start(200, (b"content-length", b"2")),
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
            id="HEAD",
        ),
        pytest.param(
            GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
            start(204),
            b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
            id="the last one",
        ),
    ],
)
async def test_an_answer_without_a_body_is_its_head(request_: bytes, begun: Message, expected: bytes) -> None:
    """What has no body says so by its status or its method (RFC 9112 section 6.3), and the connection's end is told."""
    body = {"type": "http.response.body", "body": b"{}" if request_.startswith(b"HEAD") else b""}
    made, wire = connection([begun, body])

    await ask(made, request_)

    assert wire.pieces == [expected]
    assert wire.closed == (b"close" in request_)


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([start(302, (b"location", b"/a\r\nset-cookie: a=b")), *ENDED], id="a header within a header"),
        pytest.param([start(302, (b"location", b"/a\nset-cookie: a=b")), *ENDED], id="a line feed alone"),
        pytest.param([start(200, (b"x-a\r\nx-b", b"1")), *ENDED], id="a header within a name"),
        pytest.param([start(200, (b"x-a", b"a\0b")), *ENDED], id="a NUL"),
        pytest.param([start(200, (b"content-length", b"1")), *ENDED], id="longer than it says"),
        pytest.param([start(200, (b"content-length", b"3")), *ENDED], id="shorter than it says"),
        pytest.param([start(200), start(200), *ENDED], id="begun twice"),
        pytest.param([start(200)], id="never given"),
    ],
)
async def test_a_malformed_answer_is_not_sent(messages: list[Message]) -> None:
    """The connection ends instead, so that nobody takes what a header or a body smuggled for an answer."""
    made, wire = connection(messages)

    await ask(made)

    assert wire.pieces == []
    assert wire.closed


async def test_an_idle_connection_is_closed_in_the_end() -> None:
    """After 75 seconds without a request; a request in between begins them anew, a stray line break does not."""
    timers = Timers()
    made, wire = connection([start(204), {"type": "http.response.body"}], timers)
    await ask(made)
    timers.pass_to(70)
    await ask(made)
    timers.pass_to(100)
    made.data_received(b"\r\n")
    timers.pass_to(144)
    assert not wire.closed

    timers.pass_to(146)
    assert wire.closed


async def test_a_connection_is_not_idle_while_it_is_answered() -> None:
    """However long an answer takes, its connection stays; only from its end on does time count."""
    timers, ready = Timers(), asyncio.Event()
    ready.set()
    made, wire = connection([start(204), {"type": "http.response.body"}], timers, ready)
    await ask(made)
    ready.clear()
    made.data_received(GET)
    timers.pass_to(200)
    assert not wire.closed

    ready.set()
    await asyncio.gather(*made.tasks)
    timers.pass_to(274)
    assert not wire.closed
    timers.pass_to(276)
    assert wire.closed


async def test_a_connection_that_has_gone_leaves_no_timer() -> None:
    """What it was would otherwise stay in memory until the timer ends."""
    timers = Timers()
    made, _ = connection([start(204), {"type": "http.response.body"}], timers)
    await ask(made)

    made.connection_lost(None)

    assert timers.set == 0
