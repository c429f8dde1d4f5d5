"""The worker's loops: nobody holds up anybody else, a database that is away is waited for, and the end is clean."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from watched_database import leave_alone, refuse, watched
from work import NAME, Greeting, queue, row, until

from holdfast import worker
from holdfast.store import jobs
from holdfast.testing.harness import Deployment
from holdfast.usecases import manage
from holdfast.usecases.bell import Bell
from holdfast.worker.kinds import KINDS, SWEEP, Kind
from holdfast.worker.loop import BACK_OFF, POLL


async def test_a_lane_that_stalls_holds_up_no_other_one(vault: Deployment) -> None:
    """However much of it is due, and due first: it has its share of the places, and the others go on."""
    greeting = Greeting(held={"slow"})
    slow = await queue(vault.vault.store, vault.application_id, "slow", 20)
    vault.clock.advance(1)
    quick = await queue(vault.vault.store, vault.application_id, "quick", 10)

    async with worker.running(vault.vault, greeting.kinds):
        await until(lambda: set(quick) <= set(greeting.done))
        held = [id for id in greeting.begun if id in slow]
        greeting.goes_on.set()
        await until(lambda: set(slow) <= set(greeting.done))

    assert len(held) == greeting.kinds[0].lane_share


async def test_an_application_that_has_much_to_do_holds_up_no_other_one(vault: Deployment) -> None:
    """It has its share of the places, whatever its lanes are."""
    other, _ = await manage.create_application(vault.vault, "Contoso")
    lanes = [f"lane-{n}" for n in range(20)]
    greeting = Greeting(held=set(lanes))
    for lane in lanes:
        await queue(vault.vault.store, vault.application_id, lane)
    vault.clock.advance(1)
    theirs = await queue(vault.vault.store, other.id, "quick", 10)

    async with worker.running(vault.vault, greeting.kinds):
        await until(lambda: set(theirs) <= set(greeting.done))
        assert len(greeting.begun) == len(theirs) + greeting.kinds[0].application_share
        greeting.goes_on.set()


async def test_a_worker_has_only_so_many_places(vault: Deployment) -> None:
    """What does not fit waits in the queue, where other processes find it."""
    greeting = Greeting(held={"crm"})
    kind = Kind(NAME, greeting.work, places=3, lane_share=9, application_share=9)
    ids = await queue(vault.vault.store, vault.application_id, number=5)

    async with worker.running(vault.vault, [kind]):
        await until(lambda: len(greeting.begun) == 3)
        left = [await jobs.take(vault.vault.store, NAME) for _ in range(3)]
        greeting.goes_on.set()

    assert [job is not None for job in left] == [True, True, False]
    assert set(greeting.begun) | {job.id for job in left if job} == set(ids)


async def test_whoever_queues_work_rings_for_it(vault: Deployment) -> None:
    """This process's worker is there at once; no time has to pass."""
    greeting = Greeting()
    async with worker.running(vault.vault, greeting.kinds):
        await vault.clock.asleep()
        (id,) = await queue(vault.vault.store, vault.application_id)
        vault.vault.bell.ring(NAME)

        await until(lambda: greeting.done == [id])


async def test_what_others_queue_is_found_by_the_next_poll(vault: Deployment) -> None:
    """Another process cannot ring here."""
    greeting = Greeting()
    async with worker.running(vault.vault, greeting.kinds):
        await vault.clock.asleep()
        (id,) = await queue(vault.vault.store, vault.application_id)
        vault.clock.advance(POLL * 0.79)
        await asyncio.sleep(0.05)
        too_early = list(greeting.done)
        vault.clock.advance(POLL * 0.42)

        await until(lambda: greeting.done == [id])

    assert too_early == []


async def test_a_bell_rings_until_it_is_heard() -> None:
    """Once, however often it was rung before; and for its own kind only."""
    bell = Bell()
    bell.ring("greet")
    bell.ring("greet")
    await bell.heard("greet")
    again, other = asyncio.create_task(bell.heard("greet")), asyncio.create_task(bell.heard("part"))
    await asyncio.sleep(0)

    bell.ring("greet")
    await again

    assert not other.done()
    other.cancel()


async def test_a_database_that_is_away_is_waited_for(vault: Deployment) -> None:
    """Longer each time, and then the work goes on."""
    greeting = Greeting()
    faulty, database = watched(vault)
    looks = 0
    away = refuse("FROM jobs")

    async def before(sql: str) -> None:
        nonlocal looks
        looks += "FROM jobs" in sql
        await away(sql)

    database.before = before
    (id,) = await queue(vault.vault.store, vault.application_id)
    async with worker.running(faulty.vault, greeting.kinds):
        for number, pause in enumerate(BACK_OFF, 1):
            await until(lambda: vault.clock.sleepers > 0)
            assert looks == number
            vault.clock.advance(pause * 0.79)
            await asyncio.sleep(0.01)
            assert looks == number
            if number == len(BACK_OFF):
                database.before = leave_alone
            vault.clock.advance(pause * 0.42)
            await asyncio.sleep(0.01)

        await until(lambda: greeting.done == [id])


async def test_the_end_waits_for_what_is_under_way(vault: Deployment) -> None:
    """And takes nothing more."""
    greeting = Greeting(held={"crm"})
    first, second = await queue(vault.vault.store, vault.application_id, number=2)
    kind = Kind(NAME, greeting.work, places=1)

    async with worker.running(vault.vault, [kind]):
        await until(lambda: len(greeting.begun) == 1)
        asyncio.get_running_loop().call_later(0.05, greeting.goes_on.set)

    assert len(greeting.done) == 1
    ends = [(await row(vault.vault.store, id))["outcome"] for id in (first, second)]
    assert sorted(ends, key=str) == [None, "greeted"]


async def test_what_does_not_end_in_time_is_given_back(vault: Deployment) -> None:
    """Another process takes it at once, as if it had not been tried."""
    greeting = Greeting(held={"crm"})
    (id,) = await queue(vault.vault.store, vault.application_id)

    async with worker.running(vault.vault, greeting.kinds, grace=0.05):
        await until(lambda: greeting.begun == [id])

    again = await jobs.take(vault.vault.store, NAME)
    assert again is not None
    assert (again.id, again.attempts, greeting.done) == (id, 1, [])


async def test_the_sweep_is_one_job_for_all_processes(vault: Deployment) -> None:
    """It is done when the vault starts, once, and again every hour."""
    async with worker.running(vault.vault, KINDS), worker.running(replace(vault.vault, bell=Bell()), KINDS):
        await until(lambda: swept(vault, 1))
        vault.clock.advance(3601)
        await until(lambda: swept(vault, 2))

    assert len(await vault.vault.store.q.all("SELECT id FROM jobs")) == 1


async def swept(vault: Deployment, times: int) -> bool:
    """Whether the sweep is due for another time after `times`."""
    rows = await vault.vault.store.q.all("SELECT created_at, due_at FROM jobs WHERE kind = :kind", kind=SWEEP)
    return [row["due_at"] - row["created_at"] >= times * 3_600_000 for row in rows] == [True]
