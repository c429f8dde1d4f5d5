"""Writing what a provider granted: a local fault is waited out for as long as the process lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import Final, TypeVar

import structlog

from holdfast.errors import ConflictError, Unavailable
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

T = TypeVar("T")

# Seconds between tries; the last one for ever.
PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


async def insist(vault: Vault, service_id: str, write: Callable[[], Awaitable[T]]) -> T:
    """What `write` gives, as soon as the database lets it. What is written is a token of `service_id`."""
    try:
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            try:
                return await write()
            except (Unavailable, ConflictError):
                log.warning("granted_token_waits", service=service_id, seconds=pause)
                await vault.clock.sleep(pause)
    except asyncio.CancelledError:
        log.critical("granted_token_lost", service=service_id)
        raise
    raise AssertionError("the pauses never end")
