"""SIGSTOP for longer than a lease, then SIGCONT: whoever has been taken for dead finds that out before it sends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.faults.node import Node
from tests.faults.site import Account, Site
from tests.faults.story import Story, ends_well

from holdfast.store.engine.locks import lock_key
from holdfast.testing.provider.shape import RotationMode

STEPS: Final = ("claimed", "marked", "guarded", "answered", "spooled")


@dataclass(frozen=True)
class Pause:
    """One process that is stopped at a step. `cut`: its lock session is ended meanwhile (PostgreSQL)."""

    step: str
    rotation: RotationMode
    cut: bool = False

    @property
    def case(self) -> str:
        return f"pause {self.step}, {self.rotation}{', lock lost' if self.cut else ''}"


def every_pause(engine: str) -> Sequence[Pause]:
    """All of them. Without its lock a process that was stopped right between its guard and the first byte is beyond
    help, if nobody waits ten minutes for it; so that stop has its lock."""
    pauses = [Pause(step, rotation) for step in STEPS for rotation in ("strict", "family")]
    cut = [Pause(step, "family", cut=True) for step in STEPS if engine == "postgresql"]
    return [*pauses, *cut]


async def pauses(site: Site, cases: Sequence[Pause]) -> list[Story]:
    """All at once, each on a node of its own; the neighbour is asked for the same token all the time."""
    return await asyncio.gather(*(_pause(site, case) for case in cases))


async def _pause(site: Site, case: Pause) -> Story:
    home, node = site.nodes[0], site.node(case.case.replace(", ", "-").replace(" ", "-"))
    await node.start(f"refresh.{case.step}=stop")
    account = await site.connect(home, case.rotation, good=False)
    await site.expired([account])
    asking = asyncio.create_task(site.use(node, account))
    await _stopped(node)
    if case.cut:
        await _cut(site, account)
    await _ask_for(site, home, account, site.lease * 1.3)
    node.go_on()
    await asking
    story = await ends_well(site, home, account, f"{site.engine} {case.case}", within=2 * site.lease + 30)
    await node.end()
    return story


async def _ask_for(site: Site, node: Node, account: Account, seconds: float) -> None:
    """Asks a node for the token as products do, for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.wait({asyncio.create_task(site.use(node, account))}, timeout=max(0, end - time.monotonic()))
        await asyncio.sleep(site.lease / 20)


async def _stopped(node: Node) -> None:
    async with asyncio.timeout(60):
        while not node.is_stopped():
            await asyncio.sleep(0.05)


async def _cut(site: Site, account: Account) -> None:
    """Ends the session that holds the lock of the customer's connection."""
    key = lock_key(account.connection_id)
    sql = """
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND (classid::bigint << 32) + objid::bigint = :key"""
    await site.database.all(sql, key=key)
