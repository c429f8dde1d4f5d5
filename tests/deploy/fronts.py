"""The files of `deploy/`, running: nginx or Caddy in front of nodes, PgBouncer behind them, on free ports.

A file is used as it is shipped; only addresses, and where its certificate lies, are exchanged for those of the test.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from certificate import self_signed

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
NAME = "vault.example.com"
NODE_PORTS = (8001, 8002, 8003, 8004)
PATIENCE = 20.0


@dataclass(frozen=True)
class Front:
    """A proxy in front of the nodes: where it is, and the certificate that it shows."""

    port: int
    certificate: Path


@contextlib.contextmanager
def nginx(directory: Path, nodes: list[int], changes: Mapping[str, str]) -> Iterator[Front]:
    """`deploy/nginx/holdfast.conf` in front of `nodes`."""
    port, key = free_port(), directory / "key.pem"
    certificate = self_signed(NAME, directory / "certificate.pem", key)
    shipped = exchanged(
        DEPLOY / "nginx" / "holdfast.conf",
        {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            f"/etc/ssl/{NAME}.pem": str(certificate),
            f"/etc/ssl/{NAME}.key": str(key),
            "/var/log/nginx/holdfast.log": str(directory / "access.log"),
            **{f"127.0.0.1:{old}": f"127.0.0.1:{new}" for old, new in zip(NODE_PORTS, nodes, strict=True)},
            **changes,
        },
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {directory}/{kind};\n" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    main = f"{user}\npid {directory}/nginx.pid;\nevents {{}}\nhttp {{\n{places}{shipped}\n}}\n"
    (directory / "nginx.conf").write_text(main)
    command = ["-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", str(directory / "error.log")]
    with running([program("nginx"), *command, "-g", "daemon off;"], port, directory):
        yield Front(port, certificate)


@contextlib.contextmanager
def caddy(directory: Path, nodes: list[int]) -> Iterator[Front]:
    """`deploy/caddy/Caddyfile` in front of `nodes`."""
    port, key = free_port(), directory / "key.pem"
    certificate = self_signed(NAME, directory / "certificate.pem", key)
    shipped = exchanged(
        DEPLOY / "caddy" / "Caddyfile",
        {
            f"{NAME} {{\n": f"{NAME}:{port} {{\n\ttls {certificate} {key}\n",
            **{f"127.0.0.1:{old}": f"127.0.0.1:{new}" for old, new in zip(NODE_PORTS, nodes, strict=True)},
        },
    )
    main = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + shipped
    (directory / "Caddyfile").write_text(main)
    environ = {**os.environ, "XDG_DATA_HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
    command = [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(directory / "Caddyfile")]
    with running(command, port, directory, environ):
        yield Front(port, certificate)


@contextlib.contextmanager
def pgbouncer(postgres_host: str, database: str, changes: Mapping[str, str]) -> Iterator[str]:
    """The URL of `database` through `deploy/pgbouncer/pgbouncer.ini`; `postgres_host` is where PostgreSQL's socket is.

    The role `holdfast` must be there. As root it runs as the user of that PostgreSQL: it refuses to run as root.
    """
    with tempfile.TemporaryDirectory(prefix="holdfast-pgbouncer-") as place:
        directory, port = Path(place), free_port()
        (directory / "userlist.txt").write_text('"holdfast" "correct horse"\n')
        shipped = exchanged(
            DEPLOY / "pgbouncer" / "pgbouncer.ini",
            {
                "host=db.internal port=5432 dbname=holdfast": f"host={postgres_host} port=5432 dbname={database}",
                "listen_port = 6432": f"listen_port = {port}\nunix_socket_dir =",
                "/etc/pgbouncer/userlist.txt": str(directory / "userlist.txt"),
                **changes,
            },
        )
        (directory / "pgbouncer.ini").write_text(shipped)
        command = [program("pgbouncer"), str(directory / "pgbouncer.ini")]
        if os.geteuid() == 0:
            user = Path(postgres_host).owner()
            for file in (directory, *directory.iterdir()):
                shutil.chown(file, user)
            command[1:1] = ["-u", user]
        with running(command, port, directory):
            yield f"postgresql://holdfast:correct%20horse@127.0.0.1:{port}/holdfast"


def exchanged(file: Path, changes: Mapping[str, str]) -> str:
    """The text of a file with other addresses in it; each of them must have been there."""
    text = file.read_text("utf-8")
    for old, new in changes.items():
        if old not in text:
            raise AssertionError(f"{file} does not say {old!r}")
        text = text.replace(old, new)
    return text


def program(name: str) -> str:
    """The path of a program, also of one for administrators."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert path, name
    return path


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int, directory: Path, environ: Mapping[str, str] | None = None) -> Iterator[None]:
    """A program that listens on `port`, while the block runs."""
    log = directory / "log.txt"
    with log.open("wb") as written:
        process = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT, cwd=directory, env=environ)
    try:
        _until_it_listens(port, process, log)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    raise AssertionError(log.read_text())
