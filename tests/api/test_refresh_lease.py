"""The right to refresh: one node has it at a time, for as long as it lives, whatever its clock says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from nodes import another_node
from passing_time import while_time_passes
from watched_database import WatchedDatabase, leave_alone, refuse, watched, with_vault
from work import until

from holdfast.store.engine.database import reads
from holdfast.store.engine.locks import NoLocks
from holdfast.store.presentations import Terms
from holdfast.testing.clock import TestClock
from holdfast.testing.harness import SERVICE, Deployment, Reply
from holdfast.testing.provider import stall
from holdfast.usecases.flight import Flights

ONE = f"/vault/connections/crm/{SERVICE}"
HOUR = 3600
REFRESHES = "token:refresh_token"
# The machine's own time between two signs of life; the lease itself is measured by the clock that the test moves.
SOON = Terms(beat=0.01)
GIVES_A_SIGN = "SET lease_until"


@pytest.fixture
async def other(vault: Deployment) -> AsyncIterator[Deployment]:
    """Another node, and a connection whose token has expired."""
    await vault.connect()
    vault.clock.advance(HOUR)
    async with another_node(vault) as node:
        yield node


async def use(node: Deployment) -> Reply:
    async with asyncio.timeout(30):
        return await node.get(f"{ONE}/leads/custom-fields")


async def is_extended(vault: Deployment) -> bool:
    """Whether the lease lasts as long as a lease does, from now."""
    row = await vault.vault.store.q.one("SELECT lease_until FROM connections")
    return row is not None and row["lease_until"] == vault.clock.now() + SOON.lease


async def test_a_provider_that_is_slower_than_a_lease_is_asked_once(vault: Deployment, other: Deployment) -> None:
    """Whoever asked gives signs of life, so the other node waits for as long as that takes."""
    with vault.provider.behave(REFRESHES, stall(70)):
        asking = asyncio.create_task(use(with_vault(vault, terms=SOON)))
        await vault.clock.asleep()
        waiting = asyncio.create_task(use(other))
        for _ in range(3):
            await vault.clock.asleep(2)
            vault.clock.advance(20)
            await until(lambda: is_extended(vault))
        vault.clock.advance(10)
        replies = await while_time_passes(vault.clock, asyncio.gather(asking, waiting))

    assert [reply.status for reply in replies] == [200, 200]
    assert vault.provider.calls[REFRESHES] == 1


async def test_a_database_that_is_away_for_a_sign_of_life_is_waited_for(vault: Deployment, other: Deployment) -> None:
    """The next sign holds the lease, and the answer is kept."""
    faulty, database = watched(with_vault(vault, terms=SOON))
    missed = asyncio.Event()

    async def refuse_signs(sql: str) -> None:
        if GIVES_A_SIGN in sql:
            missed.set()
        await refuse(GIVES_A_SIGN)(sql)

    with vault.provider.behave(REFRESHES, stall(40)):
        asking = asyncio.create_task(use(faulty))
        await vault.clock.asleep()
        database.before = refuse_signs
        await missed.wait()
        database.before = leave_alone
        vault.clock.advance(20)
        await until(lambda: is_extended(vault))
        waiting = asyncio.create_task(use(other))
        await vault.clock.asleep(2)
        vault.clock.advance(20)
        replies = await while_time_passes(vault.clock, asyncio.gather(asking, waiting))

    assert [reply.status for reply in replies] == [200, 200]
    assert vault.provider.calls[REFRESHES] == 1


async def test_a_node_whose_clock_is_ahead_takes_nothing_away(vault: Deployment, other: Deployment) -> None:
    """Ten minutes fast, it waits like any other one: a lease is measured by the clock of the database."""
    fast = TestClock(vault.clock.now() + 600_000)
    ahead = with_vault(other, clock=fast, store=replace(other.vault.store, clock=fast), flights=Flights())
    with vault.provider.behave(REFRESHES, stall(5)):
        asking = asyncio.create_task(use(vault))
        await vault.clock.asleep()
        waiting = asyncio.create_task(use(ahead))
        async with asyncio.timeout(10):
            await fast.asleep()
        vault.clock.advance(5)
        first, second = await asking, await while_time_passes(fast, waiting)

    assert [first.status, second.status] == [200, 200]
    assert vault.provider.calls[REFRESHES] == 1


async def test_a_node_whose_clock_is_ahead_keeps_no_right_for_long(vault: Deployment, other: Deployment) -> None:
    """What it leaves behind when it dies is free half a minute later, not ten minutes."""
    fast = TestClock(vault.clock.now() + 600_000)
    store, flights = replace(other.vault.store, clock=fast), Flights(landing=0)
    dying = with_vault(other, clock=fast, store=store, flights=flights, terms=Terms(beat=HOUR))
    with vault.provider.behave(REFRESHES, stall(HOUR), times=1):
        asking = asyncio.create_task(use(dying))
        await vault.clock.asleep()
        await flights.land()
        await asyncio.gather(asking, return_exceptions=True)
        vault.clock.advance(Terms().lease / 1000 + 1)

        reply = await use(with_vault(vault, locks=NoLocks(), terms=Terms(patience=0)))

    assert reply.status == 200


async def test_waiting_for_another_node_writes_nothing(vault: Deployment, other: Deployment) -> None:
    """It is one read a time: the one writer that SQLite has is left to those who have something to write."""
    patient, database = watched(other)
    with vault.provider.behave(REFRESHES, stall(5)):
        asking = asyncio.create_task(use(vault))
        await vault.clock.asleep()
        waiting = asyncio.create_task(use(patient))
        statements = await statements_of(database, vault.clock, looks=40)
        vault.clock.advance(5)
        await while_time_passes(vault.clock, asyncio.gather(asking, waiting))

    assert len(statements) == 40
    assert [sql for sql in statements if not reads(sql)] == []


async def test_the_right_is_given_back_with_the_answer(vault: Deployment, other: Deployment) -> None:
    """No other node has to wait for it to run out."""
    replies = [await use(vault)]
    async with asyncio.timeout(10):
        replies += [await node.post(f"{ONE}/validate") for node in (other, vault)]
    row = await vault.vault.store.q.one("SELECT lease_owner, lease_until FROM connections")

    assert [reply.status for reply in replies] == [200] * 3
    assert row is not None
    assert (row["lease_owner"], row["lease_until"]) == (None, 0)


async def statements_of(database: WatchedDatabase, clock: TestClock, looks: int) -> list[str]:
    """What is asked of the database while somebody who waits beside the provider looks so often."""
    statements: list[str] = []

    async def note(sql: str) -> None:
        statements.append(sql)

    await clock.asleep(2)
    database.before = note
    for _ in range(looks):
        clock.advance(0.025)
        await clock.asleep(2)
    database.before = leave_alone
    return statements
