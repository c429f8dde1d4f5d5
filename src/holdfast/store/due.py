"""Connections that are due to be looked after: each row is its own entry in the queue.

A million connections would be a million jobs, written, leased, finished and purged for each life of an access token.
Instead the row says when it is due (`due_at`), in the transaction of whatever makes that moment; whoever works on it
moves the moment on, which is the whole claim. A node that dies leaves a connection that is due again when the claim
runs out. What must not happen twice is not held off here but by the refresh itself.

Which service is asked is decided before its queue is looked at, so the queue of one that is busy costs nothing.
Moments are measured by the clock of the database.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from secrets import SystemRandom
from typing import Final

from holdfast.domain.connection import Connection
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.domain.upkeep import next_due
from holdfast.store import Store
from holdfast.store.engine.database import Row
from holdfast.store.rows import KEY, key_of

# How long a claim lasts (ms): longer than a provider may take.
CLAIM: Final = 600_000
# How many of a service's queue are looked at, so that nodes that look at once do not all reach for the first.
LOOK: Final = 8

# A loose index scan: one step for each service, none for each connection.
_SERVICES = """
WITH RECURSIVE queued (service_id) AS (
  SELECT MIN(service_id) FROM connections WHERE due_at IS NOT NULL
  UNION ALL
  SELECT (SELECT MIN(c.service_id) FROM connections c WHERE c.due_at IS NOT NULL AND c.service_id > queued.service_id)
  FROM queued WHERE queued.service_id IS NOT NULL
), heads (service_id, due_at) AS (
  SELECT service_id, (SELECT MIN(c.due_at) FROM connections c
                      WHERE c.due_at IS NOT NULL AND c.service_id = queued.service_id)
  FROM queued WHERE service_id IS NOT NULL
)
SELECT service_id FROM heads WHERE due_at <= :db_now ORDER BY due_at"""
_HEAD = """
SELECT application_id, consumer_id, unified_api, service_id, id, due_at FROM connections
WHERE service_id = :service_id AND due_at IS NOT NULL AND due_at <= :db_now ORDER BY due_at LIMIT :look"""
_ROW = f"{KEY} AND id = :id AND due_at = :due_at"
_CLAIM = f"UPDATE connections SET due_at = :db_now + :claim WHERE {_ROW} RETURNING due_at"
_PUT_OFF = f"UPDATE connections SET due_at = CAST(:until AS BIGINT) WHERE {_ROW}"
_PLAN = f"UPDATE connections SET due_at = CAST(:until AS BIGINT) WHERE {KEY} AND id = :id"

_random = SystemRandom()


@dataclass(frozen=True, slots=True)
class Due:
    """A claimed connection. `since`: the moment that it was due at; `claim`: until when nobody else takes it (ms)."""

    scope: ConsumerScope
    unified_api: str
    service_id: str
    id: str
    since: int
    claim: int

    @property
    def lane(self) -> str:
        """Whose slowness it shares."""
        return self.service_id


async def take(store: Store, passed_over: Collection[str] = ()) -> Due | None:
    """Claims a connection that is due, of the service whose queue has waited longest and is not `passed_over`; None if
    there is none for us."""
    for service in await store.q.all(_SERVICES):
        if service["service_id"] in passed_over:
            continue
        waiting = list(await store.q.all(_HEAD, service_id=service["service_id"], look=LOOK))
        _random.shuffle(waiting)
        for row in waiting:
            if claimed := await store.q.one(_CLAIM, **_key(_scope(row), row), claim=CLAIM):
                return _due(row, claimed["due_at"])
    return None


async def put_off(scope: ConsumerScope, store: Store, due: Due, until: int | None) -> None:
    """It is due again at `until` (ms), never if that is None. Nothing is done if the claim is not this one's any more:
    somebody has made another moment of it."""
    await store.q.run(
        _PUT_OFF, **key_of(scope, due.unified_api, due.service_id), id=due.id, due_at=due.claim, until=until
    )


async def give_back(scope: ConsumerScope, store: Store, due: Due) -> None:
    """It is anybody's again, as if it had not been taken."""
    await put_off(scope, store, due, due.since)


async def plan(
    scope: ConsumerScope, tx: Store, connector: Connector, before: Connection | None, after: Connection
) -> None:
    """Writes down when `after` is due, if what that follows from has changed. In the transaction of the change."""
    if before is not None and _facts(before) == _facts(after):
        return
    until = next_due(after, connector, tx.clock.now())
    if until is None and (before is None or before.grant is None):
        return
    await tx.q.run(_PLAN, **key_of(scope, after.unified_api, after.service_id), id=after.id, until=until)


def _facts(told: Connection) -> tuple[object, ...]:
    return told.id, told.grant, told.failure, told.retained_until, told.enabled, told.consent_state, told.unreadable_at


def _scope(row: Row) -> ConsumerScope:
    return ConsumerScope(row["application_id"], Caller.own("worker"), row["consumer_id"])


def _due(row: Row, claim: int) -> Due:
    return Due(_scope(row), row["unified_api"], row["service_id"], row["id"], row["due_at"], claim)


def _key(scope: ConsumerScope, row: Row) -> dict[str, object]:
    return {**key_of(scope, row["unified_api"], row["service_id"]), "id": row["id"], "due_at": row["due_at"]}
