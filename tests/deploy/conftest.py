"""Four nodes on one PostgreSQL behind PgBouncer, with everything as `deploy/` has it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from cluster import DRAIN, Node, Nodes, Pool, command, shared_settings
from fronts import free_port, pgbouncer

if TYPE_CHECKING:
    from tests.conftest import PostgresServer

PROGRAMS = ("nginx", "caddy", "pgbouncer", "systemd-analyze")
NODES = 4


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """nginx, Caddy, PgBouncer and systemd. A user's machine may do without; where `CI` is set, they must be there."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} is not installed")
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")


@pytest.fixture(scope="module")
def pooled(postgres_server: PostgresServer) -> Iterator[Pool]:
    """A function: `pooled(changes)` is a context with the URL of an empty database behind PgBouncer."""
    name = f"deployed_{token_hex(6)}"
    role = "DO $$ BEGIN CREATE ROLE holdfast LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    asyncio.run(postgres_server.administer(role, f"CREATE DATABASE {name} OWNER holdfast"))
    host = parse_qs(urlsplit(postgres_server.url(name)).query)["host"][0]
    yield partial(pgbouncer, host, name)
    asyncio.run(postgres_server.administer(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="module")
def nodes(pooled: Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Four nodes that serve, and an application with a CRM."""
    directory = tmp_path_factory.mktemp("nodes")
    with pooled({}) as url:
        settings = shared_settings(directory, url)
        every = Nodes([Node(command(directory, f"node-{n}", settings), free_port(), DRAIN) for n in range(NODES)])
        try:
            for node in every.each:
                node.start()
            for node in every.each:
                node.serves()
            every.application = every.each[0].holdfast.application()
            every.integrate(every.each[0], enabled=True)
            yield every
        finally:
            every.end()
