"""What may happen to a body: it comes too slowly, not at all, or after the answer; and too many clients at once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from executable import PATIENCE, Holdfast, Running, connections
from starlette.types import Receive, Scope, Send

from holdfast.server import listening, openfiles, protocol

HALF = b"POST /read HTTP/1.1\r\nHost: vault\r\nContent-Length: 200000\r\n\r\n{"
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers 204 at once, or after reading what is sent to /read."""
    message = {"more_body": scope["path"] == "/read"}
    while message.get("more_body"):
        message = dict(await receive())
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listener = listening.listen("127.0.0.1", 0)
    async with listening.in_background(app, listener):
        yield listener.getsockname()[1]


async def received(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server ends the connection."""
    async with asyncio.timeout(PATIENCE):
        return await reader.read()


async def write_on(writer: asyncio.StreamWriter) -> None:
    """Sends until that is refused."""
    async with asyncio.timeout(PATIENCE):
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("sent", [HALF, HALF + b"a" * 50_000], ids=["nothing of it", "a part of it"])
async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch, port: int, sent: bytes) -> None:
    """A client that announces a body and does not go on with it loses its connection without an answer."""
    monkeypatch.setattr(protocol, "BODY_TIMEOUT", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)

    assert await received(reader) == b""
    writer.close()


async def test_a_trickle_is_no_progress(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Single bytes, each in time, do not keep a connection: a body has to go on by a good piece."""
    monkeypatch.setattr(protocol, "BODY_TIMEOUT", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HALF)

    async def trickle() -> None:
        while True:
            writer.write(b"a")
            await asyncio.sleep(0.02)  # a client of its own pace

    trickling = asyncio.create_task(trickle())
    with contextlib.suppress(ConnectionResetError):
        assert await received(reader) == b""
    trickling.cancel()
    writer.close()


async def test_a_slow_body_arrives(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """A client that keeps going on may take longer than any single piece may."""
    monkeypatch.setattr(protocol, "BODY_TIMEOUT", 0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HALF)
    for _ in range(2):
        await asyncio.sleep(0.3)  # a client of its own pace
        writer.write(b"a" * 70_000)
    writer.write(b"a" * (200_000 - 140_001))

    async with asyncio.timeout(PATIENCE):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
    writer.close()


async def test_an_early_answer_is_the_last(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """A request that is answered before its body came ends its connection; the answer is not lost to the rest of it."""
    monkeypatch.setattr(protocol, "LINGER", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HALF.replace(b"/read", b"/"))
    async with asyncio.timeout(PATIENCE):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.write(b"a" * 100_000)
    await writer.drain()

    assert b"connection: close" in head
    assert await received(reader) == b""
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        await write_on(writer)  # nobody reads any more
    writer.close()


async def test_a_whole_body_leaves_its_connection_open(port: int) -> None:
    """A body that is complete before the answer costs no connection, read or not, in one piece or in two."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for path, pieces in ((b"/", [b"ab"]), (b"/read", [b"ab"]), (b"/read", [b"a", b"b"])):
        writer.write(b"POST " + path + b" HTTP/1.1\r\nHost: vault\r\nContent-Length: 2\r\n\r\n" + pieces[0])
        for piece in pieces[1:]:
            await asyncio.sleep(0.05)  # so that it is a piece of its own
            writer.write(piece)
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
        assert b"connection: close" not in head
    writer.close()


async def test_connections_have_a_number(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """One connection too many is refused at once, and taken when another one has left."""
    monkeypatch.setattr(protocol, "CONNECTIONS", 2)
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    refused = await received(reader)
    writer.close()
    held[0][1].close()
    await held[0][1].wait_closed()

    assert refused.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in refused
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: vault\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
    for _, open_one in (held[1], (reader, writer)):
        open_one.close()


async def test_files_are_left_for_the_vault(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Clients never take the files that the database and the way to the providers need."""
    monkeypatch.setattr(openfiles, "limit", lambda: protocol.RESERVED_FILES)
    held = await asyncio.open_connection("127.0.0.1", port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    assert (await received(reader)).startswith(b"HTTP/1.1 503")
    for open_one in (held[1], writer):
        open_one.close()


def test_half_a_body_without_a_key_is_answered_and_ended(server: Running, shared: Holdfast) -> None:
    """Whoever has no key is told so before the body came, and holds nothing; an honest caller is answered meanwhile."""
    address = ("127.0.0.1", urlsplit(server.url).port or 0)
    head = b"POST /vault/connections/crm/pipedrive HTTP/1.1\r\nHost: vault\r\nContent-Length: 9999\r\n\r\n{"
    held = [socket.create_connection(address, PATIENCE) for _ in range(50)]
    for client in held:
        client.sendall(head)

    assert connections(server.url, shared.application()).status_code == 200
    for client in held:
        with client, client.makefile("rb") as answer:
            told = answer.read()  # to the end that the server makes
        assert told.startswith(b"HTTP/1.1 401")
        assert b"connection: close" in told
