"""One job, under a heartbeat that keeps its lease, and every way in which it can end.

The function of its kind settles what it has foreseen. Here is the rest: a job that cannot be opened is set aside at
once, one that fails for a reason nobody foresaw is tried again a few times and then set aside, each with a word in
the log; a local fault is waited out; and what the end of the process interrupts is given back.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog

from holdfast.errors import ConflictError, IntegrityError, Unavailable
from holdfast.store import due, jobs
from holdfast.store.due import Due
from holdfast.store.jobs import LEASE, Job
from holdfast.usecases.vault import Vault
from holdfast.worker.kinds import Kind, Rounds

log = structlog.get_logger()

# Seconds between two signs of life: two may be lost before the lease is.
BEAT: Final = LEASE / 3000
# How often a job is tried whose failure nobody foresaw, and the pause after the first of them (ms), doubled each time.
TRIES: Final = 6
PAUSE: Final = 30_000


async def perform(vault: Vault, kind: Kind, job: Job) -> None:
    """Does the job. Raises nothing but the cancellation of this very task."""
    beating = asyncio.create_task(_beat(vault, job, asyncio.current_task()))
    try:
        await _settled(vault, kind, job)
    except asyncio.CancelledError:
        with contextlib.suppress(Unavailable):
            await asyncio.shield(jobs.give_back(vault.store, job))
        raise
    except Unavailable as error:
        # It could not be settled, either: the lease runs out, and the next one tries.
        log.warning("job_waits", kind=job.kind, job=job.id, reason=str(error))
    finally:
        beating.cancel()


async def look_after(vault: Vault, rounds: Rounds, connection: Due) -> None:
    """Does what is due of a connection. Raises nothing but the cancellation of this very task.

    Whatever is not settled is due again when the claim runs out, which is longer than any of it takes.
    """
    try:
        await rounds.work(vault, connection)
    except asyncio.CancelledError:
        with contextlib.suppress(Unavailable):
            await asyncio.shield(due.give_back(connection.scope, vault.store, connection))
        raise
    except Unavailable as error:
        log.warning("upkeep_waits", connection=connection.id, service=connection.service_id, reason=str(error))
    except Exception as error:
        # A traceback would quote what the connection holds.
        log.error("upkeep_failed", connection=connection.id, service=connection.service_id, error=type(error).__name__)


async def _settled(vault: Vault, kind: Kind, job: Job) -> None:
    try:
        await kind.work(vault, job)
    except IntegrityError:
        await _set_aside(vault, kind, job, "unreadable")
    except (Unavailable, ConflictError) as error:
        log.warning("job_waits", kind=job.kind, job=job.id, reason=str(error))
        await jobs.retry(vault.store, job, PAUSE, type(error).__name__)
    except Exception as error:
        # The one catch-all of the worker. A traceback would quote what the job holds.
        await _stumbled(vault, kind, job, type(error).__name__)
    else:
        if kind.period is not None:
            await jobs.rearm(vault.store, job, kind.period)


async def _stumbled(vault: Vault, kind: Kind, job: Job, error: str) -> None:
    log.error("job_failed", kind=job.kind, job=job.id, attempt=job.attempts, error=error)
    if job.attempts >= TRIES:
        await _set_aside(vault, kind, job, error)
    else:
        await jobs.retry(vault.store, job, PAUSE * 2 ** (job.attempts - 1), error)


async def _set_aside(vault: Vault, kind: Kind, job: Job, reason: str) -> None:
    if kind.period is not None:  # there would be no other one
        await jobs.rearm(vault.store, job, kind.period)
    elif await jobs.set_aside(vault.store, job, reason):
        log.error("job_set_aside", kind=job.kind, job=job.id, reason=reason)


async def _beat(vault: Vault, job: Job, working: asyncio.Task[None] | None) -> None:
    """Keeps the lease. When it is lost all the same, the work stops: somebody else does it."""
    while True:
        await vault.clock.sleep(BEAT)
        with contextlib.suppress(Unavailable):
            if not await jobs.heartbeat(vault.store, job) and working is not None:
                working.cancel()
                return
