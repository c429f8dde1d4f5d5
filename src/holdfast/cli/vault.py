"""The open vault, for commands that work on the database itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from holdfast.config import Settings
from holdfast.usecases import Vault
from holdfast.wiring import open_vault, prepare

T = TypeVar("T")


def with_vault(work: Callable[[Vault], Awaitable[T]]) -> T:
    """What `work` gives with the vault of this process's settings, which is created on the first use.

    A running server sees the change within a second.
    """
    settings = Settings.from_env()
    prepare(settings)

    async def opened() -> T:
        async with open_vault(settings) as vault:
            return await work(vault)

    return asyncio.run(opened())
