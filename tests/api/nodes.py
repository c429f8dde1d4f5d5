"""Vaults beside the one that every test has: set up otherwise, or another node on the same database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from holdfast import wiring
from holdfast.http.app import app
from holdfast.testing.harness import ADMIN_TOKEN, Deployment

# `holdfast.testing.harness.deployment` without its directory and database.
Deploy = Callable[..., AbstractAsyncContextManager[Deployment]]


@asynccontextmanager
async def another_node(vault: Deployment) -> AsyncIterator[Deployment]:
    """The same application, served by a vault that shares only the database, the network and the time.

    What a restart finds, if the first one is no longer asked.
    """
    async with wiring.open_vault(vault.settings, clock=vault.clock, door=vault.network) as opened:
        yield replace(vault, vault=opened, app=app(opened, ADMIN_TOKEN))
