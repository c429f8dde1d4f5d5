"""Connections as rows: read, changed by compare-and-set, their credential opened and journalled.

`change` is the one way in which a connection is written: it reads the row, lets a decision make the next one,
and saves it with the events that follow, all in one transaction. `rows` has the columns and what is sealed in them;
the right to refresh one connection is `presentations`'.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from holdfast.domain.connection import Connection
from holdfast.domain.connection import events as events_of
from holdfast.domain.credential import Credential, OAuthToken, Sealed, Secret
from holdfast.domain.event import EventType
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import ConflictError, IntegrityError
from holdfast.store import Store, due, events, new_id, rows, tenants
from holdfast.store.engine.database import Row
from holdfast.store.rows import COLUMNS, KEY, READ, key_of
from holdfast.store.seal.box import Box

# Each lost race means that somebody else's change was kept, so many hands at once are served one after the other.
ATTEMPTS = 30

_ONE = f"SELECT {READ} FROM connections WHERE {KEY}"
_STORED = f"SELECT {READ}, credential, secrets FROM connections WHERE {KEY}"
_OF_CONSUMER = f"SELECT {READ} FROM connections WHERE application_id = :application_id AND consumer_id = :consumer_id"
_INSERT = f"""
INSERT INTO connections (application_id, consumer_id, unified_api, service_id, id, created_at, version, credential,
  secrets, {", ".join(COLUMNS)})
VALUES (:application_id, :consumer_id, :unified_api, :service_id, :id, :now, 1, :credential, :secrets,
  {", ".join(":" + c for c in COLUMNS)})
ON CONFLICT (application_id, consumer_id, unified_api, service_id) DO NOTHING"""
_UPDATE = f"""
UPDATE connections SET version = version + 1, {", ".join(f"{c} = :{c}" for c in COLUMNS)},
  credential = CASE WHEN :keeps_credential THEN credential ELSE :credential END,
  secrets = CASE WHEN :keeps_secrets THEN secrets ELSE :secrets END,
  lease_owner = CASE WHEN :keeps_credential THEN lease_owner END,
  lease_until = CASE WHEN :keeps_credential THEN lease_until ELSE 0 END,
  attempt_state = CASE WHEN :keeps_credential THEN attempt_state END
WHERE {KEY} AND version = :version"""
# What became of an earlier refresh token matters no more.
_OUTLIVED = "DELETE FROM presentations WHERE connection_id = :id AND generation < :generation"
_DELETE = f"DELETE FROM connections WHERE {KEY} AND version = :version"


class _Keep:
    """The credential stays as it is."""


KEEP: Final = _Keep()


@dataclass(frozen=True, slots=True)
class Change:
    """What a decision made of a connection: its next facts, and its next credential unless that is kept."""

    connection: Connection | None
    token: OAuthToken | None | _Keep = KEEP
    announce: tuple[EventType, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Stored:
    """A connection with what is sealed of it, from one read."""

    connection: Connection
    row: Row


Decide = Callable[[Connection | None], Change | None]
Also = Callable[[Store, Stored | None], Awaitable[None]]


async def one(scope: ConsumerScope, store: Store, unified_api: str, service_id: str) -> Connection | None:
    """The consumer's connection, or None."""
    row = await store.q.one(_ONE, **key_of(scope, unified_api, service_id))
    if row is None:
        return None
    return rows.connection(scope, row, _box_at_hand(scope, store, row) or await store.box(scope, *rows.sealed(row)))


async def stored(scope: ConsumerScope, store: Store, unified_api: str, service_id: str) -> Stored | None:
    """The consumer's connection with its sealed credential, or None."""
    row = await store.q.one(_STORED, **key_of(scope, unified_api, service_id))
    if row is None:
        return None
    box = _box_at_hand(scope, store, row) or await store.box(scope, *rows.sealed(row))
    return Stored(rows.connection(scope, row, box), row)


async def of_consumer(scope: ConsumerScope, store: Store) -> dict[tuple[str, str], Connection]:
    """The consumer's connections by (unified_api, service_id)."""
    found = await store.q.all(_OF_CONSUMER, application_id=scope.application_id, consumer_id=scope.consumer_id)
    box = await store.box(scope, *(blob for row in found for blob in rows.sealed(row)))
    return {(row["unified_api"], row["service_id"]): rows.connection(scope, row, box) for row in found}


def blank(scope: ConsumerScope, unified_api: str, service_id: str) -> Connection:
    """A connection that is not stored yet."""
    return Connection(id=new_id(), consumer_id=scope.consumer_id, unified_api=unified_api, service_id=service_id)


async def change(
    scope: ConsumerScope, store: Store, connector: Connector, unified_api: str, decide: Decide, also: Also | None = None
) -> tuple[Connection | None, Connection | None]:
    """Applies `decide` to the connection and saves what it makes, with the events; gives before and after.

    `decide` may run more than once: when somebody else changed the row meanwhile, it decides again on the new
    facts. It gives None to leave everything as it is. `also` writes what belongs to the change, in the same
    transaction; it is given what was stored before. ConflictError if the row never stands still.
    """
    for _ in range(ATTEMPTS):
        try:
            async with store.transaction() as tx:
                return await _change_once(scope, tx, connector, unified_api, decide, also)
        except ConflictError:
            continue
    raise ConflictError("The connection is being changed by too many requests at once.")


async def open_credential(scope: ConsumerScope, store: Store, held: Stored, reason: str) -> Credential:
    """The one way to a connection's plaintext: journalled first, whatever kind of credential it is.

    IntegrityError if something of it does not open.
    """
    connection = held.connection
    store.journal.append(scope, connection_id=connection.id, reason=reason, generation=connection.credential_generation)
    box = await store.box(scope, *rows.sealed_credential(held.row))
    return rows.credential(scope, connection, held.row, box)


def _box_at_hand(scope: ConsumerScope, store: Store, row: Row) -> Box | None:
    """What opens what is told of `row`, if that needs no read."""
    return store.keyring.at_hand(scope.application_id, row["settings"] or b"")


async def _change_once(
    scope: ConsumerScope, tx: Store, connector: Connector, unified_api: str, decide: Decide, also: Also | None
) -> tuple[Connection | None, Connection | None]:
    held = await stored(scope, tx, unified_api, connector.id)
    before = held.connection if held else None
    decided = decide(before)
    if decided is None:
        return before, before
    if also is not None:
        await also(tx, held)
    if decided.connection == before and isinstance(decided.token, _Keep):
        return before, before
    after = decided.connection
    now = tx.clock.now()
    told = events_of(before, after, connector, now) + list(decided.announce)
    if after is None:
        await _delete(scope, tx, before)
    else:
        await tenants.ensure_consumer(scope, tx)
        after = await _save(scope, tx, held, after, decided.token)
        await due.plan(scope, tx, connector, before, after)
    await events.announce(scope, tx, connector, before, after, told, now)
    return before, after


async def _save(
    scope: ConsumerScope, tx: Store, held: Stored | None, after: Connection, token: OAuthToken | None | _Keep
) -> Connection:
    before, now = held.connection if held else None, tx.clock.now()
    mended = before is not None and before.unreadable_at and not after.unreadable_at
    keeps_secrets = before is not None and before.secrets == after.secrets and not mended
    reseals = before is None or not keeps_secrets or before.settings != after.settings
    after = replace(
        after,
        updated_at=now if before else None,
        created_at=before.created_at if before else now,
        version=after.version + 1,
        settings_generation=after.settings_generation + reseals,
        secrets_generation=after.secrets_generation + (not keeps_secrets),
        credential_generation=after.credential_generation + (not isinstance(token, _Keep)),
    )
    opened = {} if keeps_secrets else await _plain(scope, tx, held, after)
    after = replace(after, secrets=_digests(tx, after, opened) if not keeps_secrets else after.secrets)
    box = await tx.box(scope)
    written = await tx.q.run(
        _UPDATE if before else _INSERT,
        **key_of(scope, after.unified_api, after.service_id),
        **rows.facts(scope, after, box),
        credential=rows.seal_token(scope, after, None if isinstance(token, _Keep) else token, box),
        secrets=rows.seal_secrets(scope, after, opened, box),
        **(
            {"keeps_credential": isinstance(token, _Keep), "keeps_secrets": keeps_secrets, "version": before.version}
            if before
            else {"id": after.id, "now": now}
        ),
    )
    if not written:
        raise ConflictError()
    if before and not isinstance(token, _Keep):
        await tx.q.run(_OUTLIVED, id=after.id, generation=after.credential_generation)
    return after


async def _plain(scope: ConsumerScope, tx: Store, held: Stored | None, after: Connection) -> dict[str, Secret]:
    """The secrets to seal: those that are new, and those that stay, which are opened to be sealed with them."""
    fresh = {id: value for id, value in after.secrets.items() if isinstance(value, Secret)}
    if held is None or len(fresh) == len(after.secrets):
        return fresh
    try:
        opened = (await open_credential(scope, tx, held, "update")).secrets
    except IntegrityError:
        return fresh  # what does not open is lost already; it must not keep new values out
    return {**{id: opened[id] for id in after.secrets if id in opened}, **fresh}


def _digests(tx: Store, connection: Connection, secrets: dict[str, Secret]) -> dict[str, Sealed]:
    return {id: tx.masks.digest(connection.id, id, secret) for id, secret in secrets.items()}


async def _delete(scope: ConsumerScope, tx: Store, before: Connection | None) -> None:
    if before is None:
        return
    key = key_of(scope, before.unified_api, before.service_id)
    if not await tx.q.run(_DELETE, **key, version=before.version):
        raise ConflictError()
