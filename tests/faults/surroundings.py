"""What a node stands on: a disk that fills up, and a cable that can be cut. To make either one has to be root."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

CLONE_NEWNET: Final = 0x40000000  # setns(2)
_number = itertools.count(os.getpid() % 200)
# As PostgreSQL asks of its own sockets for the session of the locks: a peer that is gone is noticed within a minute.
KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 20), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))


def is_root() -> bool:
    """Whether this process may mount a disk and lay a cable."""
    return os.geteuid() == 0 and not _fails("ip", "netns", "list")


@contextlib.contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """A disk of 16 MB in place of the `directory`."""
    _run("mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", str(directory))
    try:
        yield directory
    finally:
        _run("umount", "--lazy", str(directory))


def fill(disk: Path) -> Path:
    """A file that takes the last byte of a disk; whoever removes it gives all of them back."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * size)
    return filler


class Cable:
    """A machine of its own for one node: a network namespace with a cable to the database, and one to the world."""

    def __init__(self, number: int) -> None:
        self.name = f"holdfast-{number}"
        self.database, self.world, self.node = (f"10.213.{number}.{last}" for last in (1, 5, 6))
        self._ends = (f"hf{number}d", f"hf{number}w")
        self._there = f"10.213.{number}.2"

    @property
    def prefix(self) -> tuple[str, ...]:
        """What starts a command on that machine."""
        return ("ip", "netns", "exec", self.name)

    def lay(self) -> None:
        _run("ip", "netns", "add", self.name)
        for end, here, there in zip(self._ends, (self.database, self.world), (self._there, self.node), strict=True):
            _run("ip", "link", "add", end, "type", "veth", "peer", "name", f"{end}n", "netns", self.name)
            _run("ip", "address", "add", f"{here}/30", "dev", end)
            _run("ip", "link", "set", end, "up")
            _run(*self.prefix, "ip", "address", "add", f"{there}/30", "dev", f"{end}n")
            _run(*self.prefix, "ip", "link", "set", f"{end}n", "up")
        _run(*self.prefix, "ip", "link", "set", "lo", "up")

    def cut(self) -> None:
        """From here on the database hears nothing of the node, and nobody is told."""
        _run("ip", "link", "set", self._ends[0], "down")

    def mend(self) -> None:
        _run("ip", "link", "set", self._ends[0], "up")

    def take_up(self) -> None:
        _fails("ip", "netns", "delete", self.name)

    def listen(self, port: int) -> socket.socket:
        """A socket that listens on that machine, for its own programs. A thread can be there while this one is here."""
        with ThreadPoolExecutor(1) as there:
            return there.submit(self._listen, port).result()

    def _listen(self, port: int) -> socket.socket:
        with open(f"/run/netns/{self.name}", "rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), self.name)
        return socket.create_server(("127.0.0.1", port))


@contextlib.asynccontextmanager
async def cable(database_socket: str) -> AsyncIterator[tuple[Cable, int]]:
    """A cable that is laid, and the port at its near end behind which the database answers."""
    laid = Cable(next(_number))
    laid.lay()
    try:
        far = partial(asyncio.open_unix_connection, database_socket)
        async with await asyncio.start_server(partial(_join, far), laid.database, 0) as server:
            yield laid, server.sockets[0].getsockname()[1]
    finally:
        laid.take_up()


@contextlib.asynccontextmanager
async def brought(laid: Cable, ports: Iterable[int]) -> AsyncIterator[None]:
    """What listens on these ports of this machine listens on the other one as well."""
    async with contextlib.AsyncExitStack() as stack:
        for port in ports:
            far = partial(asyncio.open_connection, "127.0.0.1", port)
            await stack.enter_async_context(await asyncio.start_server(partial(_join, far), sock=laid.listen(port)))
        yield


async def _join(connect: Connect, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carries bytes between a connection that has come in and another one, until either side ends."""
    near = writer.get_extra_info("socket")
    near.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        near.setsockopt(socket.IPPROTO_TCP, option, value)
    try:
        far_reader, far_writer = await connect()
    except OSError:
        writer.transport.abort()
        return
    both = [asyncio.create_task(_carry(reader, far_writer)), asyncio.create_task(_carry(far_reader, writer))]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    for end in (writer, far_writer):
        end.transport.abort()
    await asyncio.wait(both)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _fails(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode != 0
    except OSError:
        return True
