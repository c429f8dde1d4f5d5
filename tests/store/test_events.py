"""Events: what a connection was at that moment, in the order in which it happened."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from msgspec.structs import replace
from small_connectors import connector

from holdfast.domain.connection import Connection, Grant, RefreshFailure
from holdfast.domain.event import EventType
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.errors import IntegrityError
from holdfast.store import Store, events
from holdfast.store.events import Facts
from holdfast.testing.clock import START, TestClock

BASIC = connector("basic")
OAUTH = connector("authorization_code")
CONNECTION = Connection(
    id="c-1",
    consumer_id="user-1",
    unified_api="crm",
    service_id="acme",
    settings={"subdomain": "northwind", "api_key": "sk-live-1", "unknown": "tk-live-2"},
    metadata={"plan": "gold"},
    created_at=START,
    updated_at=START + 5,
)
CREATED: Sequence[EventType] = ("vault.connection.created", "vault.connection.updated", "vault.connection.callable")


async def announce(
    scope: ConsumerScope,
    store: Store,
    *told: EventType,
    before: Connection | None = None,
    after: Connection | None = CONNECTION,
) -> None:
    async with store.transaction() as tx:
        await events.announce(scope, tx, BASIC, before, after, told, store.clock.now())


async def test_an_event_holds_what_the_connection_was(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """All that a subscriber is told but the catalogue's own words; secret settings, and unknown ones, stay out."""
    await announce(scope, store, *CREATED)
    clock.advance(1)

    created, updated, callable_ = await events.undelivered(scope, store)

    assert [e.event_type for e in (created, updated, callable_)] == list(CREATED)
    assert [e.number for e in (created, updated, callable_)] == [1, 2, 3]
    assert len({created.id, updated.id, callable_.id}) == 3
    assert created.occurred_at == START
    assert (created.consumer_id, created.unified_api, created.service_id) == ("user-1", "crm", "acme")
    assert created.settings == {"subdomain": "northwind"}
    assert created.facts == Facts(
        enabled=True,
        state="callable",
        health="ok",
        auth_type="basic",
        metadata={"plan": "gold"},
        created_at=START,
        updated_at=START + 5,
    )


async def test_an_event_tells_of_a_grant_what_is_no_secret(store: Store, scope: ConsumerScope) -> None:
    """Since when it is not refreshed, and until when it is kept."""
    grant = Grant(granted_at=START, expires_at=START + 60, refreshable=True)
    failure = RefreshFailure("rejected", START + 9, START + 39)
    held = replace(CONNECTION, settings={}, grant=grant, failure=failure, retained_until=START + 99)
    async with store.transaction() as tx:
        await events.announce(scope, tx, OAUTH, None, held, ["vault.connection.token_refresh.pending"], START)

    (event,) = await events.undelivered(scope, store)

    assert (event.facts.credentials_expire_at, event.facts.last_refresh_failed_at) == (START + 99, START + 9)
    assert (event.facts.auth_type, event.settings) == ("oauth2", {})


async def test_an_event_of_a_deletion_holds_what_was_deleted(store: Store, scope: ConsumerScope) -> None:
    """The connection as it was last, in the state of one that does not exist."""
    await announce(scope, store, "vault.connection.deleted", before=CONNECTION, after=None)

    (event,) = await events.undelivered(scope, store)

    assert (event.connection_id, event.facts.state, event.facts.health) == ("c-1", "available", None)
    assert event.settings == {"subdomain": "northwind"}


async def test_later_changes_do_not_reach_back(store: Store, scope: ConsumerScope) -> None:
    """Each event has its own snapshot."""
    renamed = replace(CONNECTION, settings={**CONNECTION.settings, "subdomain": "contoso"}, enabled=False)
    await announce(scope, store, "vault.connection.created")
    await announce(scope, store, "vault.connection.updated", before=CONNECTION, after=renamed)

    first, second = await events.undelivered(scope, store)

    assert [first.settings["subdomain"], second.settings["subdomain"]] == ["northwind", "contoso"]
    assert [first.facts.enabled, second.facts.enabled] == [True, False]


async def test_settings_in_events_are_sealed(store: Store, scope: ConsumerScope) -> None:
    """No column shows one."""
    await announce(scope, store, "vault.connection.created")

    (row,) = await store.q.all("SELECT * FROM events")

    assert "northwind" not in repr(dict(row))


@pytest.mark.parametrize("column", ["consumer_id", "unified_api", "service_id", "connection_id", "event_type", "id"])
async def test_a_relabelled_event_does_not_open(store: Store, scope: ConsumerScope, column: str) -> None:
    """Whoever can write to the database cannot make one customer's event another one's."""
    await announce(scope, store, "vault.connection.created")
    await store.q.run(f"UPDATE events SET {column} = :another", another="another")  # noqa: S608 - ours

    with pytest.raises(IntegrityError):
        await events.undelivered(scope, store)


async def test_events_are_in_the_order_in_which_they_are_kept(store: Store, scope: ConsumerScope) -> None:
    """Many changes at once: the numbers have no gap, and those of one change stand together."""
    ids = [f"c-{n}" for n in range(12)]
    changes = [replace(CONNECTION, id=id) for id in ids]

    await asyncio.gather(*(announce(scope, store, *CREATED, after=change) for change in changes))

    found = await events.undelivered(scope, store)
    assert [e.number for e in found] == list(range(1, 37))
    assert [e.connection_id for e in found[::3]] == [e.connection_id for e in found[2::3]]
    assert {e.connection_id for e in found} == set(ids)


async def test_a_reader_misses_no_event_that_is_kept_later(store: Store, scope: ConsumerScope) -> None:
    """A number is given out only when the one before it is kept or gone: nobody reads past a hole that fills later."""
    first_has_its_number, may_commit = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with store.transaction() as tx:
            await events.announce(scope, tx, BASIC, None, CONNECTION, ["vault.connection.created"], START)
            first_has_its_number.set()
            await may_commit.wait()

    committing = asyncio.create_task(slow())
    await first_has_its_number.wait()
    following = asyncio.create_task(announce(scope, store, "vault.connection.updated"))
    await asyncio.wait({following}, timeout=0.2)
    seen_early = await events.undelivered(scope, store)
    may_commit.set()
    await asyncio.gather(committing, following)

    assert seen_early == []
    assert [e.event_type for e in await events.undelivered(scope, store)] == [
        "vault.connection.created",
        "vault.connection.updated",
    ]


async def test_a_change_that_is_not_kept_announces_nothing(store: Store, scope: ConsumerScope) -> None:
    """Its number goes to the next one."""

    async def fail() -> None:
        async with store.transaction() as tx:
            await events.announce(scope, tx, BASIC, None, CONNECTION, CREATED, START)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await announce(scope, store, "vault.connection.updated")

    assert [(e.number, e.event_type) for e in await events.undelivered(scope, store)] == [
        (1, "vault.connection.updated")
    ]


async def test_applications_count_their_events_apart(store: Store, scope: ConsumerScope) -> None:
    """And see only their own."""
    other = ConsumerScope("app-2", Caller.own("test"), "user-1")
    await announce(scope, store, "vault.connection.created")
    await announce(other, store, "vault.connection.disabled")

    mine, theirs = await events.undelivered(scope, store), await events.undelivered(other, store)

    assert [(e.number, e.event_type) for e in mine] == [(1, "vault.connection.created")]
    assert [(e.number, e.event_type) for e in theirs] == [(1, "vault.connection.disabled")]


async def test_a_delivered_event_is_not_given_again(store: Store, scope: ConsumerScope) -> None:
    """The others stay, in their order, a page at a time."""
    await announce(scope, store, *CREATED)
    await events.delivered(scope, store, 1)

    left = await events.undelivered(scope, store)

    assert [e.number for e in left] == [2, 3]
    assert [e.number for e in await events.undelivered(scope, store, limit=1)] == [2]
    assert all(a.number < b.number for a, b in pairwise(left))
