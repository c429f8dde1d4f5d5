"""Four nodes on one PostgreSQL behind PgBouncer, with everything as `deploy/` has it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from cluster import ADMIN_TOKEN, DRAIN, Node, Nodes
from executable import Holdfast
from fronts import free_port, pgbouncer

from holdfast.store.seal.masterkey import create_master_key_file

if TYPE_CHECKING:
    from tests.conftest import PostgresServer

Pool = Callable[..., AbstractContextManager[str]]
PROGRAMS = ("nginx", "caddy", "pgbouncer")
NODES = 4


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """nginx, Caddy and PgBouncer. A user's machine may do without; where `CI` is set, they must be there."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} is not installed")
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")


@pytest.fixture
async def pooled(postgres_server: PostgresServer) -> AsyncIterator[Pool]:
    """A function: `pooled(changes)` is a context with the URL of an empty database behind PgBouncer."""
    role = "DO $$ BEGIN CREATE ROLE holdfast LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    await postgres_server.administer(role)
    async with postgres_server.database() as url:
        parts = urlsplit(url)
        name, host = parts.path.strip("/"), parse_qs(parts.query)["host"][0]
        await postgres_server.administer(f"ALTER DATABASE {name} OWNER TO holdfast")

        def open_pool(changes: dict[str, str] | None = None) -> AbstractContextManager[str]:
            return pgbouncer(host, name, changes or {})

        yield open_pool


@pytest.fixture
async def nodes(pooled: Pool, tmp_path: Path) -> AsyncIterator[Nodes]:
    """Four nodes that serve, and an application with a CRM."""
    with pooled() as url:
        settings = shared_settings(tmp_path, url)
        every = Nodes([Node(command(tmp_path, f"node-{n}", settings), free_port(), DRAIN) for n in range(NODES)])
        try:
            for node in every.each:
                node.start()
            every.application = every.each[0].holdfast.application()
            path = "/integrations/crm/pipedrive"
            given = {"client_id": "4f8a21c09d", "client_secret": "b2c7d4e19a", "enabled": True}
            every.manage(every.each[0], "PUT", path, given).raise_for_status()
            yield every
        finally:
            for node in every.each:
                node.holdfast.end()


def shared_settings(directory: Path, url: str) -> dict[str, str]:
    """What is the same on every node."""
    create_master_key_file(directory / "master.key")
    token = directory / "admin.token"
    token.write_text(ADMIN_TOKEN)
    token.chmod(0o600)
    return {
        "HOLDFAST_DATABASE_URL": url,
        "HOLDFAST_MASTER_KEY_FILE": str(directory / "master.key"),
        "HOLDFAST_ADMIN_TOKEN_FILE": str(token),
        "HOLDFAST_PUBLIC_URL": "https://vault.example.com",
    }


def command(directory: Path, name: str, settings: dict[str, str]) -> Holdfast:
    """The command in a directory of its own."""
    place = directory / name
    place.mkdir()
    return Holdfast(place, dict(settings))


@pytest.fixture
def units() -> list[Path]:
    """The units of systemd that are shipped."""
    return sorted((Path(__file__).parents[2] / "deploy" / "systemd").glob("*.service"))
