"""A load that is bounded in requests: a few keep-alive connections, one request at a time on each."""

from __future__ import annotations

import socket
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice


@dataclass(frozen=True)
class Slice:
    """One slice of load. Times are microseconds."""

    requests: int
    cpu: float
    p50: float
    p99: float


def run(pid: int, port: int, request: bytes | Sequence[bytes], *, requests: int, connections: int = 4) -> Slice:
    """Sends `request` `requests` times to 127.0.0.1:`port`; RuntimeError unless each answer is a 200.

    Of several, each connection takes every so manieth in turn, again and again.
    """
    waits: list[list[float]] = [[] for _ in range(connections)]
    asked = [request] if isinstance(request, bytes) else request
    threads = [
        threading.Thread(
            target=_one_connection, args=(port, asked[i::connections] or asked, requests // connections, waits[i])
        )
        for i in range(connections)
    ]
    before = cpu_seconds(pid)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = cpu_seconds(pid) - before
    times = sorted(t for wait in waits for t in wait)
    if len(times) != requests // connections * connections:
        raise RuntimeError(f"{requests - len(times)} of {requests} requests failed")
    p99 = times[int(len(times) * 0.99)]
    return Slice(len(times), spent / len(times) * 1e6, statistics.median(times) * 1e6, p99 * 1e6)


def alone(pid: int, port: int, request: bytes, *, times: int, pause: float) -> list[Slice]:
    """Slices of one request each, every one after `pause` seconds in which nobody asked."""
    slices = []
    for _ in range(times):
        time.sleep(pause)
        slices.append(run(pid, port, request, requests=1, connections=1))
    return slices


def fetch(port: int, request: bytes) -> bytes:
    """The body of one answer."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        return _read_answer(connection).partition(b"\r\n\r\n")[2]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, all its threads together.

    /proc/PID/stat tells the same in steps of 10 ms, a quarter of a slice of the reference; the clock that Linux has
    for each process (`clock_getcpuclockid(3)`, whose number is made here) counts nanoseconds.
    """
    return time.clock_gettime(~pid << 3 | 2)


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(open(f"/proc/{pid}/statm").read().split()[1])
    return pages * 4096 / 1e6


def _one_connection(port: int, asked: Sequence[bytes], count: int, waits: list[float]) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in islice(cycle(asked), count):
            began = time.perf_counter()
            connection.sendall(request)
            if not _read_answer(connection).startswith(b"HTTP/1.1 200"):
                sys.exit("the server did not answer 200")
            waits.append(time.perf_counter() - began)


def _read_answer(connection: socket.socket) -> bytes:
    answer = connection.recv(65536)
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        chunk = connection.recv(262144)
        answer, body = answer + chunk, body + chunk
    return answer
