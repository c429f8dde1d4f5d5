"""What a broken exchange is called, how long it may last and how much memory it may take."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import threading
import time
import traceback
import tracemalloc
from typing import Any

import pytest
import structlog

from holdfast.domain.door import WHOLE, Limits
from holdfast.domain.exchange import Request, Response
from holdfast.errors import NoAnswer

CANARY = "canary"


def request(port: int, *, scheme: str = "http", host: str = "127.0.0.1", method: str = "POST") -> Request:
    """A request whose every part but scheme, host and port is a secret."""
    url = f"{scheme}://{host}:{port}/{CANARY}?key={CANARY}"
    return Request(method, url, {"Authorization": f"Bearer {CANARY}"}, f"refresh_token={CANARY}".encode())


async def fault(door: Any, sent: Request, limits: Limits = WHOLE) -> NoAnswer:
    """The error of an exchange that fails; nothing that is printed or logged on the way shows a secret."""
    with structlog.testing.capture_logs() as logs, pytest.raises(NoAnswer) as failed:
        await door.send(sent, limits=limits)
    shown = "".join(traceback.format_exception(failed.value)) + repr(failed.value) + str(logs)
    assert CANARY not in shown
    assert failed.value.__context__ is None
    return failed.value


def closed_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def stand_still(seconds: float) -> None:
    """As a process that is stopped: nothing of it moves meanwhile."""
    threading.Event().wait(seconds)


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def test_a_refused_connection_sent_nothing(open_door: Any) -> None:
    """Nobody listens: the request did not leave."""
    error = await fault(open_door(), request(closed_port()))

    assert (error.may_have_acted, error.retryable, error.status) == (False, True, None)
    assert "could not be reached" in str(error)


async def test_an_unknown_name_sent_nothing(open_door: Any) -> None:
    """A name without an address: the request did not leave."""
    error = await fault(open_door(allow="gone.internal"), request(80, host="gone.internal"))

    assert (error.may_have_acted, str(error)) == (False, "http://gone.internal could not be resolved.")


async def test_a_name_server_that_fails_sent_nothing(open_door: Any) -> None:
    """The system cannot resolve the name: the request did not leave."""

    async def fail(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    error = await fault(open_door(allow="slow.internal", resolver=fail), request(80, host="slow.internal"))

    assert not error.may_have_acted


@pytest.mark.parametrize("limits", [Limits(connect=0.1), Limits(total=0.1), Limits(connect=0.1, head=0.0)])
async def test_a_name_server_that_stalls_sent_nothing(limits: Limits, open_door: Any) -> None:
    """Whichever limit passes without an address: the request did not leave."""

    async def stall(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    door = open_door(allow="slow.internal", resolver=stall)

    error = await fault(door, request(80, host="slow.internal"), limits)

    assert (error.may_have_acted, str(error)) == (False, "http://slow.internal could not be reached in time.")


async def test_a_server_that_stalls_in_the_handshake_got_nothing(listen: Any, open_door: Any) -> None:
    """The connection stands, TLS does not: the request did not leave."""
    server = await listen()

    error = await fault(open_door(), request(server.port, scheme="https"), Limits(connect=0.2))

    assert (error.may_have_acted, server.connections) == (False, 1)


async def test_a_server_that_speaks_no_tls_got_nothing(listen: Any, open_door: Any) -> None:
    """Plain text where TLS should be: the request did not leave."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        error = await fault(open_door(), request(server.sockets[0].getsockname()[1], scheme="https"))

    assert not error.may_have_acted


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_connection_lost_after_the_request_is_ambiguous(method: str, listen: Any, open_door: Any) -> None:
    """The provider may have acted; the request is not sent again, although its method is idempotent."""
    server = await listen(reset)

    error = await fault(open_door(), request(server.port, method=method))

    assert (error.may_have_acted, len(server.received)) == (True, 1)


async def test_a_connection_lost_between_two_requests_is_not_used_again(listen: Any, open_door: Any) -> None:
    """A connection that the server has closed in the meantime is replaced by a new one."""
    server = await listen(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    door = open_door()

    for _ in range(3):
        assert (await door.send(request(server.port))).status == 200

    assert server.connections == 3


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
async def test_a_server_that_stalls_is_given_up(start: bytes, listen: Any, open_door: Any) -> None:
    """The deadline ends an exchange that stopped before, within or after the headers."""

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        await hang(reader, writer)

    server = await listen(stall)

    error = await fault(open_door(), request(server.port), Limits(total=0.2))

    assert (error.may_have_acted, str(error)) == (True, f"http://127.0.0.1:{server.port} did not answer in time.")


async def test_an_answer_that_came_while_the_process_was_stopped_is_read(listen: Any, open_door: Any) -> None:
    """Stopped past the deadline, with the answer in the socket: it may be the only copy of a token."""
    body = b"x" * 900_000

    async def answer_and_stop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + body)
        stand_still(1.5)
        await hang(reader, writer)

    server = await listen(answer_and_stop)

    response = await open_door().send(request(server.port), limits=Limits(total=0.2))

    assert (response.status, response.body) == (200, body)


async def test_a_process_that_is_stopped_again_and_again_gives_a_server_up(listen: Any, open_door: Any) -> None:
    """A moment more is given once."""
    stops: list[int] = []

    async def trickle_and_stop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(3):
            writer.write(b"x")
            stand_still(3.2)  # longer than such a moment, and so much more that it looks stopped
            stops.append(len(stops))
            await asyncio.sleep(0.1)
        await hang(reader, writer)

    server = await listen(trickle_and_stop)

    error = await fault(open_door(), request(server.port), Limits(total=0.2))

    assert error.may_have_acted
    assert len(stops) == 2


async def test_a_byte_now_and_then_does_not_buy_time(listen: Any, open_door: Any) -> None:
    """The deadline is for the whole answer, not for the silence between two bytes."""

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.02)

    server = await listen(trickle)
    begun = time.monotonic()

    error = await fault(open_door(), request(server.port), Limits(total=0.3))

    assert error.may_have_acted
    assert time.monotonic() - begun < 2


async def test_an_endless_answer_is_cut_off(listen: Any, open_door: Any) -> None:
    """More than the cap is not read, whatever length was announced; the connection is closed."""
    gone = asyncio.Event()

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
                await writer.drain()
        finally:
            gone.set()

    server = await listen(pour)

    error = await fault(open_door(), request(server.port), Limits(body=100_000))

    await asyncio.wait_for(gone.wait(), 5)
    assert (error.may_have_acted, error.status) == (True, 200)
    assert "answered with too much" in str(error)


async def test_an_answer_of_exactly_the_cap_is_read(listen: Any, open_door: Any) -> None:
    """The cap is the largest size that is accepted."""
    server = await listen(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)

    assert len((await open_door().send(request(server.port), limits=Limits(body=1000))).body) == 1000
    assert "too much" in str(await fault(open_door(), request(server.port), Limits(body=999)))


async def test_a_small_answer_does_not_unfold_in_memory(listen: Any, open_door: Any) -> None:
    """The cap counts unpacked bytes: 64 MiB that come as 64 KiB of gzip cost a few MiB at most."""
    bomb = gzip.compress(bytes(64 << 20), 9)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
    server = await listen(head.encode() + bomb)
    door = open_door()

    tracemalloc.start()
    error = await fault(door, request(server.port))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "too much" in str(error)
    assert peak < 8 << 20


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\n X-Folded: 2\r\n\x00\r\n\r\n",
        b"\x00" * 1000,
    ],
)
async def test_an_answer_that_is_not_http_is_ambiguous(answer: bytes, listen: Any, open_door: Any) -> None:
    """Nonsense from a provider says nothing about what it did with the request, and never escapes as another error."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    server = await listen(babble)

    error = await fault(open_door(), request(server.port), Limits(total=2))

    assert (error.may_have_acted, error.status) == (True, None)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}",
        b"HTTP/1.1 202 Accepted\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
    ],
)
async def test_an_answer_that_breaks_off_is_ambiguous(answer: bytes, listen: Any, open_door: Any) -> None:
    """A body that is not whole is no answer; the status that came with it is all that is known."""

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    server = await listen(break_off)

    error = await fault(open_door(), request(server.port))

    assert (error.may_have_acted, error.retryable, error.status) == (True, True, 202)


async def test_a_hundred_thousand_interim_answers_end_with_the_deadline(listen: Any, open_door: Any) -> None:
    """Interim answers (RFC 9110 section 15.2) do not keep an exchange alive."""

    async def early_hints(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            await asyncio.sleep(0.001)

    server = await listen(early_hints)

    assert (await fault(open_door(), request(server.port), Limits(total=0.3))).may_have_acted


async def test_a_protocol_switch_is_not_taken(listen: Any, open_door: Any) -> None:
    """A server that answers 101, which nobody asked for, broke the exchange."""

    async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
        await hang(reader, writer)

    server = await listen(switch)

    assert (await fault(open_door(), request(server.port))).may_have_acted


async def test_closing_the_door_ends_the_calls_under_way(listen: Any, open_door: Any) -> None:
    """A call that is waiting for its answer when the process stops is ambiguous, not lost."""
    arrived = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await hang(reader, writer)

    server = await listen(wait)
    door = open_door()
    call = asyncio.ensure_future(fault(door, request(server.port)))
    await arrived.wait()

    await door.close()

    assert (await call).may_have_acted


async def test_a_cancelled_call_leaves_the_door_usable(listen: Any, open_door: Any) -> None:
    """A caller that goes away takes its connection along and nothing else."""
    arrived = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await hang(reader, writer)

    stalled, server = await listen(wait), await listen()
    door = open_door()
    call = asyncio.ensure_future(door.send(request(stalled.port)))
    await arrived.wait()

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert isinstance(await door.send(request(server.port)), Response)


async def test_the_library_below_logs_no_url(listen: Any, open_door: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Not even at debug level does aiohttp or asyncio write what the request holds."""
    caplog.set_level(logging.DEBUG)
    server = await listen(reset)

    await fault(open_door(), request(server.port))

    assert CANARY not in caplog.text
