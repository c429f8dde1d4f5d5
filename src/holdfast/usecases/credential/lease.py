"""Holding the right to refresh while the provider is asked, which may take longer than the lease that it begins with.

The signs of life follow this machine's own time and not the vault's clock: a test that moves that clock far ahead
must not make a holder who is alive look dead.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import Unavailable
from holdfast.store import attempts
from holdfast.store.attempts import Lease
from holdfast.usecases.vault import Vault

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def held(scope: ConsumerScope, vault: Vault, lease: Lease) -> AsyncIterator[None]:
    """Keeps `lease` for as long as the block takes, and gives it back."""
    beating = asyncio.create_task(_beat(scope, vault, lease))
    try:
        yield
    finally:
        beating.cancel()
        # A lease that cannot be given back runs out; that must not hide what happened under it.
        with contextlib.suppress(Unavailable):
            await attempts.release(scope, vault.store, lease)


async def _beat(scope: ConsumerScope, vault: Vault, lease: Lease) -> None:
    """A database that is away is asked again at the next beat. Losing the lease ends nothing: the provider has been
    asked by then, and its answer is kept if the grant is still the same."""
    while True:
        await asyncio.sleep(vault.lease.beat)
        with contextlib.suppress(Unavailable):
            if not await attempts.extend(scope, vault.store, lease, vault.lease.duration):
                log.warning("refresh_lease_lost", service=lease.service_id)
                return
