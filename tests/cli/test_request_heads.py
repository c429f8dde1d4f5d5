"""What may come before a body: bounded in size, in number and in time, whatever the parser would take."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from urllib.parse import urlsplit

import pytest
from executable import PATIENCE, Running
from starlette.types import Receive, Scope, Send

from holdfast.server import listening, protocol

REQUEST = b"GET /health HTTP/1.1\r\nHost: vault\r\n"


def answer(running: Running, pieces: Iterable[bytes]) -> bytes:
    """The first line of the answer to bytes that are sent one piece after the other."""
    with socket.create_connection(("127.0.0.1", urlsplit(running.url).port or 0), PATIENCE) as client:
        for piece in pieces:
            client.sendall(piece)
        return client.recv(4096).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param([REQUEST, b"\r\n"], b"HTTP/1.1 200 OK", id="a request in two pieces"),
        pytest.param([REQUEST + b"X: " + b"a" * 16_000 + b"\r\n\r\n"], b"HTTP/1.1 200 OK", id="a long cookie"),
        pytest.param([REQUEST + b"X: " + b"a" * 33_000 + b"\r\n\r\n"], b"HTTP/1.1 400 Bad Request", id="a long header"),
        pytest.param([b"GET /" + b"a" * 33_000 + b" HTTP/1.1\r\n\r\n"], b"HTTP/1.1 400 Bad Request", id="a long path"),
        pytest.param([REQUEST + b"X: a\r\n" * 200 + b"\r\n"], b"HTTP/1.1 400 Bad Request", id="many headers"),
        pytest.param([REQUEST, *[b"X: " + b"a" * 8000] * 5], b"HTTP/1.1 400 Bad Request", id="headers without end"),
    ],
)
def test_a_head_has_a_size(server: Running, pieces: list[bytes], expected: bytes) -> None:
    """32 KiB and 100 headers are enough for every client; what is larger is refused before it is kept."""
    assert answer(server, pieces) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(b"GET /health HTTP/1.0\r\n", b"HTTP/1.1 200 OK", id="an old client names no host"),
        pytest.param(b"GET /health HTTP/1.1\r\n", b"HTTP/1.1 400 Bad Request", id="no host"),
        pytest.param(REQUEST + b"host: other\r\n", b"HTTP/1.1 400 Bad Request", id="two hosts"),
        pytest.param(b"GET /health HTTP/2.0\r\nHost: vault\r\n", b"HTTP/1.1 400 Bad Request", id="another protocol"),
        pytest.param(
            REQUEST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"HTTP/1.1 200 OK", id="an upgrade is not taken"
        ),
    ],
)
def test_a_head_is_one_of_http_1(server: Running, head: bytes, expected: bytes) -> None:
    """One host in HTTP/1.1, at most one in HTTP/1.0, and no other version (RFC 9112 section 3.2)."""
    assert answer(server, [head + b"\r\n"]) == expected


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server that is less patient than usual."""
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.05)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    listener = listening.listen("127.0.0.1", 0)
    port: int = listener.getsockname()[1]
    async with listening.in_background(app, listener):
        yield port


@pytest.mark.parametrize("sent", [b"", b"GET /health HT", b"GET / HTTP/1.1\r\nHost: vault\r\n\r\nGET /health"])
async def test_a_head_has_a_deadline(port: int, sent: bytes) -> None:
    """A connection that says nothing, or does not finish saying it, is closed, also after a good request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)

    async with asyncio.timeout(PATIENCE):
        received = await reader.read()

    assert received.count(b"HTTP/1.1 204") == sent.count(b"\r\n\r\n")
    writer.close()
