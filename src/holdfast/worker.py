"""Work that no request waits for: grants to be ended, expired flows to be swept, new instance keys to be learnt.

Each piece is a row that is leased, so any number of processes may run this beside each other.
"""

from __future__ import annotations

import structlog

from holdfast.errors import Unavailable
from holdfast.store import flows
from holdfast.usecases import revocations
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# Seconds between two looks at what is due, and how long a spent flow is kept as evidence (ms).
PAUSE = 5.0
KEEP_FLOWS = 24 * 3600 * 1000


async def run(vault: Vault) -> None:
    """Works until it is cancelled."""
    while True:
        try:
            while await revocations.attempt_due(vault):
                pass
            vault.recent.expire()
            await flows.sweep(vault.store, vault.clock.now() - KEEP_FLOWS)
            await vault.store.keyring.follow()
        except Unavailable as error:
            log.warning("worker_waits", reason=str(error))
        except Exception as error:
            # The one catch-all of this loop: a row that nobody can work on must not stop the others.
            log.error("worker_failed", error=type(error).__name__)
        await vault.clock.sleep(PAUSE)
