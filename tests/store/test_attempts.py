"""The right to refresh a connection: one has it, until it is given back or its time is over."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_connectors import connector

from holdfast.domain.connection import Connection
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.store import Store, attempts, connections
from holdfast.store.connections import Change
from holdfast.testing.clock import TestClock

CONNECTOR = connector("authorization_code")
HALF_A_MINUTE = 30_000


@pytest.fixture
async def held(store: Store, scope: ConsumerScope) -> Connection:
    """A stored connection."""
    made = connections.blank(scope, "crm", CONNECTOR.id)
    _, after = await connections.change(scope, store, CONNECTOR, "crm", lambda _: Change(made))
    assert after is not None
    return after


async def test_one_has_it_at_a_time(store: Store, scope: ConsumerScope, held: Connection) -> None:
    """Another one gets it when it was given back."""
    first = await attempts.take(scope, store, held, HALF_A_MINUTE)
    refused = await attempts.take(scope, store, held, HALF_A_MINUTE)
    assert first is not None
    await attempts.release(scope, store, first)

    assert refused is None
    assert await attempts.take(scope, store, held, HALF_A_MINUTE) is not None


async def test_it_is_free_when_its_time_is_over(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """To the millisecond, and extending it moves that on."""
    lease = await attempts.take(scope, store, held, HALF_A_MINUTE)
    assert lease is not None
    clock.advance(20)
    extended = await attempts.extend(scope, store, lease, HALF_A_MINUTE)
    clock.advance(29.999)
    early = await attempts.take(scope, store, held, HALF_A_MINUTE)
    clock.advance(0.001)

    assert (extended, early) == (True, None)
    assert await attempts.take(scope, store, held, HALF_A_MINUTE) is not None


async def test_whoever_lost_it_changes_nothing_of_its_successors(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """Neither a late sign of life nor giving it back touches the lease that another one has taken."""
    late = await attempts.take(scope, store, held, HALF_A_MINUTE)
    assert late is not None
    clock.advance(30)
    assert await attempts.take(scope, store, held, HALF_A_MINUTE) is not None

    extended = await attempts.extend(scope, store, late, HALF_A_MINUTE * 100)
    await attempts.release(scope, store, late)

    assert not extended
    assert await attempts.take(scope, store, held, HALF_A_MINUTE) is None
    clock.advance(30)
    assert await attempts.take(scope, store, held, HALF_A_MINUTE) is not None


async def test_it_shows_to_whoever_reads(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """So that waiting for it writes nothing; a node whose clock is behind sees its end in time, too."""
    behind = replace(store, clock=TestClock(clock.now() - 600_000))
    lease = await attempts.take(scope, store, held, HALF_A_MINUTE)
    during = await connections.stored(scope, store, "crm", CONNECTOR.id)
    clock.advance(30)
    after = await connections.stored(scope, behind, "crm", CONNECTOR.id)

    assert lease is not None
    assert during is not None
    assert after is not None
    assert (during.leased, after.leased) == (True, False)


async def test_it_is_of_one_connection(store: Store, scope: ConsumerScope, held: Connection) -> None:
    """Another consumer's connection with the same service is free, and there is none of a connection that is gone."""
    other = ConsumerScope("app-2", Caller.own("test"), "user-1")
    await attempts.take(scope, store, held, HALF_A_MINUTE)

    assert await attempts.take(other, store, held, HALF_A_MINUTE) is None
    made = connections.blank(other, "crm", CONNECTOR.id)
    await connections.change(other, store, CONNECTOR, "crm", lambda _: Change(made))
    assert await attempts.take(other, store, made, HALF_A_MINUTE) is not None
