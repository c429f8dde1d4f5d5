"""Applications, their API keys and their consumers."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from holdfast.domain.credential import Secret
from holdfast.domain.mac import Mac
from holdfast.domain.tenancy import EVERYWHERE, ApiKey, Application, Bounds, ConsumerScope, Scope
from holdfast.errors import ConflictError, EntityNotFoundError
from holdfast.store import Store
from holdfast.store.engine.database import Row
from holdfast.store.seal.envelope import Place
from holdfast.store.seal.keyring import DataKey

log = structlog.get_logger()

# The purpose of the MACs over what API keys may do.
_ROW_MACS = "api_key_row"
_CONNECTION = ("consumer_id", "unified_api", "service_id")

_ADD_APPLICATION = """
INSERT INTO applications (id, name, redirect_uris, confirmation, created_at, version)
VALUES (:id, :name, :redirect_uris, :confirmation, :created_at, 1)"""
# One that is being deleted (`store.deletion`) is none to anybody.
_APPLICATION = "SELECT * FROM applications WHERE id = :application_id AND deleting_at IS NULL"
_EXISTS = "SELECT id FROM applications WHERE id = :application_id"
_UNCONFIRMED = "SELECT COUNT(*) AS found FROM applications WHERE confirmation = 'off' AND deleting_at IS NULL"
_APPLICATIONS = "SELECT * FROM applications WHERE deleting_at IS NULL ORDER BY created_at, id"
_UPDATE_APPLICATION = """
UPDATE applications SET name = :name, redirect_uris = :redirect_uris, confirmation = :confirmation,
  version = version + 1
WHERE id = :application_id AND version = :version AND deleting_at IS NULL"""
_DELETE_APPLICATION = "DELETE FROM applications WHERE id = :application_id"

_ADD_KEY = """
INSERT INTO api_keys (id, application_id, mac, mac_key_id, row_mac, sealed, scopes, bounds, last_four, created_at)
VALUES (:id, :application_id, :mac, :mac_key_id, :row_mac, :sealed, :scopes, :bounds, :last_four, :created_at)"""
_KEY = "SELECT * FROM api_keys WHERE mac = :mac"
_KEYS = "SELECT * FROM api_keys WHERE application_id = :application_id ORDER BY created_at, id"
_SIGNING = "SELECT sealed FROM api_keys WHERE application_id = :application_id AND id = :id"
_DELETE_KEY = "DELETE FROM api_keys WHERE application_id = :application_id AND id = :id"

_UPSERT_CONSUMER = """
INSERT INTO consumers (application_id, consumer_id, metadata, created_at, updated_at)
VALUES (:application_id, :consumer_id, '{}', :now, :now)
ON CONFLICT (application_id, consumer_id) DO NOTHING"""
_NEXT_CONSENT = """
UPDATE consumers SET consents = consents + 1 WHERE application_id = :application_id AND consumer_id = :consumer_id
RETURNING consents"""


async def add_application(store: Store, application: Application, data_key: DataKey) -> None:
    """Stores a new application and its data key; call it inside a transaction."""
    await store.q.run(
        _ADD_APPLICATION,
        id=application.id,
        name=application.name,
        redirect_uris=_json(application.redirect_uris),
        confirmation=application.confirmation,
        created_at=application.created_at,
    )
    await store.keyring.keep_data_key(store.q, data_key)


async def application(scope: Scope, store: Store) -> Application:
    """The application of `scope`; EntityNotFoundError if there is none."""
    row = await store.q.one(_APPLICATION, application_id=scope.application_id)
    if row is None:
        raise EntityNotFoundError("application", scope.application_id)
    return _application(row)


async def is_there(scope: Scope, store: Store) -> bool:
    """Whether the application has rows, if only until they are deleted: nobody sees it any more then."""
    return await store.q.one(_EXISTS, application_id=scope.application_id) is not None


async def applications(store: Store) -> list[Application]:
    """All applications, for the operator."""
    return [_application(row) for row in await store.q.all(_APPLICATIONS)]


async def unconfirmed(store: Store) -> int:
    """How many applications never confirm who comes back."""
    row = await store.q.one(_UNCONFIRMED)
    return int(row["found"]) if row else 0


async def update_application(scope: Scope, store: Store, application: Application) -> None:
    """Stores a change of what was read; ConflictError if somebody else's came first."""
    written = await store.q.run(
        _UPDATE_APPLICATION,
        application_id=scope.application_id,
        name=application.name,
        redirect_uris=_json(application.redirect_uris),
        confirmation=application.confirmation,
        version=application.version,
    )
    if not written:
        raise ConflictError()


async def delete_application(scope: Scope, store: Store) -> bool:
    """Deletes the application with everything it owns; its data keys go too, so no copy of its secrets opens."""
    deleted = await store.q.run(_DELETE_APPLICATION, application_id=scope.application_id)
    await store.keyring.destroy_data_keys(store.q, scope.application_id)
    return deleted > 0


async def add_key(scope: Scope, store: Store, key: ApiKey, mac: bytes, text: Secret) -> None:
    """Stores an API key: under `mac`, the MAC of its text under the current instance key, with a MAC of what it may."""
    row_key = store.keyring.derive(_ROW_MACS).current
    said = {
        "id": key.id,
        "application_id": scope.application_id,
        "mac": mac,
        "mac_key_id": row_key.id,
        "scopes": _json(key.scopes),
        "bounds": _bounds_json(key.bounds),
    }
    box = await store.box(scope)
    await store.q.run(
        _ADD_KEY,
        **said,
        row_mac=_row_mac(row_key, said),
        sealed=box.seal(_text_place(scope, key.id), text.reveal().encode()),
        last_four=key.last_four,
        created_at=key.created_at,
    )


async def by_key(store: Store, mac: bytes) -> ApiKey | None:
    """The API key whose text has this MAC; None, and a warning, if its row is not as it was stored."""
    row = await store.q.one(_KEY, mac=mac)
    return _genuine_key(store, row) if row else None


async def keys(scope: Scope, store: Store) -> list[ApiKey]:
    """The application's API keys. A row that is not as it was stored is none."""
    rows = await store.q.all(_KEYS, application_id=scope.application_id)
    return [key for row in rows if (key := _genuine_key(store, row))]


async def signing_secret(scope: Scope, store: Store, key_id: str) -> Secret:
    """The text of an API key, which is the key of the signatures on what is delivered to its holder.

    For nothing else: whoever holds the text acts for every consumer of the application, so it stays within the
    signing of one delivery. EntityNotFoundError if there is no such key, IntegrityError if it does not open.
    """
    row = await store.q.one(_SIGNING, application_id=scope.application_id, id=key_id)
    if row is None:
        raise EntityNotFoundError("api_key", key_id)
    box = await store.box(scope, row["sealed"])
    return Secret(box.open(_text_place(scope, key_id), row["sealed"]).decode())


async def delete_key(scope: Scope, store: Store, id: str) -> bool:
    return await store.q.run(_DELETE_KEY, application_id=scope.application_id, id=id) > 0


async def ensure_consumer(scope: ConsumerScope, store: Store) -> None:
    """A consumer exists from its first write on."""
    await store.q.run(
        _UPSERT_CONSUMER, application_id=scope.application_id, consumer_id=scope.consumer_id, now=store.clock.now()
    )


async def number_consent(scope: ConsumerScope, store: Store) -> int:
    """The number of a consent of the consumer, greater than that of every one before it.

    Taken before the consent is spent: of two that are given at once, the one with the greater number stays, however
    late the other one is stored.
    """
    async with store.transaction() as tx:
        await ensure_consumer(scope, tx)
        row = await tx.q.one(_NEXT_CONSENT, application_id=scope.application_id, consumer_id=scope.consumer_id)
    if row is None:
        raise ConflictError("The consumer is being deleted.")
    return int(row["consents"])


def _application(row: Row) -> Application:
    return Application(
        id=row["id"],
        name=row["name"],
        redirect_uris=tuple(msgspec.json.decode(row["redirect_uris"])),
        confirmation=row["confirmation"],
        created_at=row["created_at"],
        version=row["version"],
    )


def _genuine_key(store: Store, row: Row) -> ApiKey | None:
    row_key = store.keyring.derive(_ROW_MACS).find(row["mac_key_id"])
    if row_key is None or not hmac.compare_digest(row["row_mac"], _row_mac(row_key, row)):
        log.warning("altered_api_key", application=row["application_id"], key=row["id"])
        return None
    return ApiKey(
        id=row["id"],
        application_id=row["application_id"],
        scopes=tuple(msgspec.json.decode(row["scopes"])),
        last_four=row["last_four"],
        created_at=row["created_at"],
        bounds=_bounds(row["bounds"]),
    )


def _row_mac(key: Mac, said: Mapping[str, Any]) -> bytes:
    """The MAC of what a key may, and of the text that it is found by: a text moved to another row is in it too."""
    named = said["id"], said["application_id"], said["mac"].hex(), said["mac_key_id"]
    return key.digest(msgspec.json.encode([*named, said["scopes"], said["bounds"]]))


def _bounds_json(bounds: Bounds) -> str | None:
    if bounds == EVERYWHERE:
        return None
    members: dict[str, Any] = {}
    if bounds.consumers is not None:
        members["consumers"] = sorted(bounds.consumers)
    if bounds.services is not None:
        members["services"] = sorted(bounds.services)
    if bounds.connections is not None:
        members["connections"] = [dict(zip(_CONNECTION, named, strict=True)) for named in sorted(bounds.connections)]
    return _json(members)


def _bounds(text: str | None) -> Bounds:
    """A member that is not there is no bound; one that is empty lets nothing through."""
    members = msgspec.json.decode(text) if text else {}
    connections = members.get("connections")
    return Bounds(
        consumers=frozenset(members["consumers"]) if "consumers" in members else None,
        services=frozenset(members["services"]) if "services" in members else None,
        connections=None
        if connections is None
        else frozenset((c["consumer_id"], c["unified_api"], c["service_id"]) for c in connections),
    )


def _text_place(scope: Scope, key_id: str) -> Place:
    return Place("api_keys", "sealed", scope.application_id, (key_id,))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
