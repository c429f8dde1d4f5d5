"""Connections as their own queue: claimed once however many nodes look, and by no way that a million of them slows."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.store import Store, due
from holdfast.store.due import CLAIM
from holdfast.store.engine.migrate import migrate
from holdfast.store.engine.opening import open_database
from holdfast.testing.clock import TestClock

_ROW = """
INSERT INTO connections (application_id, consumer_id, unified_api, service_id, id, enabled, settings_generation,
  secrets_generation, credential_generation, refreshable, learned_life, due_at, consent_state, unreadable_at,
  revoked_at, pending_until, retained_until, last_downstream_error_at, created_at, version)
VALUES (:application_id, :consumer_id, 'crm', :service_id, :id, TRUE, 0, 0, 1, TRUE, 0, :due_at, 'implicit', 0, 0, 0, 0,
  0, 0, 1)"""


async def add(store: Store, scope: ConsumerScope, service_id: str, due_at: list[int | None]) -> list[str]:
    """Connections that are due then; their ids."""
    ids = [f"{service_id}-{n}" for n in range(len(due_at))]
    for id, at in zip(ids, due_at, strict=True):
        names = {"application_id": scope.application_id, "consumer_id": id, "service_id": service_id}
        await store.q.run(_ROW, **names, id=id, due_at=at)
    return ids


async def taken(store: Store, *passed_over: str) -> str | None:
    found = await due.take(store, passed_over)
    return found.id if found else None


async def test_what_has_waited_longest_comes_first(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """Of the service whose queue has; what is not due, and what never is, waits."""
    now = clock.now()
    await add(store, scope, "pipedrive", [now - 10, now + 1, None])
    await add(store, scope, "xero", [now - 20])

    assert [await taken(store) for _ in range(3)] == ["xero-0", "pipedrive-0", None]
    clock.advance(0.001)
    assert [await taken(store) for _ in range(2)] == ["pipedrive-1", None]


async def test_a_service_is_passed_over(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """However long its queue is, and however long that has waited."""
    now = clock.now()
    await add(store, scope, "hubspot", [now - 100] * 20)
    await add(store, scope, "xero", [now])

    assert [await taken(store, "hubspot"), await taken(store, "hubspot")] == ["xero-0", None]


async def test_many_nodes_take_each_connection_once(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """Whoever moves its moment on has it."""
    ids = await add(store, scope, "pipedrive", [clock.now() - n for n in range(30)])

    async def node() -> list[str]:
        found = []
        while (one := await taken(store)) is not None:
            found.append(one)
        return found

    seen = Counter(id for found in await asyncio.gather(*(node() for _ in range(4))) for id in found)
    assert seen == Counter(ids)


async def test_what_a_dead_node_had_taken_is_due_again(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """When its claim has run out, and not before."""
    await add(store, scope, "pipedrive", [clock.now()])
    first = await taken(store)

    clock.advance((CLAIM - 1) / 1000)
    too_early = await taken(store)
    clock.advance(0.001)

    assert [first, too_early, await taken(store)] == ["pipedrive-0", None, "pipedrive-0"]


@pytest.mark.parametrize("until", [None, 5000])
async def test_a_look_that_changes_nothing_puts_it_off(
    store: Store, scope: ConsumerScope, clock: TestClock, until: int | None
) -> None:
    """Until another moment, or for ever."""
    await add(store, scope, "pipedrive", [clock.now()])
    claimed = await due.take(store)
    assert claimed is not None

    await due.put_off(claimed.scope, store, claimed, None if until is None else clock.now() + until)
    clock.advance(5)

    assert await taken(store) == (None if until is None else "pipedrive-0")


async def test_who_was_too_slow_moves_nothing(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """Somebody else has it by then, or has found another moment for it."""
    await add(store, scope, "pipedrive", [clock.now()])
    slow = await due.take(store)
    clock.advance(CLAIM / 1000)
    second = await due.take(store)
    assert slow is not None
    assert second is not None

    await due.put_off(slow.scope, store, slow, None)
    await due.give_back(second.scope, store, second)

    assert await taken(store) == "pipedrive-0"


async def test_what_is_given_back_is_anybodys(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """At once, with the moment that it was due at."""
    await add(store, scope, "pipedrive", [clock.now() - 7])
    first = await due.take(store)
    assert first is not None

    await due.give_back(first.scope, store, first)

    again = await due.take(store)
    assert again is not None
    assert (again.since, again.scope.consumer_id) == (clock.now() - 7, "pipedrive-0")
    assert again.scope == ConsumerScope(scope.application_id, Caller.own("worker"), "pipedrive-0")


async def test_a_look_takes_a_step_for_each_service(tmp_path: Path) -> None:
    """Through the index, whatever the number of connections: nothing is scanned. So says SQLite's planner, which knows
    no more of the table than that it is there."""
    database = await open_database(f"sqlite:///{tmp_path / 'holdfast.db'}")
    await migrate(database)
    services = await database.all(f"EXPLAIN QUERY PLAN {due._SERVICES}")
    head = await database.all(f"EXPLAIN QUERY PLAN {due._HEAD}", service_id="xero", look=8)
    await database.close()

    steps = [row["detail"] for row in (*services, *head)]
    reads = [step for step in steps if step.split()[1:2] in (["connections"], ["c"])]
    assert len(reads) >= 4
    assert all(step.startswith("SEARCH") and "INDEX connections_due" in step for step in reads)
