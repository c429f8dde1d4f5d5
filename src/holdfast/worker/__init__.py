"""Work that no request waits for: a loop for each kind, in every process.

Jobs come from the queue of `store.jobs`; connections that are due (`store.due`) are their own queue.

- `kinds`    what kinds there are, how much of each at once, and the periodic ones
- `loop`     takes what is due, within the shares of providers and applications; waits without polling busily
- `perform`  one job under its heartbeat, and every way in which it can end
- `endless`  what a process does for itself, begun anew when it fails: it has no jobs

Any number of processes may run this beside each other. A kind of work is added by a function that settles its job,
and a line in `kinds`. Knows nothing of HTTP; memory of this process is not its business.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from holdfast.usecases.vault import Vault
from holdfast.worker.kinds import KINDS, Kind, Rounds
from holdfast.worker.loop import Loop

__all__ = ["KINDS", "Kind", "Rounds", "drain", "running"]

# Seconds that what is under way may still take when the process ends: longer than one call to a provider.
GRACE: Final = 12.0


@asynccontextmanager
async def running(vault: Vault, kinds: Sequence[Kind | Rounds] = KINDS, grace: float = GRACE) -> AsyncIterator[None]:
    """Works as long as the block lasts. Then takes nothing more, waits `grace` seconds, and gives the rest back."""
    loops = [Loop(vault, kind) for kind in kinds]
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield
    finally:
        await asyncio.gather(*(loop.stop(task, grace) for loop, task in zip(loops, tasks, strict=True)))


async def drain(vault: Vault, kinds: Sequence[Kind | Rounds] = KINDS) -> int:
    """Does what is due now, and what falls due meanwhile; how many jobs were taken."""
    return sum([await Loop(vault, kind).drain() for kind in kinds])
