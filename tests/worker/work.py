"""Work that a test holds back, and the waiting for what goes on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.store import Store, jobs, new_id
from holdfast.store.engine.database import Row
from holdfast.store.jobs import Job
from holdfast.usecases.vault import Vault
from holdfast.worker.kinds import Kind

NAME = "greet"


@dataclass(slots=True)
class Greeting:
    """Does a job by finishing it. Jobs of the lanes in `held` wait until `goes_on`."""

    held: set[str] = field(default_factory=set)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    async def work(self, vault: Vault, job: Job) -> None:
        self.begun.append(job.id)
        if job.lane in self.held:
            await self.goes_on.wait()
        await jobs.finish(vault.store, job, "greeted")
        self.done.append(job.id)

    @property
    def kinds(self) -> Sequence[Kind]:
        return [Kind(NAME, self.work)]


async def queue(store: Store, application_id: str, lane: str = "crm", number: int = 1) -> list[str]:
    """The ids of new jobs, due now."""
    scope, ids = ConsumerScope(application_id, Caller.own("test"), "user-1"), [new_id() for _ in range(number)]
    for id in ids:
        await jobs.queue(scope, store, NAME, id=id, lane=lane)
    return ids


async def row(store: Store, id: str) -> Row:
    found = await store.q.one("SELECT * FROM jobs WHERE id = :id", id=id)
    assert found is not None
    return found


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Returns when `holds` does; TimeoutError after ten seconds."""
    async with asyncio.timeout(10):
        while True:
            held = holds()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0)
