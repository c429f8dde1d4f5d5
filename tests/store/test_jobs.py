"""The queue: every job is one worker's at a time, by the clock of the database, and ends in a way that can be told."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.store import Store, jobs, new_id
from holdfast.store.engine.database import Row
from holdfast.store.jobs import LEASE, Busy, Job
from holdfast.testing.clock import TestClock

KIND = "greet"
MINUTE = 60_000


async def queued(
    scope: ConsumerScope,
    store: Store,
    *,
    kind: str = KIND,
    lane: str = "crm",
    subject: str | None = None,
    delay: int = 0,
) -> str:
    job = await jobs.queue(scope, store, kind, id=new_id(), lane=lane, subject=subject, sealed=b"hello", delay=delay)
    assert job is not None
    return job.id


async def taken(store: Store, busy: Busy = jobs.NOBODY_BUSY) -> Job:
    job = await jobs.take(store, KIND, busy)
    assert job is not None
    return job


async def row(store: Store, id: str) -> Row:
    found = await store.q.one("SELECT * FROM jobs WHERE id = :id", id=id)
    assert found is not None
    return found


async def test_a_job_is_taken_with_all_that_it_holds(store: Store, scope: ConsumerScope) -> None:
    """Whose it is, what is sealed in it, and that this is its first try."""
    id = await queued(scope, store)

    job = await taken(store)

    assert (job.id, job.kind, job.lane, job.sealed, job.attempts) == (id, KIND, "crm", b"hello", 1)
    assert job.scope == ConsumerScope("app-1", Caller.own("worker"), "user-1")


async def test_the_job_that_waited_longest_comes_first(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """By the time at which it fell due, not by the time at which it was queued."""
    late = await queued(scope, store, delay=2 * MINUTE)
    early = await queued(scope, store, delay=MINUTE)
    clock.advance(180)

    assert [(await taken(store)).id, (await taken(store)).id] == [early, late]


async def test_a_job_is_not_taken_before_it_is_due(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """A delay is measured by the database's clock, to the millisecond."""
    await queued(scope, store, delay=MINUTE)
    clock.advance(59.999)
    too_early = await jobs.take(store, KIND)
    clock.advance(0.001)

    assert too_early is None
    assert await jobs.take(store, KIND) is not None


async def test_a_leased_job_is_nobody_elses(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """Until the lease runs out; then it is another worker's, as the next try."""
    id = await queued(scope, store)
    first = await taken(store)
    clock.advance((LEASE - 1) / 1000)
    meanwhile = await jobs.take(store, KIND)
    clock.advance(0.001)
    second = await taken(store)

    assert meanwhile is None
    assert (second.id, second.attempts) == (id, 2)
    assert second.owner != first.owner


async def test_two_workers_that_look_in_the_same_moment_share_nothing(store: Store, scope: ConsumerScope) -> None:
    """All of them see the same jobs that are due; each job is claimed once."""
    ids = {await queued(scope, store) for _ in range(4)}

    found = await asyncio.gather(*(jobs.take(store, KIND) for _ in range(8)))

    claimed = [job.id for job in found if job]
    assert sorted(claimed) == sorted(ids)


async def test_leased_jobs_do_not_hide_one_that_is_free(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """However many of those that wait longest are being worked on."""
    for _ in range(2 * jobs.LOOK):
        await queued(scope, store)
    for _ in range(2 * jobs.LOOK):
        await taken(store)
    clock.advance(1)
    free = await queued(scope, store)

    assert (await taken(store)).id == free


async def test_a_heartbeat_keeps_the_lease(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """For as long as the work takes; one that comes too late changes nothing."""
    await queued(scope, store)
    job = await taken(store)
    clock.advance(LEASE / 1500)

    kept = await jobs.heartbeat(store, job)
    clock.advance(LEASE / 1500)
    meanwhile = await jobs.take(store, KIND)
    clock.advance(LEASE / 1000)
    successor = await taken(store)

    assert (kept, meanwhile) == (True, None)
    assert not await jobs.heartbeat(store, job)
    assert await jobs.heartbeat(store, successor)


@pytest.mark.parametrize("end", ["finish", "retry", "set_aside", "give_back", "rearm"])
async def test_a_worker_that_was_too_slow_changes_nothing(
    store: Store, scope: ConsumerScope, clock: TestClock, end: str
) -> None:
    """Its lease is another one's by now, whatever it found out."""
    id = await queued(scope, store)
    slow = await taken(store)
    clock.advance(LEASE / 1000)
    await taken(store)
    before = dict(await row(store, id))
    ends = {
        "finish": lambda: jobs.finish(store, slow, "greeted"),
        "retry": lambda: jobs.retry(store, slow, 0, "busy"),
        "set_aside": lambda: jobs.set_aside(store, slow, "unreadable"),
        "give_back": lambda: jobs.give_back(store, slow),
        "rearm": lambda: jobs.rearm(store, slow, MINUTE),
    }

    assert not await ends[end]()
    assert dict(await row(store, id)) == before


async def test_a_finished_job_keeps_its_outcome_and_nothing_that_it_held(store: Store, scope: ConsumerScope) -> None:
    """It is not taken again, and its secret is gone."""
    id = await queued(scope, store)

    assert await jobs.finish(store, await taken(store), "greeted")

    done = await row(store, id)
    assert (done["outcome"], done["sealed"], done["lease_owner"]) == ("greeted", None, None)
    assert done["done_at"] is not None
    assert await jobs.take(store, KIND) is None


async def test_a_job_is_tried_again_when_it_is_due_again(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """With what went wrong written down, and the tries counted."""
    id = await queued(scope, store)
    await jobs.retry(store, await taken(store), MINUTE, "status 503")
    too_early = await jobs.take(store, KIND)
    clock.advance(60)

    again = await taken(store)

    assert too_early is None
    assert (again.id, again.attempts, (await row(store, id))["last_error"]) == (id, 2, "status 503")


async def test_a_job_that_was_given_back_was_never_tried(store: Store, scope: ConsumerScope) -> None:
    """Another worker has it at once, and its count of tries is as before."""
    id = await queued(scope, store)
    await jobs.give_back(store, await taken(store))

    again = await taken(store)

    assert (again.id, again.attempts) == (id, 1)


async def test_a_job_that_was_set_aside_stays_as_it_was(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """Nobody takes it, and somebody can look at it."""
    id = await queued(scope, store)
    await jobs.set_aside(store, await taken(store), "unreadable")
    clock.advance(365 * 24 * 3600)

    assert await jobs.take(store, KIND) is None
    kept = await row(store, id)
    assert (kept["sealed"], kept["last_error"], kept["done_at"]) == (b"hello", "unreadable", None)


async def test_one_job_about_a_subject_waits_at_a_time(store: Store, scope: ConsumerScope) -> None:
    """A second one is not queued while the first one waits or is worked on; afterwards it is."""
    await queued(scope, store, subject="user-1")
    second = await jobs.queue(scope, store, KIND, id=new_id(), lane="crm", subject="user-1")
    await queued(scope, store, kind="part", subject="user-1")
    await queued(scope, store, subject="user-2")
    await jobs.finish(store, await taken(store), "greeted")

    assert second is None
    assert await jobs.queue(scope, store, KIND, id=new_id(), lane="crm", subject="user-1") is not None


async def test_a_job_that_its_maker_works_on_is_leased_to_it(
    store: Store, scope: ConsumerScope, clock: TestClock
) -> None:
    """That is its first try; a worker takes over when the lease has run out."""
    job = await jobs.queue(scope, store, KIND, id=new_id(), lane="crm", leased=True)
    assert job is not None
    meanwhile = await jobs.take(store, KIND)
    clock.advance(LEASE / 1000)

    assert (job.attempts, meanwhile) == (1, None)
    assert (await taken(store)).attempts == 2


async def test_whoever_has_its_share_is_passed_over(store: Store, scope: ConsumerScope) -> None:
    """A lane, an application, or both: the next one in line comes instead."""
    await queued(scope, store, lane="slow")
    await queued(ConsumerScope("app-2", Caller.own("test"), "user-1"), store, lane="quick")
    await queued(scope, store, lane="quick")
    await jobs.arm(store, KIND)

    unbusy = await taken(store, Busy(lanes=["slow", "stuck"], applications=["app-2"]))
    whole_vault = await taken(store, Busy(lanes=["slow", "quick"]))
    nobody = await jobs.take(store, KIND, Busy(lanes=["slow"], applications=["app-2"]))
    others = await taken(store, Busy(lanes=["slow"]))

    assert unbusy.scope is not None
    assert (unbusy.lane, unbusy.scope.application_id) == ("quick", "app-1")
    assert whole_vault.scope is None
    assert nobody is None
    assert others.scope is not None
    assert others.scope.application_id == "app-2"


async def test_a_job_that_comes_again_is_armed_once(store: Store, clock: TestClock) -> None:
    """By however many processes; after it was done it is due after its period, with its tries forgotten."""
    armed = [await jobs.arm(store, KIND) for _ in range(3)]
    await jobs.rearm(store, await taken(store), MINUTE)
    again = await jobs.arm(store, KIND)
    too_early = await jobs.take(store, KIND)
    clock.advance(60)

    assert (armed, again, too_early) == ([True, False, False], False, None)
    assert (await taken(store)).attempts == 1


async def test_a_kind_that_nobody_knows_is_set_aside_after_a_day(
    store: Store, scope: ConsumerScope, clock: TestClock
) -> None:
    """Until then a newer release, running beside, may take it; what is known is left alone."""
    id = await queued(scope, store, kind="juggle")
    await queued(scope, store)
    clock.advance(23 * 3600)
    too_early = await jobs.set_aside_unknown(store, [KIND])
    clock.advance(2 * 3600)

    assert too_early == []
    assert await jobs.set_aside_unknown(store, [KIND, "sing"]) == [("juggle", id)]
    assert (await row(store, id))["last_error"] == "unknown kind"
    assert await jobs.take(store, KIND) is not None


async def test_jobs_of_an_application_go_with_it(store: Store, scope: ConsumerScope) -> None:
    """There is nobody left for whom to do them."""
    await queued(scope, store)
    await store.q.run("DELETE FROM applications WHERE id = :id", id="app-1")

    assert await jobs.take(store, KIND) is None


async def test_nothing_is_written_while_nothing_is_due(store: Store, scope: ConsumerScope) -> None:
    """SQLite has one writer, and a poll must not stand in its way: inside a transaction of somebody else it answers."""
    await queued(scope, store, delay=MINUTE)
    async with store.transaction():
        assert await asyncio.wait_for(asyncio.create_task(jobs.take(store, KIND)), 1) is None
