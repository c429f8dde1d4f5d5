"""Machines and the processes that run on them: each a whole vault of its own, on one database."""

from __future__ import annotations

import asyncio
import shutil
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.simulation.doors import GatedClock, GatedDatabase, GatedDoor, GatedLocks, GatedSpool
from tests.simulation.virtual_loop import PROCESS, Process

from holdfast.errors import Unavailable
from holdfast.store.presentations import Terms
from holdfast.usecases.bell import Bell
from holdfast.usecases.credential import recovery
from holdfast.usecases.flight import Flights
from holdfast.usecases.pace import Pace
from holdfast.usecases.pauses import Pauses
from holdfast.usecases.recent import Recent
from holdfast.usecases.vault import Vault

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass(eq=False)
class Node:
    """A machine. `directory` is its disk, or the one that all share; `full` takes nothing more; `gone` is lost."""

    number: int
    directory: Path
    skew: int = 0
    full: bool = False
    gone: bool = False
    running: Running | None = None
    starts_at: int = 0
    starts: int = 0


class Running(Process):
    """A process of a node, from its start to its end."""

    def __init__(self, world: World, node: Node) -> None:
        node.starts += 1
        super().__init__(f"n{node.number}" + "'" * (node.starts - 1))
        self.world, self.node = world, node
        self.linked = True
        self.up_since = world.loop.now
        self.served = False
        self.resumes_at = self.links_at = self.resumed_at = 0
        self.refuses = 0
        self.forgets = 0
        self.claimed_at = self.judged_at = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.locks = GatedLocks(world, self, world.case.lock)
        self.spool = GatedSpool(node.directory, world, self)
        self.vault = self._vault()

    def begin(self, work: Any, name: str) -> asyncio.Task[Any]:
        """Runs `work` in this process."""
        context = copy_context()
        context.run(PROCESS.set, self)
        task = self.world.loop.create_task(work, name=f"{self.name} {name}", context=context)
        task.add_done_callback(self._ended)
        self.tasks = [one for one in self.tasks if not one.done()] + [task]
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Nobody foresaw an error that comes as far as here."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.world.loop.complaints.append(f"{task.get_name()} ends with {error!r}")

    def loses_acknowledgement(self) -> bool:
        self.forgets, forgets = max(0, self.forgets - 1), self.forgets
        return forgets > 0

    def is_refused(self) -> bool:
        self.refuses, refuses = max(0, self.refuses - 1), self.refuses
        return refuses > 0

    def is_steady(self, ms: int) -> bool:
        """Whether it has been at work for so long, undisturbed."""
        at_work = self.alive and self.served and self.linked and not self.paused
        return at_work and self.up_since + ms < self.world.loop.now

    async def live(self) -> None:
        """As `wiring.working` starts and keeps a process."""
        while not self.served:
            try:
                await recovery.recover(self.vault)
            except Unavailable:
                await self.vault.clock.sleep(1)
            else:
                self.served = True
        await recovery.keep_recovering(self.vault)

    def _vault(self) -> Vault:
        world = self.world
        clock = GatedClock(world, self.node.skew)
        database = GatedDatabase(world.base.store.database, world, self)
        store = replace(world.base.store, database=database, q=database, clock=clock)
        patience = 0 if world.case.shared and self.locks.exclude else world.case.patience
        return replace(
            world.base, store=store, door=GatedDoor(world, self), clock=clock, flights=Flights(), recent=Recent(clock),
            bell=Bell(), pauses=Pauses(clock), pace=Pace(), locks=self.locks, spool=self.spool,
            terms=Terms(patience=patience),
        )  # fmt: skip


def wipe(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
