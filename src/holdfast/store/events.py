"""Events: what happened to a connection, and what the connection was at that moment.

An event is appended in the transaction of its change, so neither is lost or invented by a crash. It holds a snapshot
of the facts that subscribers are told, since by the time of the delivery the connection has changed or is gone. What
the catalogue knows (name, icon, website) is not in it, and no secret setting is; the other settings are sealed.

Events of an application are numbered from 1 by a row of `event_numbers`, which is written first and stays locked until
the commit. So the numbers have no gaps, and whoever has read up to one of them has missed none before it: neither is
true of an identity column on PostgreSQL, whose values are given out in another order than transactions commit. Events
of one connection are in the order of its changes. It costs that the changes of one application commit one after the
other where they announce something; so announce last, after every other row is written, and once in a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from holdfast.domain.connection import Connection, Health, State, health, state
from holdfast.domain.event import EventType
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.tenancy import ConsumerScope, Scope
from holdfast.store import Store, new_id
from holdfast.store.engine.database import Row
from holdfast.store.seal.keyring import Box, Place

_NUMBER = """
INSERT INTO event_numbers (application_id, last) VALUES (:application_id, :count)
ON CONFLICT (application_id) DO UPDATE SET last = event_numbers.last + :count
RETURNING last"""
_APPEND = """
INSERT INTO events (application_id, number, id, consumer_id, connection_id, unified_api, service_id, event_type, facts,
  settings, occurred_at)
VALUES (:application_id, :number, :id, :consumer_id, :connection_id, :unified_api, :service_id, :event_type, :facts,
  :settings, :now)"""
_UNDELIVERED = """
SELECT * FROM events WHERE application_id = :application_id AND delivered_at IS NULL ORDER BY number LIMIT :limit"""
_DELIVERED = """
UPDATE events SET delivered_at = :now WHERE application_id = :application_id AND number = :number
  AND delivered_at IS NULL"""
_TYPES = """
SELECT event_type FROM events WHERE application_id = :application_id AND consumer_id = :consumer_id ORDER BY number"""

PAGE: Final = 100


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a connection was. Times are in ms, 0 for never; `health` is None for one that was deleted.

    `credentials_expire_at` is when credentials whose refresh was refused are given up, as in the API.
    """

    enabled: bool
    state: State
    health: Health | None
    auth_type: str
    metadata: Mapping[str, Any] = {}
    credentials_expire_at: int = 0
    last_refresh_failed_at: int = 0
    created_at: int = 0
    updated_at: int | None = None


class Event(msgspec.Struct, frozen=True):
    """One event of an application. `number` is its place among them."""

    id: str
    number: int
    event_type: EventType
    consumer_id: str
    connection_id: str
    unified_api: str
    service_id: str
    facts: Facts
    settings: Mapping[str, Any]
    occurred_at: int

    def __repr__(self) -> str:
        """Without the settings."""
        return f"Event({self.number} {self.event_type} {self.connection_id})"


async def announce(
    scope: Scope,
    tx: Store,
    connector: Connector,
    before: Connection | None,
    after: Connection | None,
    events: Sequence[EventType],
    now: int,
) -> None:
    """Appends `events` about the change from `before` to `after`, the rows as they are kept. `now` is in ms."""
    told = after or before
    if not events or told is None:
        return
    facts = msgspec.json.encode(_facts(connector, told, after, now)).decode()
    settings = msgspec.json.encode(_not_secret(connector, told.settings))
    last = await _numbers(scope, tx, len(events))
    box = await tx.box(scope)
    for number, event_type in enumerate(events, last - len(events) + 1):
        row = _named(scope, told, number, event_type)
        sealed = box.seal(_place(row), settings)
        await tx.q.run(_APPEND, **row, facts=facts, settings=sealed, now=now)


async def undelivered(scope: Scope, store: Store, limit: int = PAGE) -> list[Event]:
    """The application's oldest events that were not delivered, in order. IntegrityError if one does not open."""
    rows = await store.q.all(_UNDELIVERED, application_id=scope.application_id, limit=limit)
    box = await store.box(scope, *(row["settings"] for row in rows))
    return [_event(row, box) for row in rows]


async def delivered(scope: Scope, store: Store, number: int) -> None:
    """The event of this number was handed on to everybody who subscribes to it."""
    await store.q.run(_DELIVERED, application_id=scope.application_id, number=number, now=store.clock.now())


async def announced(scope: ConsumerScope, store: Store) -> list[str]:
    """The types of a consumer's events so far, oldest first."""
    rows = await store.q.all(_TYPES, application_id=scope.application_id, consumer_id=scope.consumer_id)
    return [row["event_type"] for row in rows]


async def _numbers(scope: Scope, tx: Store, count: int) -> int:
    """The last of `count` new numbers."""
    row = await tx.q.one(_NUMBER, application_id=scope.application_id, count=count)
    assert row is not None  # the statement inserts or updates
    last: int = row["last"]
    return last


def _facts(connector: Connector, told: Connection, after: Connection | None, now: int) -> Facts:
    return Facts(
        enabled=told.enabled,
        state=state(after, connector, now),
        health=health(after, connector, now) if after else None,
        auth_type=connector.auth.type,
        metadata=told.metadata,
        credentials_expire_at=told.retained_until,
        last_refresh_failed_at=told.last_refresh_failed_at,
        created_at=told.created_at,
        updated_at=told.updated_at,
    )


def _not_secret(connector: Connector, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest does not name may be anything, so it stays out."""
    return {s.id: settings[s.id] for s in connector.at("connection") if not s.sensitive and s.id in settings}


def _named(scope: Scope, told: Connection, number: int, event_type: str) -> dict[str, Any]:
    return {
        "id": new_id(),
        "application_id": scope.application_id,
        "number": number,
        "consumer_id": told.consumer_id,
        "connection_id": told.id,
        "unified_api": told.unified_api,
        "service_id": told.service_id,
        "event_type": event_type,
    }


def _event(row: Row, box: Box) -> Event:
    return Event(
        id=row["id"],
        number=row["number"],
        event_type=row["event_type"],
        consumer_id=row["consumer_id"],
        connection_id=row["connection_id"],
        unified_api=row["unified_api"],
        service_id=row["service_id"],
        facts=msgspec.json.decode(row["facts"], type=Facts),
        settings=msgspec.json.decode(box.open(_place(row), row["settings"])),
        occurred_at=row["occurred_at"],
    )


def _place(row: Row | Mapping[str, Any]) -> Place:
    """All that says whose event it is, and which: a row that was relabelled does not open."""
    names = ("consumer_id", "unified_api", "service_id", "connection_id", "event_type", "id")
    return Place("events", "settings", row["application_id"], tuple([row[name] for name in names]), row["number"])
