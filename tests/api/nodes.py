"""Another node on the same database: what a restart, or a second process, finds there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from holdfast import wiring
from holdfast.http.app import app
from holdfast.testing.harness import ADMIN_TOKEN, Deployment


@asynccontextmanager
async def another_node(vault: Deployment) -> AsyncIterator[Deployment]:
    """The same application, served by a vault that shares only the database, the network and the time."""
    async with wiring.open_vault(vault.settings, clock=vault.clock, send=vault.network.send) as opened:
        yield replace(vault, vault=opened, app=app(opened, ADMIN_TOKEN))
