"""Applications, their API keys and integrations, and their consumers."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from holdfast.domain.credential import Client, Secret
from holdfast.domain.mac import Mac
from holdfast.domain.tenancy import EVERYWHERE, ApiKey, Application, Bounds, ConsumerScope, Integration, Scope
from holdfast.errors import EntityNotFoundError, IntegrityError
from holdfast.store import Store
from holdfast.store.engine.database import Row
from holdfast.store.seal.envelope import Place
from holdfast.store.seal.keyring import DataKey

log = structlog.get_logger()

# The purpose of the MACs over what API keys may do.
_ROW_MACS = "api_key_row"
_CONNECTION = ("consumer_id", "unified_api", "service_id")

_ADD_APPLICATION = """
INSERT INTO applications (id, name, redirect_uris, confirmation, created_at)
VALUES (:id, :name, :redirect_uris, :confirmation, :created_at)"""
_APPLICATION = "SELECT * FROM applications WHERE id = :application_id"
_APPLICATIONS = "SELECT * FROM applications ORDER BY created_at, id"
_UPDATE_APPLICATION = """
UPDATE applications SET name = :name, redirect_uris = :redirect_uris, confirmation = :confirmation
WHERE id = :application_id"""
_DELETE_APPLICATION = "DELETE FROM applications WHERE id = :application_id"

_ADD_KEY = """
INSERT INTO api_keys (id, application_id, mac, mac_key_id, row_mac, sealed, scopes, bounds, last_four, created_at)
VALUES (:id, :application_id, :mac, :mac_key_id, :row_mac, :sealed, :scopes, :bounds, :last_four, :created_at)"""
_KEY = "SELECT * FROM api_keys WHERE mac = :mac"
_KEYS = "SELECT * FROM api_keys WHERE application_id = :application_id ORDER BY created_at, id"
_SIGNING = "SELECT sealed FROM api_keys WHERE application_id = :application_id AND id = :id"
_DELETE_KEY = "DELETE FROM api_keys WHERE application_id = :application_id AND id = :id"

_PUT_INTEGRATION = """
INSERT INTO integrations (application_id, unified_api, service_id, enabled, client_id, scopes, sealed, generation,
  created_at, updated_at)
VALUES (:application_id, :unified_api, :service_id, :enabled, :client_id, :scopes, :sealed, :generation, :now, :now)
ON CONFLICT (application_id, unified_api, service_id) DO UPDATE SET enabled = excluded.enabled,
  client_id = excluded.client_id, scopes = excluded.scopes, sealed = excluded.sealed,
  generation = excluded.generation, updated_at = excluded.updated_at"""
_INTEGRATIONS = """
SELECT * FROM integrations WHERE application_id = :application_id ORDER BY unified_api, service_id"""
_INTEGRATION = """
SELECT * FROM integrations
WHERE application_id = :application_id AND unified_api = :unified_api AND service_id = :service_id"""
_DELETE_INTEGRATION = """
DELETE FROM integrations
WHERE application_id = :application_id AND unified_api = :unified_api AND service_id = :service_id"""

_UPSERT_CONSUMER = """
INSERT INTO consumers (application_id, consumer_id, metadata, created_at, updated_at)
VALUES (:application_id, :consumer_id, '{}', :now, :now)
ON CONFLICT (application_id, consumer_id) DO NOTHING"""


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


async def applications(store: Store) -> list[Application]:
    """All applications, for the operator."""
    return [_application(row) for row in await store.q.all(_APPLICATIONS)]


async def update_application(scope: Scope, store: Store, application: Application) -> None:
    await store.q.run(
        _UPDATE_APPLICATION,
        application_id=scope.application_id,
        name=application.name,
        redirect_uris=_json(application.redirect_uris),
        confirmation=application.confirmation,
    )


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


async def put_integration(scope: Scope, store: Store, integration: Integration) -> None:
    """Stores `integration`, replacing what was there; call it inside a transaction."""
    key = _integration_key(scope, integration.unified_api, integration.service_id)
    before = await store.q.one(_INTEGRATION, **key)
    said = {
        **key,
        "enabled": integration.enabled,
        "client_id": integration.client.client_id if integration.client else None,
        "scopes": _json(integration.scopes) if integration.scopes is not None else None,
        "generation": before["generation"] + 1 if before else 1,
    }
    box = await store.box(scope)
    sealed = box.seal(_integration_place(scope, said), _integration_secrets(integration))
    await store.q.run(_PUT_INTEGRATION, **said, sealed=sealed, now=store.clock.now())


async def integrations(scope: Scope, store: Store) -> dict[tuple[str, str], Integration]:
    """The application's integrations by (unified_api, service_id)."""
    rows = await store.q.all(_INTEGRATIONS, application_id=scope.application_id)
    found: dict[tuple[str, str], Integration] = {}
    for row in rows:
        try:
            found[row["unified_api"], row["service_id"]] = await _integration(scope, store, row)
        except IntegrityError:
            # One damaged row must not stop the application's others.
            log.warning("damaged_integration", application=scope.application_id, service=row["service_id"])
    return found


async def integration(scope: Scope, store: Store, unified_api: str, service_id: str) -> Integration | None:
    row = await store.q.one(_INTEGRATION, **_integration_key(scope, unified_api, service_id))
    return await _integration(scope, store, row) if row else None


async def delete_integration(scope: Scope, store: Store, unified_api: str, service_id: str) -> bool:
    return await store.q.run(_DELETE_INTEGRATION, **_integration_key(scope, unified_api, service_id)) > 0


async def ensure_consumer(scope: ConsumerScope, store: Store) -> None:
    """A consumer exists from its first write on."""
    await store.q.run(
        _UPSERT_CONSUMER, application_id=scope.application_id, consumer_id=scope.consumer_id, now=store.clock.now()
    )


def _application(row: Row) -> Application:
    return Application(
        id=row["id"],
        name=row["name"],
        redirect_uris=tuple(msgspec.json.decode(row["redirect_uris"])),
        confirmation=row["confirmation"],
        created_at=row["created_at"],
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


async def _integration(scope: Scope, store: Store, row: Row) -> Integration:
    opened = await _open_integration(scope, store, row)
    secret = opened.get("client_secret")
    return Integration(
        application_id=scope.application_id,
        unified_api=row["unified_api"],
        service_id=row["service_id"],
        enabled=bool(row["enabled"]),
        client=Client(row["client_id"], Secret(secret) if secret else None) if row["client_id"] else None,
        scopes=tuple(msgspec.json.decode(row["scopes"])) if row["scopes"] is not None else None,
        settings={id: Secret(value) for id, value in opened.get("settings", {}).items()},
    )


def _integration_secrets(integration: Integration) -> bytes:
    secret = integration.client.client_secret if integration.client else None
    members: dict[str, Any] = {"settings": {id: value.reveal() for id, value in integration.settings.items()}}
    if secret:
        members["client_secret"] = secret.reveal()
    return msgspec.json.encode(members)


async def _open_integration(scope: Scope, store: Store, row: Row) -> Mapping[str, Any]:
    box = await store.box(scope, row["sealed"])
    opened: Mapping[str, Any] = msgspec.json.decode(box.open(_integration_place(scope, row), row["sealed"]))
    return opened


def _integration_place(scope: Scope, said: Mapping[str, Any]) -> Place:
    """The secret goes with the client that it was given for, and the integration is on only if it was switched on."""
    enabled = "enabled" if said["enabled"] else "disabled"
    ids = said["unified_api"], said["service_id"], enabled, said["client_id"] or "", said["scopes"] or ""
    return Place("integrations", "sealed", scope.application_id, ids, said["generation"])


def _integration_key(scope: Scope, unified_api: str, service_id: str) -> dict[str, str]:
    return {"application_id": scope.application_id, "unified_api": unified_api, "service_id": service_id}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
