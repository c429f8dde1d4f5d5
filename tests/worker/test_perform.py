"""One job, and every way in which it can end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from work import NAME, Greeting, queue, row, until

from holdfast import worker
from holdfast.errors import IntegrityError, Unavailable
from holdfast.store import jobs
from holdfast.store.jobs import LEASE, Job
from holdfast.testing.harness import Deployment
from holdfast.usecases.vault import Vault
from holdfast.worker.kinds import SWEEP, Kind
from holdfast.worker.perform import BEAT, PAUSE, TRIES

SECRET = "CNRY-refresh-token"


def counted(outcome: str, kind: str = NAME) -> float:
    return REGISTRY.get_sample_value("holdfast_jobs_total", {"kind": kind, "outcome": outcome}) or 0


def failing(error: Exception) -> Sequence[Kind]:
    async def work(vault: Vault, job: Job) -> None:
        raise error

    return [Kind(NAME, work)]


async def test_a_job_that_does_not_open_is_set_aside_at_once(vault: Deployment) -> None:
    """Trying again would help nobody; it is told in the log and in a counter, and kept to be looked at."""
    (id,) = await queue(vault.vault.store, vault.application_id)
    before = counted("set_aside")

    with capture_logs() as logs:
        taken = await worker.drain(vault.vault, failing(IntegrityError()))
    vault.clock.advance(365 * 24 * 3600)

    assert (taken, await worker.drain(vault.vault, failing(IntegrityError()))) == (1, 0)
    assert (await row(vault.vault.store, id))["last_error"] == "unreadable"
    assert counted("set_aside") == before + 1
    assert [(entry["event"], entry["job"]) for entry in logs] == [("job_set_aside", id)]


async def test_a_failure_that_nobody_foresaw_is_tried_a_few_times(vault: Deployment) -> None:
    """With longer and longer pauses, then it is set aside; the log names its kind, and nothing of what it says."""
    (id,) = await queue(vault.vault.store, vault.application_id)
    tries = 0

    with capture_logs() as logs:
        for attempt in range(TRIES):
            tries += await worker.drain(vault.vault, failing(ValueError(SECRET)))
            vault.clock.advance(PAUSE * 2**attempt / 1000 - 0.001)
            assert await worker.drain(vault.vault, failing(ValueError(SECRET))) == 0
            vault.clock.advance(0.001)

    found = await row(vault.vault.store, id)
    assert (tries, found["last_error"], await worker.drain(vault.vault, failing(ValueError()))) == (
        TRIES,
        "ValueError",
        0,
    )
    assert found["set_aside_at"] is not None
    assert SECRET not in repr(logs)


async def test_a_local_fault_says_nothing_against_a_job(vault: Deployment) -> None:
    """It is tried again in a while, as often as that takes."""
    (id,) = await queue(vault.vault.store, vault.application_id)

    for _ in range(2 * TRIES):
        assert await worker.drain(vault.vault, failing(Unavailable("away"))) == 1
        vault.clock.advance(PAUSE / 1000)

    assert (await row(vault.vault.store, id))["set_aside_at"] is None
    assert await worker.drain(vault.vault, Greeting().kinds) == 1


@pytest.mark.parametrize("error", [IntegrityError(), ValueError()])
async def test_a_job_that_comes_again_comes_again_after_a_failure(vault: Deployment, error: Exception) -> None:
    """There is no other one of its kind: it is never set aside."""
    (kind,) = failing(error)
    periodic = Kind(SWEEP, kind.work, period=3_600_000)
    await jobs.arm(vault.vault.store, SWEEP)

    for _ in range(2 * TRIES):
        assert await worker.drain(vault.vault, [periodic]) == 1
        vault.clock.advance(3600)


async def test_work_that_takes_long_stays_its_workers(vault: Deployment) -> None:
    """A heartbeat keeps the lease, for as long as the process lives."""
    greeting = Greeting(held={"crm"})
    (id,) = await queue(vault.vault.store, vault.application_id)
    store = vault.vault.store

    async with worker.running(vault.vault, greeting.kinds):
        await until(lambda: greeting.begun == [id])
        for _ in range(9):
            before = (await row(store, id))["lease_until"]
            await vault.clock.asleep(2)  # the heart and the loop
            vault.clock.advance(BEAT)
            await until(lambda before=before: prolonged(vault, id, before))
            assert await jobs.take(store, NAME) is None
        greeting.goes_on.set()
        await until(lambda: greeting.done == [id])

    assert (await row(store, id))["attempts"] == 1


async def test_work_whose_lease_is_lost_stops(vault: Deployment) -> None:
    """Somebody else does it by then; what this one would say is not heard any more."""
    greeting = Greeting(held={"crm"})
    (id,) = await queue(vault.vault.store, vault.application_id)
    store = vault.vault.store
    kind = Kind(NAME, greeting.work)

    async with worker.running(vault.vault, [kind]):
        await until(lambda: greeting.begun == [id])
        # The machine slept: no heartbeat came in time, and another node was quicker.
        await store.q.run("UPDATE jobs SET lease_until = 0 WHERE id = :id", id=id)
        other = await jobs.take(store, NAME)
        await vault.clock.asleep(2)
        vault.clock.advance(BEAT)
        await until(lambda: running() == 0)

    assert other is not None
    assert (greeting.done, (await row(store, id))["lease_owner"]) == ([], other.owner)


async def test_what_is_under_way_is_counted(vault: Deployment) -> None:
    """By kind, for whoever watches; and so is what became of it, when it is over."""
    greeting = Greeting(held={"crm"})
    await queue(vault.vault.store, vault.application_id, number=2)
    before = counted("greeted")

    async with worker.running(vault.vault, greeting.kinds):
        await until(lambda: len(greeting.begun) == 2)
        during = running()
        greeting.goes_on.set()

    assert (during, running(), counted("greeted")) == (2, 0, before + 2)
    assert 'holdfast_jobs_total{kind="greet",outcome="greeted"}' in (await vault.get("/metrics")).text


def running() -> float:
    return REGISTRY.get_sample_value("holdfast_jobs_running", {"kind": NAME}) or 0


async def prolonged(vault: Deployment, id: str, before: int) -> bool:
    found = await row(vault.vault.store, id)
    return bool(found["lease_until"] == vault.clock.now() + LEASE and found["lease_until"] > before)


async def test_a_worker_leaves_nothing_behind(vault: Deployment) -> None:
    """No task of it runs on when it has ended."""
    before = asyncio.all_tasks()
    greeting = Greeting()
    (id,) = await queue(vault.vault.store, vault.application_id)
    async with worker.running(vault.vault, greeting.kinds):
        await until(lambda: greeting.done == [id])

    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
