"""Applications, their API keys and integrations, and their consumers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from holdfast.domain.credential import Client, Secret
from holdfast.domain.tenancy import ApiKey, Application, ConsumerScope, Integration, Scope
from holdfast.errors import EntityNotFoundError, IntegrityError
from holdfast.store import Store
from holdfast.store.engine.database import Row
from holdfast.store.seal.keyring import Place

log = structlog.get_logger()

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
INSERT INTO api_keys (id, application_id, mac, scopes, last_four, created_at)
VALUES (:id, :application_id, :mac, :scopes, :last_four, :created_at)"""
_KEY = "SELECT * FROM api_keys WHERE mac = :mac"
_KEYS = "SELECT * FROM api_keys WHERE application_id = :application_id ORDER BY created_at, id"
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


async def add_application(store: Store, application: Application) -> None:
    """Stores a new application and its data key; call it inside a transaction."""
    await store.q.run(
        _ADD_APPLICATION,
        id=application.id,
        name=application.name,
        redirect_uris=_json(application.redirect_uris),
        confirmation=application.confirmation,
        created_at=application.created_at,
    )
    await store.keyring.create_data_key(store.q, application.id)


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
    """Deletes the application with everything it owns; its data key goes too, so no copy of its secrets opens."""
    deleted = await store.q.run(_DELETE_APPLICATION, application_id=scope.application_id)
    await store.keyring.destroy_data_key(store.q, scope.application_id)
    return deleted > 0


async def add_key(scope: Scope, store: Store, key: ApiKey, mac: bytes) -> None:
    await store.q.run(
        _ADD_KEY,
        id=key.id,
        application_id=scope.application_id,
        mac=mac,
        scopes=_json(key.scopes),
        last_four=key.last_four,
        created_at=key.created_at,
    )


async def by_key(store: Store, mac: bytes) -> ApiKey | None:
    """The API key with this MAC."""
    row = await store.q.one(_KEY, mac=mac)
    return _key(row) if row else None


async def keys(scope: Scope, store: Store) -> list[ApiKey]:
    return [_key(row) for row in await store.q.all(_KEYS, application_id=scope.application_id)]


async def delete_key(scope: Scope, store: Store, id: str) -> bool:
    return await store.q.run(_DELETE_KEY, application_id=scope.application_id, id=id) > 0


async def put_integration(scope: Scope, store: Store, integration: Integration) -> None:
    """Stores `integration`, replacing what was there; call it inside a transaction."""
    key = _integration_key(scope, integration.unified_api, integration.service_id)
    before = await store.q.one(_INTEGRATION, **key)
    generation = before["generation"] + 1 if before else 1
    await store.q.run(
        _PUT_INTEGRATION,
        **key,
        enabled=integration.enabled,
        client_id=integration.client.client_id if integration.client else None,
        scopes=_json(integration.scopes) if integration.scopes is not None else None,
        sealed=await _seal_integration(scope, store, integration, generation),
        generation=generation,
        now=store.clock.now(),
    )


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


def _key(row: Row) -> ApiKey:
    return ApiKey(
        id=row["id"],
        application_id=row["application_id"],
        scopes=tuple(msgspec.json.decode(row["scopes"])),
        last_four=row["last_four"],
        created_at=row["created_at"],
    )


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


async def _seal_integration(scope: Scope, store: Store, integration: Integration, generation: int) -> bytes | None:
    secret = integration.client.client_secret if integration.client else None
    members: dict[str, Any] = {"settings": {id: value.reveal() for id, value in integration.settings.items()}}
    if secret:
        members["client_secret"] = secret.reveal()
    box = await store.box(scope)
    place = _place(scope, integration.unified_api, integration.service_id, generation)
    return box.seal(place, msgspec.json.encode(members))


async def _open_integration(scope: Scope, store: Store, row: Row) -> Mapping[str, Any]:
    if row["sealed"] is None:
        return {}
    box = await store.box(scope)
    place = _place(scope, row["unified_api"], row["service_id"], row["generation"])
    opened: Mapping[str, Any] = msgspec.json.decode(box.open(place, row["sealed"]))
    return opened


def _place(scope: Scope, unified_api: str, service_id: str, generation: int) -> Place:
    return Place("integrations", "sealed", scope.application_id, (unified_api, service_id), generation)


def _integration_key(scope: Scope, unified_api: str, service_id: str) -> dict[str, str]:
    return {"application_id": scope.application_id, "unified_api": unified_api, "service_id": service_id}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
