"""The kinds of work. A function of a kind settles its job; what it raises is settled by `perform`.

Work that is a job has a row of its own in the queue; connections that are due are their own queue (`store.due`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from holdfast.store import deletion as leaving
from holdfast.store import jobs, retention
from holdfast.store import revocations as owed
from holdfast.store.due import Due
from holdfast.store.jobs import Job
from holdfast.usecases import deletion, revocations, upkeep
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

SWEEP: Final = "sweep"


@dataclass(frozen=True, slots=True)
class Kind:
    """How jobs of one kind are worked on.

    places: how many at once in this process
    lane_share, application_share: how many of them one lane (a provider) or one application may hold
    period: for the one job that comes again after so many ms; its function leaves the settling to `perform`
    """

    name: str
    work: Callable[[Vault, Job], Awaitable[None]]
    places: int = 16
    lane_share: int = 4
    application_share: int = 8
    period: int | None = None


@dataclass(frozen=True, slots=True)
class Rounds:
    """How connections that are due are looked after: like a kind of jobs, but each connection is its own entry.

    places, lane_share: as of a `Kind`; nobody waits for any of it, so an application has no share of its own
    """

    name: str
    work: Callable[[Vault, Due], Awaitable[None]]
    places: int = 32
    lane_share: int = 8


async def _sweep(vault: Vault, job: Job) -> None:
    """Deletes what has been kept long enough, goes on with applications that are to go, and tells of jobs that nobody
    knows how to do."""
    gone = {table: rows for table, rows in (await retention.purge(vault.store)).items() if rows}
    if gone:
        log.info("swept", **gone)
    await leaving.queue_forgotten(vault.store)
    for kind, id in await jobs.set_aside_unknown(vault.store, [kind.name for kind in KINDS]):
        log.error("job_set_aside", kind=kind, job=id, reason="unknown kind")


KINDS: Final[tuple[Kind | Rounds, ...]] = (
    Rounds("upkeep", upkeep.keep_up),
    Kind(owed.KIND, revocations.work),
    Kind(leaving.KIND, deletion.work, places=2),
    Kind(SWEEP, _sweep, places=1, period=3600 * 1000),
)
