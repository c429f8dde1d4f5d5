"""The proxy: what a small call costs beside a bare application and one call of aiohttp, and how fast large bodies pass
beside nginx, where there is one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from tests.bench import load, servers
from tests.bench.seed import SANDBOX, Seeded, seed
from tests.bench.servers import Server

MIB = 1 << 20
LEADS = b'{"data": "' + b"x" * 1488 + b'"}'
NGINX = """
daemon off; master_process off; pid {place}/pid; error_log {place}/error.log; events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/f;
  uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
  upstream service {{ server 127.0.0.1:{service}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port}; client_max_body_size 0;
    location / {{
      proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Cost:
    """Processor time of one call, in microseconds, each beside the other two in the same run."""

    proxied: float
    bare: float
    aiohttp: float


@dataclass(frozen=True)
class Speed:
    """MiB a second through the vault and through nginx (None where there is none), and the vault's memory in MB."""

    vault: float
    nginx: float | None
    memory: float


def costs(place: Path, *, rounds: int, requests: int) -> list[Cost]:
    """A proxied GET of 1.5 KB on SQLite, a bare application that answers the same, and one call of aiohttp."""
    body = place / "leads"
    body.write_bytes(LEADS)
    with servers.bare(body) as service:
        seeded = seed(place, service=f"http://127.0.0.1:{service.port}")
        with servers.holdfast(seeded.environ, place / "log") as vault:
            plain, proxied = seeded.request("/"), _proxied(seeded, "GET", "/leads?limit=50")
            found = []
            for _ in range(rounds + 1):
                bare = load.run(service.pid, service.port, plain, requests=requests).cpu
                cost = load.run(vault.pid, vault.port, proxied, requests=requests).cpu
                found.append(Cost(cost, bare, _aiohttp(service.port, requests)))
    return found[1:]  # the first round makes connections and remembers


def speeds(place: Path, *, rounds: int, size: int) -> dict[str, list[Speed]]:
    """A body of `size` bytes in each direction, one at a time."""
    with servers.application("tests.bench.sink:app") as service, _nginx(service.port) as nginx:
        seeded = seed(place, service=f"http://127.0.0.1:{service.port}")
        with servers.holdfast(seeded.environ, place / "log") as vault:
            down = _proxied(seeded, "GET", f"/{size}"), f"GET /api/v1/{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            head = f"POST /api/v1/0 HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
            up = _proxied(seeded, "POST", "/0", f"Content-Length: {size}"), head
            return {
                "down": [_speed(vault, nginx, *down, sent=0, got=size) for _ in range(rounds)],
                "up": [_speed(vault, nginx, *up, sent=size, got=0) for _ in range(rounds)],
            }


def spread(found: list[float], digits: int = 1) -> str:
    return f"{statistics.median(found):.{digits}f} ({min(found):.{digits}f}-{max(found):.{digits}f})"


def _proxied(seeded: Seeded, method: str, url: str, *more: str) -> bytes:
    lines = [f"x-apideck-service-id: {SANDBOX}", f"x-apideck-downstream-url: {url}", *more]
    head = seeded.request("/proxy").removesuffix(b"\r\n").replace(b"GET", method.encode(), 1)
    return head + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def _aiohttp(port: int, requests: int) -> float:
    """Processor time of one call with a token on it, answer read, on a session that is kept."""

    async def calls() -> float:
        async with aiohttp.ClientSession() as session:
            began = time.process_time()
            for _ in range(requests):
                headers = {"Authorization": "Bearer " + "a" * 120}
                async with session.get(f"http://127.0.0.1:{port}/api/v1/leads?limit=50", headers=headers) as answer:
                    await answer.read()
            return (time.process_time() - began) / requests * 1e6

    with asyncio.Runner(loop_factory=servers.loop_factory()) as runner:
        return runner.run(calls())


def _speed(vault: Server, nginx: int | None, proxied: bytes, plain: bytes, *, sent: int, got: int) -> Speed:
    through = _pass(nginx, plain, sent, got) if nginx else None
    return Speed(_pass(vault.port, proxied, sent, got), through, load.resident_mb(vault.pid))


def _pass(port: int, head: bytes, sent: int, got: int) -> float:
    """MiB a second of one exchange. RuntimeError unless it is whole."""
    began, piece = time.perf_counter(), bytes(MIB)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head)
        for _ in range(sent // MIB):
            connection.sendall(piece)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(65536)
        told, _, body = answer.partition(b"\r\n\r\n")
        left, buffer = got - len(body), bytearray(MIB)
        while left > 0 and (count := connection.recv_into(buffer)):
            left -= count
    if left or not told.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{left} bytes are missing: {told[:60]!r}")
    return (sent + got) / MIB / (time.perf_counter() - began)


@contextlib.contextmanager
def _nginx(service: int) -> Iterator[int | None]:
    """nginx as a proxy of `service`, by its port."""
    command = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if command is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)  # noqa: S103 - where root starts it, it works as somebody else
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        file = Path(place) / "nginx.conf"
        file.write_text(NGINX.format(place=place, port=port, service=service))
        process = subprocess.Popen([command, "-c", str(file)], stderr=subprocess.DEVNULL)
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def _wait(port: int) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise RuntimeError("nginx did not start")
