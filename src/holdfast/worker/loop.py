"""The loop of one kind: takes what is due as long as there are places, and rests until something may have changed.

What ends a rest: a bell (this process queued a job, or finished one and has a place free), or the poll, which finds
what other processes queued and what fell due. Polls are jittered, so that nodes that were started together do not ask
together. A database that is away is waited for, longer each time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from secrets import SystemRandom
from typing import Any, Final

import structlog
from prometheus_client import Gauge

from holdfast.errors import Unavailable
from holdfast.store import due, jobs
from holdfast.store.due import Due
from holdfast.store.jobs import Busy, Job
from holdfast.usecases.vault import Vault
from holdfast.worker.kinds import Kind, Rounds
from holdfast.worker.perform import look_after, perform

log = structlog.get_logger()

# Seconds between two looks at what is due, give or take a fifth; and after each failed look in a row.
POLL: Final = 5.0
BACK_OFF: Final = (1.0, 2.0, 5.0, 15.0, 30.0)

RUNNING = Gauge("holdfast_jobs_running", "Jobs under way in this process.", ["kind"])

_random = SystemRandom()


class Loop:
    """Works on one kind, in tasks of its own."""

    def __init__(self, vault: Vault, kind: Kind | Rounds) -> None:
        self._vault = vault
        self._kind = kind
        self._running: dict[asyncio.Task[None], Job | Due] = {}
        self._armed = isinstance(kind, Rounds) or kind.period is None
        self._stopped = False

    async def run(self) -> None:
        """Works until it is stopped. What cannot be done now is told and tried again."""
        failures = 0
        while not self._stopped:
            failures = 0 if await self._looked() else failures + 1
            await self._rest(BACK_OFF[min(failures, len(BACK_OFF)) - 1] if failures else POLL)

    async def drain(self) -> int:
        """Does what is due, until nothing is; how many jobs were taken. Unavailable."""
        taken = await self._fill()
        while self._running:
            await asyncio.wait(list(self._running), return_when=asyncio.FIRST_COMPLETED)
            taken += await self._fill()
        return taken

    async def stop(self, task: asyncio.Task[None], grace: float) -> None:
        """Takes nothing more, waits `grace` seconds for `task` (which runs this loop) and its jobs, then ends them."""
        self._stopped = True
        self._vault.bell.ring(self._kind.name)
        await asyncio.wait([task, *self._running], timeout=grace)
        left = [task, *self._running]
        for unfinished in left:
            unfinished.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _looked(self) -> bool:
        try:
            if not self._armed:
                await jobs.arm(self._vault.store, self._kind.name)
                self._armed = True
            await self._fill()
        except Unavailable as error:
            log.warning("worker_waits", kind=self._kind.name, reason=str(error))
            return False
        except Exception as error:
            # A loop that ended would be missed by nobody.
            log.error("worker_failed", kind=self._kind.name, error=type(error).__name__)
            return False
        return True

    async def _fill(self) -> int:
        """Starts what is due and has a place; how many."""
        taken = 0
        while len(self._running) < self._kind.places and not self._stopped:
            task = await self._started()
            if task is None:
                break
            taken += 1
        return taken

    async def _started(self) -> asyncio.Task[None] | None:
        """Takes what has waited longest and may begin, and begins it; None if there is nothing."""
        vault, kind = self._vault, self._kind
        if isinstance(kind, Rounds):
            connection = await due.take(vault.store, [*self._busy_lanes(), *vault.pauses.now()])
            return self._start(connection, look_after(vault, kind, connection)) if connection else None
        job = await jobs.take(vault.store, kind.name, self._busy(kind))
        return self._start(job, perform(vault, kind, job)) if job else None

    def _start(self, item: Job | Due, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._running[task] = item
        RUNNING.labels(self._kind.name).inc()
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        RUNNING.labels(self._kind.name).dec()
        self._vault.bell.ring(self._kind.name)

    def _busy(self, kind: Kind) -> Busy:
        """Who has enough places already: one provider that stalls, or one application with much to do."""
        applications = Counter(item.scope.application_id for item in self._running.values() if item.scope)
        crowded = sorted(id for id, held in applications.items() if held >= kind.application_share)
        return Busy(self._busy_lanes(), crowded)

    def _busy_lanes(self) -> list[str]:
        lanes = Counter(item.lane for item in self._running.values())
        return sorted(lane for lane, held in lanes.items() if held >= self._kind.lane_share)

    async def _rest(self, seconds: float) -> None:
        """Until the bell rings, or `seconds` have passed on the vault's clock."""
        rung = asyncio.create_task(self._vault.bell.heard(self._kind.name))
        passed = asyncio.create_task(self._vault.clock.sleep(seconds * _random.uniform(0.8, 1.2)))
        try:
            await asyncio.wait({rung, passed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rung.cancel()
            passed.cancel()
