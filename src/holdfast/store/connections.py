"""Connections as rows: read, changed by compare-and-set, their credential opened and journalled.

`change` is the one way in which a connection is written: it reads the row, lets a decision make the next one,
and saves it with the events that follow, all in one transaction. The refresh lease is taken and given back here.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog
from msgspec.structs import replace

from holdfast.domain.connection import Connection, Grant
from holdfast.domain.connection import events as events_of
from holdfast.domain.credential import OAuthToken
from holdfast.domain.event import EventType
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.tenancy import Scope
from holdfast.errors import ConflictError, ConnectorCredentialsError, IntegrityError
from holdfast.store import Store, events, journal, new_id, tenants
from holdfast.store.engine.database import Row
from holdfast.store.seal.keyring import Box, Place

log = structlog.get_logger()

ATTEMPTS = 5

_COLUMNS = (
    "enabled", "settings", "settings_generation", "metadata", "configuration", "choices", "credential_generation",
    "granted_at", "issued_at", "expires_at", "refreshable", "refresh_expires_at", "revoked_at", "pending_until",
    "validation", "last_refresh_failed_at", "retained_until", "last_downstream_error_at", "updated_at",
)  # fmt: skip
_READ = ", ".join(("consumer_id", "unified_api", "service_id", "id", *_COLUMNS, "created_at", "version"))
_KEY = """application_id = :application_id AND consumer_id = :consumer_id
  AND unified_api = :unified_api AND service_id = :service_id"""

_ONE = f"SELECT {_READ} FROM connections WHERE {_KEY}"
_OF_CONSUMER = f"SELECT {_READ} FROM connections WHERE application_id = :application_id AND consumer_id = :consumer_id"
_CREDENTIAL = f"SELECT credential, credential_generation FROM connections WHERE {_KEY} AND id = :id"
# The row is ours from here to the commit: PostgreSQL would let others change it between our read and our write.
_HOLD = f"UPDATE connections SET version = version WHERE {_KEY}"
_INSERT = f"""
INSERT INTO connections (application_id, consumer_id, unified_api, service_id, id, created_at, version, credential,
  {", ".join(_COLUMNS)})
VALUES (:application_id, :consumer_id, :unified_api, :service_id, :id, :now, 1, :credential,
  {", ".join(":" + c for c in _COLUMNS)})
ON CONFLICT (application_id, consumer_id, unified_api, service_id) DO NOTHING"""
_UPDATE = f"""
UPDATE connections SET version = version + 1, {", ".join(f"{c} = :{c}" for c in _COLUMNS)},
  credential = CASE WHEN :keeps THEN credential ELSE :credential END
WHERE {_KEY} AND version = :version"""
_DELETE = f"DELETE FROM connections WHERE {_KEY} AND version = :version"

_LEASE = f"""
UPDATE connections SET lease_owner = :owner, lease_until = :until, attempt = attempt + 1, attempt_state = 'claimed'
WHERE {_KEY} AND id = :id AND credential_generation = :generation AND (lease_owner IS NULL OR lease_until < :now)
RETURNING attempt"""
_RELEASE = f"""
UPDATE connections SET lease_owner = NULL, lease_until = 0, attempt_state = NULL
WHERE {_KEY} AND lease_owner = :owner AND attempt = :attempt"""


class _Keep:
    """The credential stays as it is."""


KEEP: Final = _Keep()


@dataclass(frozen=True, slots=True)
class Change:
    """What a decision made of a connection: its next facts, and its next credential unless that is kept."""

    connection: Connection | None
    token: OAuthToken | None | _Keep = KEEP
    announce: tuple[EventType, ...] = ()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to refresh one connection, until `until` (ms) by this node's clock.

    Nodes whose clocks differ by more than a lease could both hold it; keep them in step (NTP).
    """

    owner: str
    attempt: int
    until: int


Decide = Callable[[Connection | None], Change | None]
Also = Callable[[Store, Connection | None], Awaitable[None]]


async def one(scope: Scope, store: Store, unified_api: str, service_id: str) -> Connection | None:
    """The consumer's connection, or None."""
    row = await store.q.one(_ONE, **_key(scope, unified_api, service_id))
    return _connection(row, await store.box(scope)) if row else None


async def of_consumer(scope: Scope, store: Store) -> dict[tuple[str, str], Connection]:
    """The consumer's connections by (unified_api, service_id)."""
    rows = await store.q.all(_OF_CONSUMER, application_id=scope.application_id, consumer_id=scope.consumer_id)
    box = await store.box(scope)
    found: dict[tuple[str, str], Connection] = {}
    for row in rows:
        try:
            found[row["unified_api"], row["service_id"]] = _connection(row, box)
        except IntegrityError:
            # One damaged row must not take the others out of the list; asked for by name, it fails.
            log.warning("damaged_connection", connection=row["id"])
    return found


def blank(scope: Scope, unified_api: str, service_id: str) -> Connection:
    """A connection that is not stored yet."""
    return Connection(id=new_id(), consumer_id=scope.consumer_id or "", unified_api=unified_api, service_id=service_id)


async def change(
    scope: Scope, store: Store, connector: Connector, unified_api: str, decide: Decide, also: Also | None = None
) -> tuple[Connection | None, Connection | None]:
    """Applies `decide` to the connection and saves what it makes, with the events; gives before and after.

    `decide` may run more than once: when somebody else changed the row meanwhile, it decides again on the new
    facts. It gives None to leave everything as it is. `also` writes what belongs to the change, in the same
    transaction, while the row is still as it was before. ConflictError if the row never stands still.
    """
    for _ in range(ATTEMPTS):
        try:
            async with store.transaction() as tx:
                return await _change_once(scope, tx, connector, unified_api, decide, also)
        except ConflictError:
            continue
    raise ConflictError("The connection is being changed by too many requests at once.")


async def open_credential(scope: Scope, store: Store, connection: Connection, reason: str) -> tuple[OAuthToken, int]:
    """The stored token and its generation, journalled first. ConnectorCredentialsError if there is none."""
    key = _key(scope, connection.unified_api, connection.service_id)
    row = await store.q.one(_CREDENTIAL, **key, id=connection.id)
    if row is None or row["credential"] is None:
        raise ConnectorCredentialsError()
    generation = row["credential_generation"]
    await journal.append(scope, store, connection_id=connection.id, reason=reason, generation=generation)
    box = await store.box(scope)
    sealed = box.open(_place(scope, connection, "credential", generation), row["credential"])
    return OAuthToken.load(msgspec.json.decode(sealed)), generation


async def take_lease(scope: Scope, store: Store, connection: Connection, duration: int) -> Lease | None:
    """Takes the right to refresh `connection` at its generation for `duration` ms; None if another has it."""
    now = store.clock.now()
    owner = f"{os.getpid()}-{new_id()}"
    row = await store.q.one(
        _LEASE,
        **_key(scope, connection.unified_api, connection.service_id),
        owner=owner,
        until=now + duration,
        now=now,
        id=connection.id,
        generation=connection.credential_generation,
    )
    return Lease(owner, row["attempt"], now + duration) if row else None


async def release_lease(scope: Scope, store: Store, connection: Connection, lease: Lease) -> None:
    key = _key(scope, connection.unified_api, connection.service_id)
    await store.q.run(_RELEASE, **key, owner=lease.owner, attempt=lease.attempt)


async def _change_once(
    scope: Scope, tx: Store, connector: Connector, unified_api: str, decide: Decide, also: Also | None
) -> tuple[Connection | None, Connection | None]:
    await tx.q.run(_HOLD, **_key(scope, unified_api, connector.id))
    before = await one(scope, tx, unified_api, connector.id)
    decided = decide(before)
    if decided is None or (decided.connection == before and isinstance(decided.token, _Keep)):
        return before, before
    if also is not None:
        await also(tx, before)
    after = decided.connection
    now = tx.clock.now()
    told = events_of(before, after, connector, now) + list(decided.announce)
    if after is None:
        await _delete(scope, tx, before)
    else:
        await tenants.ensure_consumer(scope, tx)
        after = await _save(scope, tx, before, after, decided.token)
    await events.announce(scope, tx, connector, before, after, told, now)
    return before, after


async def _save(
    scope: Scope, tx: Store, before: Connection | None, after: Connection, token: OAuthToken | None | _Keep
) -> Connection:
    now = tx.clock.now()
    reseals = before is None or before.settings != after.settings
    after = replace(
        after,
        updated_at=now if before else None,
        created_at=before.created_at if before else now,
        version=after.version + 1,
        settings_generation=after.settings_generation + 1 if reseals else after.settings_generation,
        credential_generation=after.credential_generation + (0 if isinstance(token, _Keep) else 1),
    )
    box = await tx.box(scope)
    written = await tx.q.run(
        _UPDATE if before else _INSERT,
        **_key(scope, after.unified_api, after.service_id),
        **_facts(scope, after, box),
        credential=_seal_token(scope, after, token, box),
        **({"keeps": isinstance(token, _Keep), "version": before.version} if before else {"id": after.id, "now": now}),
    )
    if not written:
        raise ConflictError()
    return after


async def _delete(scope: Scope, tx: Store, before: Connection | None) -> None:
    if before is None:
        return
    key = _key(scope, before.unified_api, before.service_id)
    if not await tx.q.run(_DELETE, **key, version=before.version):
        raise ConflictError()


def _facts(scope: Scope, connection: Connection, box: Box) -> dict[str, Any]:
    grant = connection.grant
    settings = msgspec.json.encode(dict(connection.settings)) if connection.settings else None
    return {
        "enabled": connection.enabled,
        "settings": settings
        and box.seal(_place(scope, connection, "settings", connection.settings_generation), settings),
        "settings_generation": connection.settings_generation,
        "metadata": _json(connection.metadata),
        "configuration": _json(connection.configuration),
        "choices": _json(connection.choices),
        "credential_generation": connection.credential_generation,
        "granted_at": grant.granted_at if grant else None,
        "issued_at": grant.issued_at if grant else None,
        "expires_at": grant.expires_at if grant else None,
        "refreshable": bool(grant and grant.refreshable),
        "refresh_expires_at": grant.refresh_expires_at if grant else None,
        "revoked_at": connection.revoked_at,
        "pending_until": connection.pending_until,
        "validation": connection.validation,
        "last_refresh_failed_at": connection.last_refresh_failed_at,
        "retained_until": connection.retained_until,
        "last_downstream_error_at": connection.last_downstream_error_at,
        "updated_at": connection.updated_at,
    }


def _connection(row: Row, box: Box) -> Connection:
    id, sealed = row["id"], row["settings"]
    granted_at = row["granted_at"]
    return Connection(
        id=id,
        consumer_id=row["consumer_id"],
        unified_api=row["unified_api"],
        service_id=row["service_id"],
        enabled=bool(row["enabled"]),
        settings=_open_settings(box, id, row["settings_generation"], sealed) if sealed else {},
        metadata=msgspec.json.decode(row["metadata"]) if row["metadata"] else {},
        configuration=msgspec.json.decode(row["configuration"]) if row["configuration"] else {},
        choices=msgspec.json.decode(row["choices"]) if row["choices"] else {},
        grant=Grant(
            granted_at=granted_at,
            issued_at=row["issued_at"],
            expires_at=row["expires_at"],
            refreshable=bool(row["refreshable"]),
            refresh_expires_at=row["refresh_expires_at"],
        )
        if granted_at is not None
        else None,
        revoked_at=row["revoked_at"],
        pending_until=row["pending_until"],
        validation=row["validation"],
        last_refresh_failed_at=row["last_refresh_failed_at"],
        retained_until=row["retained_until"],
        last_downstream_error_at=row["last_downstream_error_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
        settings_generation=row["settings_generation"],
        credential_generation=row["credential_generation"],
    )


def _open_settings(box: Box, id: str, generation: int, sealed: bytes) -> Mapping[str, Any]:
    place = Place("connections", "settings", box.application_id, (id,), generation)
    opened: Mapping[str, Any] = msgspec.json.decode(box.open(place, sealed))
    return opened


def _seal_token(scope: Scope, connection: Connection, token: OAuthToken | None | _Keep, box: Box) -> bytes | None:
    if token is None or isinstance(token, _Keep):
        return None
    place = _place(scope, connection, "credential", connection.credential_generation)
    return box.seal(place, msgspec.json.encode(token.dump()))


def _place(scope: Scope, connection: Connection, column: str, generation: int) -> Place:
    """The row's own random id binds a sealed value to this connection, also if it is deleted and made again."""
    return Place("connections", column, scope.application_id, (connection.id,), generation)


def _key(scope: Scope, unified_api: str, service_id: str) -> dict[str, Any]:
    return {
        "application_id": scope.application_id,
        "consumer_id": scope.consumer_id,
        "unified_api": unified_api,
        "service_id": service_id,
    }


def _json(value: Mapping[str, Any]) -> str | None:
    return msgspec.json.encode(dict(value)).decode() if value else None
