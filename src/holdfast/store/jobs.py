"""The queue: work that no request waits for, as rows that are leased.

A job is queued in the transaction of the change that it follows from, so it is neither lost nor invented by a crash.
Whoever works on it holds a lease, measured by the clock of the database: any number of processes may take from the
queue, and what one of them leaves behind when it dies, another one takes when the lease has run out. Every further
word about a job names its lease, so a worker that was too slow changes nothing any more.

`take` looks before it writes, because SQLite has one writer, and takes one job at a time: the oldest that is due and
that nobody works on. That is fair as long as no lane and no application holds all the places of a worker, and the
worker sees to that: it names those that have their share (`Busy`), and they are passed over.

What a job needs is `sealed`, at a place that its kind chooses and that binds what the row says. Knows no kind.
Counts what became of jobs (`holdfast_jobs_total`).
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import msgspec
from prometheus_client import Counter

from holdfast.domain.tenancy import Caller, Scope
from holdfast.store import Store, new_id
from holdfast.store.engine.database import Row

# How long a worker may be silent before its job is another one's (ms).
LEASE: Final = 60_000
# How many due jobs are looked at for one that nobody else takes in the same moment.
LOOK: Final = 8
# How long a job of a kind that nobody here knows is left to a newer release, which may be running beside (ms).
UNKNOWN: Final = 24 * 3600 * 1000

OUTCOMES = Counter("holdfast_jobs", "What became of jobs.", ["kind", "outcome"])

_OPEN = "done_at IS NULL AND set_aside_at IS NULL"
_HELD = f"id = :id AND lease_owner = :owner AND {_OPEN}"
# No conflict but that of the subject is possible: the job is waiting already.
_QUEUE = """
INSERT INTO jobs (id, kind, subject, lane, application_id, consumer_id, sealed, due_at, attempts, lease_owner,
  lease_until, created_at)
VALUES (:id, :kind, :subject, :lane, :application_id, :consumer_id, :sealed, :db_now + :delay, :attempts, :owner,
  CASE WHEN :leased THEN :db_now + :lease ELSE 0 END, :db_now)
ON CONFLICT DO NOTHING"""
_LOOK = f"""
SELECT id FROM jobs WHERE kind = :kind AND {_OPEN} AND due_at <= :db_now AND lease_until <= :db_now
  {{passed_over}}
ORDER BY due_at LIMIT :look"""
_CLAIM = f"""
UPDATE jobs SET lease_owner = :owner, lease_until = :db_now + :lease, attempts = attempts + 1
WHERE id = :id AND {_OPEN} AND due_at <= :db_now AND lease_until <= :db_now
RETURNING *"""
_HEARTBEAT = f"UPDATE jobs SET lease_until = :db_now + :lease WHERE {_HELD}"
_FINISH = f"""
UPDATE jobs SET done_at = :db_now, outcome = :outcome, sealed = NULL, lease_owner = NULL, lease_until = 0
WHERE {_HELD}"""
_RETRY = f"""
UPDATE jobs SET due_at = :db_now + :delay, last_error = :error, lease_owner = NULL, lease_until = 0
WHERE {_HELD}"""
_RESEAL = "UPDATE jobs SET sealed = :sealed WHERE id = :id AND done_at IS NULL"
_REARM = f"""
UPDATE jobs SET due_at = :db_now + :delay, attempts = 0, last_error = NULL, lease_owner = NULL, lease_until = 0
WHERE {_HELD}"""
_GIVE_BACK = f"UPDATE jobs SET attempts = attempts - 1, lease_owner = NULL, lease_until = 0 WHERE {_HELD}"
_SET_ASIDE = f"""
UPDATE jobs SET set_aside_at = :db_now, last_error = :reason, lease_owner = NULL, lease_until = 0
WHERE {_HELD}"""
_SET_ASIDE_UNKNOWN = f"""
UPDATE jobs SET set_aside_at = :db_now, last_error = 'unknown kind'
WHERE {_OPEN} AND due_at <= :db_now - :patience AND lease_until <= :db_now AND kind NOT IN ({{kinds}})
RETURNING id, kind"""


class Job(msgspec.Struct, frozen=True):
    """A leased job. `attempts` counts this one; `owner` is the lease; `sealed` opens where its kind says."""

    id: str
    kind: str
    owner: str
    attempts: int
    scope: Scope | None = None
    lane: str = ""
    sealed: bytes | None = None

    def __repr__(self) -> str:
        """Without what it holds."""
        return f"Job({self.kind} {self.id}, attempt {self.attempts})"


@dataclass(frozen=True, slots=True)
class Busy:
    """Lanes and applications that have their share of a worker's places."""

    lanes: Collection[str] = field(default=())
    applications: Collection[str] = field(default=())


NOBODY_BUSY: Final = Busy()


async def queue(
    scope: Scope,
    store: Store,
    kind: str,
    *,
    id: str,
    lane: str,
    subject: str | None = None,
    sealed: bytes | None = None,
    delay: int = 0,
    leased: bool = False,
) -> Job | None:
    """Queues a job for the scope's application, due in `delay` ms; None if one about `subject` waits already.

    `leased`: the caller works on it at once, as its first attempt. `id` is the caller's, so that it can seal for it.
    """
    job = Job(id, kind, _owner(), 1 if leased else 0, scope, lane, sealed)
    queued = await _insert(store, job, subject, delay, leased)
    return job if queued else None


async def arm(store: Store, kind: str) -> bool:
    """Queues the one job of a kind that concerns the whole vault, due now; False if there is one."""
    return await _insert(store, Job(new_id(), kind, _owner(), 0), kind, 0, False)


async def take(store: Store, kind: str, busy: Busy = NOBODY_BUSY, lease: int = LEASE) -> Job | None:
    """Leases the due job of `kind` that has waited longest, for `lease` ms; None if there is none for us."""
    passed_over, names = _passed_over(busy)
    for row in await store.q.all(_LOOK.format(passed_over=passed_over), kind=kind, look=LOOK, **names):
        owner = _owner()
        claimed = await store.q.one(_CLAIM, id=row["id"], owner=owner, lease=lease)
        if claimed is not None:
            return _job(claimed, owner)
    return None


async def heartbeat(store: Store, job: Job, lease: int = LEASE) -> bool:
    """Prolongs the lease to `lease` ms from now; False if it is lost."""
    return await store.q.run(_HEARTBEAT, id=job.id, owner=job.owner, lease=lease) > 0


async def reseal(store: Store, job: Job, sealed: bytes) -> bool:
    """What the job holds from now on; False if it is done. The one word about a job that needs no lease: a token that
    took the place of the one in it must not be lost because whoever got it was slow."""
    return await store.q.run(_RESEAL, id=job.id, sealed=sealed) > 0


async def finish(store: Store, job: Job, outcome: str) -> bool:
    """The job is done; what it held is erased. False if the lease is lost, and then nothing was written."""
    return await _settled(store, job, _FINISH, outcome.partition(":")[0], outcome=outcome)


async def retry(store: Store, job: Job, delay: int, error: str) -> bool:
    """The job is due again in `delay` ms, because of `error`. False if the lease is lost."""
    return await _settled(store, job, _RETRY, "retried", delay=delay, error=error)


async def rearm(store: Store, job: Job, period: int) -> bool:
    """A job that comes again and again is done for now, and due again in `period` ms. False if the lease is lost."""
    return await _settled(store, job, _REARM, "done", delay=period)


async def give_back(store: Store, job: Job) -> bool:
    """The job is anybody's again, as if it had not been taken. False if the lease is lost."""
    return await _settled(store, job, _GIVE_BACK, "given_back")


async def set_aside(store: Store, job: Job, reason: str) -> bool:
    """Nobody works on the job any more; it stays to be looked at, with what it holds. False if the lease is lost."""
    return await _settled(store, job, _SET_ASIDE, "set_aside", reason=reason)


async def set_aside_unknown(store: Store, kinds: Collection[str]) -> list[tuple[str, str]]:
    """Sets aside what is of none of `kinds` and has been due for a day; gives the kind and id of each."""
    names = {f"kind_{n}": kind for n, kind in enumerate(kinds)}
    text = _SET_ASIDE_UNKNOWN.format(kinds=_list(names))
    found = await store.q.all(text, patience=UNKNOWN, **names)
    OUTCOMES.labels("unknown", "set_aside").inc(len(found))
    return [(row["kind"], row["id"]) for row in found]


async def _insert(store: Store, job: Job, subject: str | None, delay: int, leased: bool) -> bool:
    queued = await store.q.run(
        _QUEUE,
        id=job.id,
        kind=job.kind,
        subject=subject,
        lane=job.lane,
        application_id=job.scope.application_id if job.scope else None,
        consumer_id=job.scope.consumer if job.scope else None,
        sealed=job.sealed,
        delay=delay,
        attempts=job.attempts,
        owner=job.owner if leased else None,
        leased=leased,
        lease=LEASE,
    )
    return queued > 0


async def _settled(store: Store, job: Job, statement: str, counted: str, **values: object) -> bool:
    held = await store.q.run(statement, id=job.id, owner=job.owner, **values) > 0
    if held:
        OUTCOMES.labels(job.kind, counted).inc()
    return held


def _scope(row: Row) -> Scope | None:
    if row["application_id"] is None:
        return None
    scope = Scope(row["application_id"], Caller.own("worker"))
    return scope.of(row["consumer_id"]) if row["consumer_id"] else scope


def _job(row: Row, owner: str) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        owner=owner,
        attempts=row["attempts"],
        scope=_scope(row),
        lane=row["lane"],
        sealed=row["sealed"],
    )


def _passed_over(busy: Busy) -> tuple[str, dict[str, str]]:
    """A worker has few places, so these lists are short, and so is the number of different texts."""
    lanes = {f"lane_{n}": lane for n, lane in enumerate(busy.lanes)}
    applications = {f"application_{n}": id for n, id in enumerate(busy.applications)}
    text = f"AND lane NOT IN ({_list(lanes)}) " if lanes else ""
    text += f"AND COALESCE(application_id, '') NOT IN ({_list(applications)})" if applications else ""
    return text, lanes | applications


def _list(names: Collection[str]) -> str:
    return ", ".join(f":{name}" for name in names)


def _owner() -> str:
    return f"{os.getpid()}-{new_id()}"
