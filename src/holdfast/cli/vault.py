"""The open vault, for commands that work on the database itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from holdfast.config import Settings

if TYPE_CHECKING:
    from holdfast.usecases.vault import Vault

T = TypeVar("T")


def with_vault(work: Callable[[Vault], Awaitable[T]], *, creates: bool = False) -> T:
    """What `work` gives with the vault of this process's settings; one that is not there is made if it `creates`.

    A running server sees the change within a second.
    """
    # Imported here: a command that does not come this far need not wait for a web server to load.
    from holdfast.wiring import open_vault, prepare, require_vault

    settings = Settings.from_env()
    if not creates:
        require_vault(settings)
    prepare(settings)

    async def opened() -> T:
        async with open_vault(settings) as vault:
            return await work(vault)

    return asyncio.run(opened())
