"""Answers that are read while they arrive: what of them is held, how long they may take, how they end."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog

from holdfast.domain.door import STREAM, Limits, Upload
from holdfast.domain.exchange import Request
from holdfast.errors import EgressRefused, NoAnswer, RequestValidationError

CANARY = "canary"
MIB = 1 << 20
# What the kernel's buffers and aiohttp's may hold of a stream between two programs on this machine.
AHEAD = 16 * MIB


def request(server: Any, method: str = "GET") -> Request:
    url = f"http://127.0.0.1:{server.port}/{CANARY}?key={CANARY}"
    return Request(method, url, {"Authorization": f"Bearer {CANARY}"})


async def broken(door: Any, sent: Request, limits: Limits = STREAM) -> tuple[NoAnswer, bytes]:
    """The error that an exchange ends with, which shows no secret, and what was read before it."""
    read: list[bytes] = []
    with structlog.testing.capture_logs() as logs, pytest.raises(NoAnswer) as failed:
        await read_into(read, door, sent, limits)
    assert CANARY not in repr(failed.value) + str(logs)
    assert failed.value.__context__ is None
    return failed.value, b"".join(read)


async def read_into(read: list[bytes], door: Any, sent: Request, limits: Limits) -> None:
    async with door.open(sent, limits=limits) as answer:
        async for piece in answer.stream():
            read.append(piece)  # noqa: PERF401 - what was read before the fault counts


async def test_the_head_is_there_before_the_body(listen: Any, open_door: Any) -> None:
    """Status and headers can be told while the server still makes the body; its pieces come as they were sent."""
    go_on = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 207 Multi-Status\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await go_on.wait()
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")

    server = await listen(answer)

    async with open_door().open(request(server)) as found:
        assert found.status == 207
        pieces = found.stream()
        assert await anext(pieces) == b"first"
        go_on.set()
        assert [piece async for piece in pieces] == [b"second"]


async def test_headers_stay_as_they_came(listen: Any, open_door: Any) -> None:
    """Their order, their case, each of the repeated ones, and bytes that are no text."""
    server = await listen(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT\r\nX-City: K\xf6ln\r\n"
        b"set-cookie: b=2\r\nContent-Length: 0\r\n\r\n"
    )

    async with open_door().open(request(server)) as answer:
        assert answer.headers == (
            (b"Set-Cookie", b"a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT"),
            (b"X-City", b"K\xf6ln"),
            (b"set-cookie", b"b=2"),
            (b"Content-Length", b"0"),
        )


@pytest.mark.parametrize(
    ("coding", "packed"), [("gzip", gzip.compress(b"{}", mtime=0)), ("deflate", zlib.compress(b"{}"))]
)
async def test_a_packed_body_stays_packed(coding: str, packed: bytes, listen: Any, open_door: Any) -> None:
    """What the two ends agreed on is theirs: nothing is unpacked, and the headers still describe the body."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(packed)}\r\n\r\n"
    server = await listen(head.encode() + packed)

    async with open_door().open(request(server)) as answer:
        assert (b"Content-Encoding", coding.encode()) in answer.headers
        assert b"".join([piece async for piece in answer.stream()]) == packed


async def test_the_door_adds_no_wish_of_its_own(listen: Any, open_door: Any) -> None:
    """What is acceptable is between the two ends: no Accept, no Accept-Encoding that nobody gave."""
    server = await listen()
    sent = Request("GET", f"http://127.0.0.1:{server.port}/", {"Accept-Encoding": "zstd"})

    async with open_door().open(request(server)):
        pass
    async with open_door().open(sent):
        pass

    bare, own = (received.lower() for received in server.received)
    assert b"accept" not in bare
    assert b"accept-encoding: zstd\r\n" in own


async def pour(writer: asyncio.StreamWriter, size: int, sent: list[int]) -> None:
    """Sends `size` bytes, as fast as they are taken; `sent` has what was given to the connection so far."""
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
    while sum(sent) < size:
        writer.write(bytes(MIB // 4))
        sent.append(MIB // 4)
        await writer.drain()


async def until_still(sent: list[int]) -> int:
    """How much was sent, once nothing more is, though the loop ran on."""
    before = -1
    while before != sum(sent):
        before = sum(sent)
        await asyncio.sleep(0.05)
    return before


async def test_a_slow_reader_holds_up_the_server(listen: Any, open_door: Any) -> None:
    """Of 64 MiB no more is on its way than the buffers between the two take; what is read then is whole."""
    sent: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await pour(writer, 64 * MIB, sent)

    server = await listen(serve)

    async with open_door().open(request(server)) as answer:
        pieces = answer.stream()
        read = len(await anext(pieces))
        assert await until_still(sent) < AHEAD
        largest = 0
        async for piece in pieces:
            read, largest = read + len(piece), max(largest, len(piece))
            assert sum(sent) - read < AHEAD
    assert read == 64 * MIB
    assert largest <= MIB


@pytest.mark.parametrize("read_some", [False, True])
async def test_whoever_leaves_early_hangs_up(read_some: bool, listen: Any, open_door: Any) -> None:
    """The server learns at once that nobody wants the rest; the next call gets a connection of its own."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await pour(writer, 64 * MIB, [])
        finally:
            gone.set()

    server, door = await listen(serve), open_door()

    async with door.open(request(server)) as answer:
        if read_some:
            await anext(answer.stream())

    await asyncio.wait_for(gone.wait(), 5)
    async with door.open(request(server)) as answer:
        assert answer.status == 200
    assert server.connections == 2


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
async def test_a_cancelled_call_hangs_up(start: bytes, listen: Any, open_door: Any) -> None:
    """A caller that is cancelled, before the head or within the body, takes the connection along."""
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        arrived.set()
        await reader.read()
        gone.set()

    server = await listen(serve)

    calling = asyncio.ensure_future(read_into([], open_door(), request(server), STREAM))
    await arrived.wait()
    calling.cancel()

    with pytest.raises(asyncio.CancelledError):
        await calling
    await asyncio.wait_for(gone.wait(), 5)


async def test_an_answer_read_to_its_end_leaves_its_connection(listen: Any, open_door: Any) -> None:
    """Both verbs share the connections that are kept."""
    server, door = await listen(), open_door()

    for _ in range(2):
        async with door.open(request(server)) as answer:
            assert b"".join([piece async for piece in answer.stream()]) == b"{}"
        assert (await door.send(request(server))).body == b"{}"

    assert (server.connections, len(server.received)) == (1, 4)


async def test_an_exchange_that_is_over_does_not_end_the_next_one(listen: Any, open_door: Any) -> None:
    """To leave a context after its end closes no connection that another call has got by then."""
    server, door = await listen(), open_door()

    async with door.open(request(server)) as first:
        _ = [piece async for piece in first.stream()]
        second = door.open(request(server))
        answer = await second.__aenter__()

    assert [piece async for piece in answer.stream()] == [b"{}"]
    await second.__aexit__(None, None, None)
    assert server.connections == 1


def stalling(start: bytes) -> Any:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        await reader.read()

    return stall


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "limits", "status", "read"),
    [
        (b"", Limits(total=None, connect=0.1, head=0.1), None, b""),
        (b"", Limits(total=0.2), None, b""),
        (HEAD, Limits(total=None, silence=0.2), 200, b""),
        (HEAD + b"{", Limits(total=None, silence=0.2), 200, b"{"),
        (HEAD + b"{", Limits(total=0.2, silence=60), 200, b"{"),
    ],
)
async def test_each_limit_ends_a_wait(
    start: bytes, limits: Limits, status: int | None, read: bytes, listen: Any, open_door: Any
) -> None:
    """For the head, for the next piece, for the whole: a server that stalls is given up, and may have acted."""
    server = await listen(stalling(start))

    error, arrived = await broken(open_door(), request(server), limits)

    assert (error.may_have_acted, error.retryable, error.status, arrived) == (True, True, status, read)
    assert str(error) == f"http://127.0.0.1:{server.port} did not answer in time."


async def test_a_byte_now_and_then_buys_time_until_the_end_of_the_whole(listen: Any, open_door: Any) -> None:
    """Silence is counted from byte to byte; the deadline of the whole exchange stands, however lively it is."""

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.02)

    server = await listen(trickle)

    error, arrived = await broken(open_door(), request(server), Limits(total=1, silence=0.3))

    assert error.may_have_acted
    assert len(arrived) > 15


async def test_the_time_of_a_slow_reader_is_not_the_servers(listen: Any, open_door: Any) -> None:
    """However long a caller takes over a piece, the server is not blamed for it."""

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"1\r\nb\r\n0\r\n\r\n")

    server = await listen(both)

    async with open_door().open(request(server), limits=Limits(silence=0.2)) as answer:
        pieces = answer.stream()
        assert await anext(pieces) == b"a"
        await asyncio.sleep(0.4)
        assert await anext(pieces) == b"b"


async def test_a_body_is_counted_as_it_travels(listen: Any, open_door: Any) -> None:
    """The cap of a stream is for its packed bytes; beyond it nothing more is read, and trying again cannot help."""
    server = await listen(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)

    async with open_door().open(request(server), limits=Limits(body=1000)) as answer:
        assert len(b"".join([piece async for piece in answer.stream()])) == 1000
    error, _ = await broken(open_door(), request(server), Limits(body=999))

    assert (error.may_have_acted, error.retryable, error.status) == (True, False, 200)


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize(
    ("behaviour", "again", "status"),
    [
        (reset, True, None),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", True, None),
        (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", False, 101),
    ],
)
async def test_a_request_that_left_may_have_been_acted_on(
    behaviour: Any, again: bool, status: int | None, listen: Any, open_door: Any
) -> None:
    """Whatever a server does instead of answering: it has the request, once."""
    server = await listen(behaviour)

    error, _ = await broken(open_door(), request(server))

    assert (error.may_have_acted, error.retryable, error.status) == (True, again, status)
    assert len(server.received) == 1


async def test_a_body_that_breaks_off_is_no_whole_one(listen: Any, open_door: Any) -> None:
    """What came before is delivered, and then the fault, never a silent end."""

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"{}")

    error, read = await broken(open_door(), request(await listen(break_off)))

    assert (error.may_have_acted, error.status, read) == (True, 200, b"{}")


@pytest.mark.parametrize(
    ("url", "names", "words"),
    [
        ("http://gone.internal/", {}, "could not be resolved"),
        ("http://gone.internal:1/", {"gone.internal": ["127.0.0.1"]}, "could not be reached"),
    ],
)
async def test_a_request_that_did_not_leave_was_not_acted_on(
    url: str, names: dict[str, list[str]], words: str, open_door: Any
) -> None:
    """No name, no connection: nothing was sent."""
    error, _ = await broken(open_door(allow="gone.internal", names=names), Request("GET", url))

    assert (error.may_have_acted, error.retryable) == (False, True)
    assert words in str(error)


async def test_a_stream_goes_nowhere_that_a_whole_answer_does_not(listen: Any, open_door: Any) -> None:
    """The policy, the pins, the checked address and the single try hold for both verbs."""
    trap = await listen()
    private = open_door(allow="", names={"api.pipedrive.com": ["127.0.0.1"]})
    pinned = Request("GET", f"http://127.0.0.1:{trap.port}/", hosts=("api.pipedrive.com",))
    redirect = await listen(
        f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{trap.port}/\r\nContent-Length: 0\r\n\r\n".encode()
    )

    for door, sent in ((private, Request("GET", "https://api.pipedrive.com/")), (open_door(), pinned)):
        with pytest.raises(EgressRefused):
            async with door.open(sent):
                pass
    with pytest.raises(RequestValidationError):
        async with open_door().open(Request("GET", f"http://127.0.0.1:{trap.port}/", {"Host ": "evil.example"})):
            pass
    async with open_door().open(request(redirect)) as answer:
        assert answer.status == 307

    assert trap.connections == 0


async def test_the_pieces_of_an_upload_are_not_read_for_a_forbidden_place(open_door: Any) -> None:
    """A refusal comes before anything is taken from the caller."""
    taken: list[bytes] = []

    async def pieces() -> AsyncIterator[bytes]:
        taken.append(b"x")
        yield b"x"

    with pytest.raises(EgressRefused):
        async with open_door(allow="").open(Request("PUT", "https://127.0.0.1/"), Upload(pieces())):
            pass
    assert taken == []
