"""Bodies that are sent while they are made: as fast as the server takes them, and whole or recognisably not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from holdfast.domain.door import STREAM, Limits, Upload
from holdfast.domain.exchange import Request
from holdfast.errors import NoAnswer, RequestValidationError

MIB = 1 << 20
AHEAD = 16 * MIB  # what the kernel's buffers and aiohttp's may hold between two programs on this machine


class SourceFailed(Exception):
    """The source of an upload broke."""


def put(server: Any) -> Request:
    return Request("PUT", f"http://127.0.0.1:{server.port}/files/1", {"Content-Type": "text/csv"})


async def pieces(*given: bytes | Exception) -> AsyncIterator[bytes]:
    for piece in given:
        if isinstance(piece, Exception):
            raise piece
        yield piece


async def status_of(door: Any, sent: Request, upload: Upload, limits: Limits = STREAM) -> int:
    async with door.open(sent, upload, limits=limits) as answer:
        _ = [piece async for piece in answer.stream()]
        return int(answer.status)


async def chunked(reader: asyncio.StreamReader) -> bytes:
    """A body that came in chunks. asyncio.IncompleteReadError if it breaks off before its last one."""
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


class Uploaded:
    """A server's behaviour: reads a chunked body, then answers; `body` is what it got, None if that broke off."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.body: bytes | None = None

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.body = await chunked(reader)
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        finally:
            self.over.set()


async def test_an_upload_of_unknown_length_goes_in_chunks(listen: Any, open_door: Any) -> None:
    """Every piece arrives, an empty one ends nothing, and no length is made up."""
    uploaded = Uploaded()
    server = await listen(uploaded)

    status = await status_of(open_door(), put(server), Upload(pieces(b"id,name\n", b"", b"1,Acme\n")))

    assert (status, uploaded.body) == (201, b"id,name\n1,Acme\n")
    head = server.received[0].lower()
    assert b"transfer-encoding: chunked\r\n" in head
    assert b"content-length" not in head
    assert b"content-type: text/csv\r\n" in head


async def test_an_upload_of_known_length_says_so(listen: Any, open_door: Any) -> None:
    """A service that wants a length gets it, and no chunks; whatever length the caller's headers claim."""
    server = await listen(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
    sent = Request("PUT", f"http://127.0.0.1:{server.port}/", {"content-length": "3"})

    assert await status_of(open_door(), sent, Upload(pieces(b"ab", b"cd"), length=4)) == 201

    head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert body == b"abcd"
    assert head.lower().count(b"content-length: 4") == head.lower().count(b"content-length") == 1
    assert b"chunked" not in head.lower()


@pytest.mark.parametrize(("given", "told"), [((b"ab",), "shorter"), ((b"ab", b"cde"), "longer")])
async def test_an_upload_of_another_length_than_announced_is_none(
    given: tuple[bytes, ...], told: str, listen: Any, open_door: Any
) -> None:
    """Too few bytes would keep the server waiting, too many would be the start of a second request."""
    server = await listen()

    with pytest.raises(RequestValidationError, match=f"{told} than was announced"):
        await status_of(open_door(), put(server), Upload(pieces(*given), length=4), Limits(total=5))
    assert b"cde" not in b"".join(server.received)


async def test_a_source_that_fails_never_looks_like_one_that_ended(listen: Any, open_door: Any) -> None:
    """The server sees the body break off, and the caller sees why."""
    uploaded = Uploaded()
    server = await listen(uploaded)

    with pytest.raises(SourceFailed):
        await status_of(open_door(), put(server), Upload(pieces(b"id,name\n", SourceFailed())), Limits(total=5))

    await asyncio.wait_for(uploaded.over.wait(), 5)
    assert uploaded.body is None


async def test_a_source_that_fails_after_the_head_ends_the_answer_too(listen: Any, open_door: Any) -> None:
    """A server that answers while it reads is hung up on when there is nothing more to read."""
    answered, gone = asyncio.Event(), asyncio.Event()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        try:
            await chunked(reader)
        finally:
            gone.set()

    async def source() -> AsyncIterator[bytes]:
        yield b"a"
        await answered.wait()
        raise SourceFailed

    server = await listen(echo)
    async with open_door().open(put(server), Upload(source())) as answer:
        found = answer.stream()
        assert await anext(found) == b"a"
        answered.set()
        with pytest.raises(SourceFailed):
            await asyncio.wait_for(anext(found), 5)

    await asyncio.wait_for(gone.wait(), 5)


class Endless:
    """A source of 64 MiB that counts what was taken of it."""

    def __init__(self, size: int = 64 * MIB) -> None:
        self.size, self.taken = size, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.taken < self.size:
            self.taken += MIB // 4
            yield bytes(MIB // 4)

    async def until_still(self) -> int:
        """How much was taken, once nothing more is, though the loop ran on."""
        before = 0
        while not before or before != self.taken:
            before = self.taken
            await asyncio.sleep(0.05)
        return before


async def test_a_slow_server_holds_up_the_source(listen: Any, open_door: Any) -> None:
    """Of 64 MiB no more is taken than the buffers between the two hold; what arrives in the end is whole."""
    source, go_on = Endless(), asyncio.Event()
    arrived = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        await go_on.wait()
        while size := int(await reader.readuntil(b"\r\n"), 16):
            arrived += len(await reader.readexactly(size))
            assert source.taken - arrived < AHEAD
            await reader.readexactly(2)
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    server = await listen(slow)
    call = asyncio.ensure_future(status_of(open_door(), put(server), Upload(source)))
    assert 0 < await source.until_still() < AHEAD
    go_on.set()

    assert await call == 201
    assert arrived == 64 * MIB


class Watched:
    """The transports that the loop makes while it is watched, by the port that they lead to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._made: list[asyncio.Transport] = []
        loop = asyncio.get_running_loop()
        create = loop.create_connection

        async def watched(*given: Any, **options: Any) -> Any:
            transport, protocol = await create(*given, **options)
            self._made.append(transport)
            return transport, protocol

        monkeypatch.setattr(loop, "create_connection", watched)

    @property
    def unsent(self) -> list[int]:
        """Of each transport: bytes that were written and that the machine below has not taken."""
        return [transport.get_write_buffer_size() for transport in self._made]


@pytest.mark.parametrize("ends", ["cancelled", "too late"])
async def test_a_server_that_takes_no_more_is_left_at_once(
    ends: str, listen: Any, open_door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written and not taken is thrown away: no connection lingers until the server reads it."""
    never = asyncio.Event()
    source = Endless()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await never.wait()

    server, door, watched = await listen(deaf), open_door(), Watched(monkeypatch)
    limits = STREAM if ends == "cancelled" else Limits(total=None, silence=0.2, head=60)
    call = asyncio.ensure_future(status_of(door, put(server), Upload(source), limits))
    await source.until_still()
    held = watched.unsent
    if ends == "cancelled":
        call.cancel()

    with pytest.raises(asyncio.CancelledError if ends == "cancelled" else NoAnswer):
        await asyncio.wait_for(call, 5)
    assert held[0] > 0
    assert watched.unsent == [0]
    never.set()
    await asyncio.sleep(0)


async def test_the_time_of_a_slow_source_is_not_the_servers(listen: Any, open_door: Any) -> None:
    """However long a caller takes over its next piece, the server is not blamed; it has its own time to answer."""

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0.2)
            yield b"x"

    uploaded = Uploaded()
    server = await listen(uploaded)

    limits = Limits(connect=0.1, silence=0.1, head=0.1)
    assert await status_of(open_door(), put(server), Upload(slow()), limits) == 201


async def test_a_server_that_has_everything_must_answer(listen: Any, open_door: Any) -> None:
    """After the last piece the time for the head runs; the request left, so it may have been acted on."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await chunked(reader)
        await reader.read()

    server = await listen(silent)

    with pytest.raises(NoAnswer, match="did not answer in time") as failed:
        await asyncio.wait_for(
            status_of(open_door(), put(server), Upload(pieces(b"x")), Limits(total=None, silence=60, head=0.2)), 5
        )
    assert failed.value.may_have_acted


async def test_an_early_refusal_ends_the_upload(listen: Any, open_door: Any) -> None:
    """A server that answers before it has read everything is believed, and no more is sent to it."""
    source = Endless()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await reader.read()

    server, door = await listen(refuse), open_door()

    assert await status_of(door, put(server), Upload(source)) == 413

    assert source.taken < source.size
    assert (await door.send(Request("GET", f"http://127.0.0.1:{server.port}/"))).status == 413
    assert server.connections == 2


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_an_upload_is_never_sent_twice(method: str, listen: Any, open_door: Any) -> None:
    """A connection that breaks within an upload ends the call, although PUT may be repeated."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"first")
        writer.transport.abort()

    server = await listen(reset)
    sent = Request(method, f"http://127.0.0.1:{server.port}/")

    async def patient() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.Event().wait()

    with pytest.raises(NoAnswer) as failed:
        await status_of(open_door(), sent, Upload(patient()))
    assert failed.value.may_have_acted
    assert (server.connections, len(server.received)) == (1, 1)
