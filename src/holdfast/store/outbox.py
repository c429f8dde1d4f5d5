"""What must still be told to others: events to subscribers, and grants to be ended at their provider.

Both are appended in the transaction of the change they follow from, so neither is lost or invented by a crash.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import msgspec

from holdfast.domain.connection import Connection
from holdfast.domain.credential import Credential, OAuthToken, Secret
from holdfast.domain.event import EventType
from holdfast.domain.tenancy import Caller, ConsumerScope, Scope
from holdfast.store import Store, new_id
from holdfast.store.engine.database import Row
from holdfast.store.rows import key_of
from holdfast.store.seal.keyring import Place

# How long a worker may take over one revocation before another one takes it: longer than any outbound call.
LEASE = 60_000
_sequence = itertools.count()

_APPEND = """
INSERT INTO outbox (id, application_id, consumer_id, event_type, payload, occurred_at)
VALUES (:id, :application_id, :consumer_id, :event_type, :payload, :occurred_at)"""

_EVENTS = """
SELECT event_type FROM outbox WHERE application_id = :application_id AND consumer_id = :consumer_id
ORDER BY occurred_at, id"""

_OWE = """
INSERT INTO revocations (id, application_id, consumer_id, connection_id, unified_api, service_id, sealed,
  attempts, due_at, lease_until, created_at)
VALUES (:id, :application_id, :consumer_id, :connection_id, :unified_api, :service_id, :sealed,
  0, :now, :lease_until, :now)"""

_DUE = """
UPDATE revocations SET lease_until = :lease_until, attempts = attempts + 1
WHERE id = (SELECT id FROM revocations WHERE settled_at IS NULL AND due_at <= :now AND lease_until <= :now
            ORDER BY due_at LIMIT 1)
  AND lease_until <= :now
RETURNING *"""

_SETTLE = """
UPDATE revocations SET settled_at = :now, outcome = :outcome, sealed = NULL, lease_until = 0
WHERE id = :id AND application_id = :application_id AND settled_at IS NULL"""

_POSTPONE = """
UPDATE revocations SET due_at = :due_at, lease_until = 0
WHERE id = :id AND application_id = :application_id AND settled_at IS NULL"""


@dataclass(frozen=True, slots=True)
class Revocation:
    """A grant to be ended at its provider, with all that this needs, though its connection may be gone."""

    id: str
    scope: ConsumerScope
    connection: Connection
    credential: Credential
    attempts: int = 0


async def announce(scope: Scope, store: Store, connection: Connection, events: list[EventType], state: str) -> None:
    """Appends `events` about `connection`. The payload holds no setting and no secret."""
    payload = msgspec.json.encode(
        {
            "connection_id": connection.id,
            "unified_api": connection.unified_api,
            "service_id": connection.service_id,
            "enabled": connection.enabled,
            "state": state,
        }
    ).decode()
    for event_type in events:
        await store.q.run(
            _APPEND,
            # Sortable within one millisecond, so that the events of a process keep their order.
            id=f"{store.clock.now():013d}-{next(_sequence):010d}-{new_id()[:12]}",
            application_id=scope.application_id,
            consumer_id=connection.consumer_id,
            event_type=event_type,
            payload=payload,
            occurred_at=store.clock.now(),
        )


async def announced(scope: ConsumerScope, store: Store) -> list[str]:
    """The types of a consumer's events so far, oldest first."""
    rows = await store.q.all(_EVENTS, application_id=scope.application_id, consumer_id=scope.consumer_id)
    return [row["event_type"] for row in rows]


async def owe_revocation(
    scope: ConsumerScope, store: Store, connection: Connection, credential: Credential
) -> Revocation:
    """Appends a revocation and leases it to the caller, who may try it at once."""
    box = await store.box(scope)
    id, now = new_id(), store.clock.now()
    assert credential.token is not None
    secrets = {id: secret.reveal() for id, secret in credential.secrets.items()}
    members = {"settings": dict(connection.settings), "secrets": secrets, "token": credential.token.dump()}
    await store.q.run(
        _OWE,
        **key_of(scope, connection.unified_api, connection.service_id),
        id=id,
        connection_id=connection.id,
        sealed=box.seal(_place(scope.application_id, id), msgspec.json.encode(members)),
        now=now,
        lease_until=now + LEASE,
    )
    return Revocation(id, scope, connection, credential)


async def due_revocation(store: Store) -> Revocation | None:
    """Leases the revocation that has waited longest, of whatever tenant."""
    now = store.clock.now()
    row = await store.q.one(_DUE, now=now, lease_until=now + LEASE)
    return await _revocation(store, row) if row else None


async def settle(scope: Scope, store: Store, revocation: Revocation, outcome: str) -> None:
    """The provider answered, or will never: keeps the evidence and drops the token."""
    await store.q.run(
        _SETTLE,
        id=revocation.id,
        application_id=scope.application_id,
        outcome=outcome,
        now=store.clock.now(),
    )


async def postpone(scope: Scope, store: Store, revocation: Revocation, due_at: int) -> None:
    """Gives the lease back, to be tried again at `due_at` (ms)."""
    await store.q.run(_POSTPONE, id=revocation.id, application_id=scope.application_id, due_at=due_at)


async def _revocation(store: Store, row: Row) -> Revocation:
    scope = ConsumerScope(row["application_id"], Caller.own("worker"), row["consumer_id"])
    box = await store.box(scope)
    opened = msgspec.json.decode(box.open(_place(scope.application_id, row["id"]), row["sealed"]))
    connection = Connection(
        row["connection_id"], row["consumer_id"], row["unified_api"], row["service_id"], settings=opened["settings"]
    )
    secrets = {id: Secret(value) for id, value in opened["secrets"].items()}
    credential = Credential(OAuthToken.load(opened["token"]), secrets)
    return Revocation(row["id"], scope, connection, credential, row["attempts"])


def _place(application_id: str, id: str) -> Place:
    return Place("revocations", "sealed", application_id, (id,), 0)
