"""A whole vault for each test, on both engines, and the ways in which tests of the API look into it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast.testing.harness import Deployment, deployment

if TYPE_CHECKING:
    from conftest import PostgresServer


@pytest.fixture
async def migrated_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a database with the schema: copying a PostgreSQL database is quicker than migrating one."""
    if engine == "sqlite":
        yield f"sqlite:///{tmp_path / 'holdfast.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    async with server.database(template=await server.migrated()) as url:
        yield url


@pytest.fixture
async def vault(migrated_url: str, tmp_path: Path) -> AsyncIterator[Deployment]:
    """A vault with one application, and the sandbox provider that its one integration leads to."""
    async with deployment(tmp_path, database_url=migrated_url) as vault:
        yield vault
