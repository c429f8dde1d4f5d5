"""A whole vault for each test, on both engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from described import deployment
from nodes import Deploy
from proxying import mirroring

from holdfast.testing.clock import TestClock
from holdfast.testing.harness import Deployment

if TYPE_CHECKING:
    from tests.conftest import PostgresServer

EMPTY = """
DO $$ DECLARE name TEXT; BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations' LOOP
    EXECUTE 'DELETE FROM ' || quote_ident(name);
  END LOOP;
END $$"""


class SharedPostgres:
    """One PostgreSQL database for all tests here: making one takes a second, emptying it a millisecond."""

    NAME = "holdfast_api"

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._url = ""

    async def emptied(self) -> str:
        """The URL of the database, with the schema and without a row."""
        if not self._url:
            template = await self._server.migrated()
            await self._server.administer(f"CREATE DATABASE {self.NAME} TEMPLATE {template}")
            self._url = self._server.url(self.NAME)
        connection = await asyncpg.connect(self._url)
        await connection.execute(EMPTY)
        await connection.close()
        return self._url


@pytest.fixture(scope="session")
def shared_postgres(postgres_server: PostgresServer) -> SharedPostgres:
    return SharedPostgres(postgres_server)


@pytest.fixture
async def migrated_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without a row."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path / 'holdfast.db'}"
    shared: SharedPostgres = request.getfixturevalue("shared_postgres")
    return await shared.emptied()


@pytest.fixture
def deploy(migrated_url: str, tmp_path: Path) -> Deploy:
    """`holdfast.testing.harness.deployment` on this test's database, for a test that wants it otherwise."""
    return partial(deployment, tmp_path, database_url=migrated_url)


@pytest.fixture
async def vault(migrated_url: str, tmp_path: Path) -> AsyncIterator[Deployment]:
    """A vault with one application, and the sandbox provider that its one integration leads to."""
    async with deployment(tmp_path, database_url=migrated_url) as vault:
        yield vault


@pytest.fixture
async def mirrored(deploy: Deploy) -> AsyncIterator[Deployment]:
    """A vault whose one customer is connected to a sandbox that tells what reaches it (`proxying`)."""
    clock = TestClock()
    async with deploy(clock=clock, provider=mirroring(clock)) as vault:
        await vault.connect()
        vault.provider.received.clear()
        yield vault
