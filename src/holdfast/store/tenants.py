"""Applications, their API keys and integrations, and their consumers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from holdfast.domain.credential import Client, Secret
from holdfast.domain.tenancy import (
    EVERYWHERE,
    ApiKey,
    Application,
    Bounds,
    ConsumerScope,
    Integration,
    IntegrationSecrets,
    Scope,
)
from holdfast.errors import ConflictError, EntityNotFoundError
from holdfast.store import Store
from holdfast.store.engine.database import Row
from holdfast.store.seal.keyring import Place

_ADD_APPLICATION = """
INSERT INTO applications (id, name, redirect_uris, confirmation, created_at, version)
VALUES (:id, :name, :redirect_uris, :confirmation, :created_at, 1)"""
_APPLICATION = "SELECT * FROM applications WHERE id = :application_id"
_APPLICATIONS = "SELECT * FROM applications ORDER BY created_at, id"
_UPDATE_APPLICATION = """
UPDATE applications SET name = :name, redirect_uris = :redirect_uris, confirmation = :confirmation,
  version = version + 1
WHERE id = :application_id AND version = :version"""
_DELETE_APPLICATION = "DELETE FROM applications WHERE id = :application_id"

_ADD_KEY = """
INSERT INTO api_keys (id, application_id, mac, scopes, bounds, last_four, created_at)
VALUES (:id, :application_id, :mac, :scopes, :bounds, :last_four, :created_at)"""
_KEY = "SELECT * FROM api_keys WHERE mac = :mac"
_KEYS = "SELECT * FROM api_keys WHERE application_id = :application_id ORDER BY created_at, id"
_DELETE_KEY = "DELETE FROM api_keys WHERE application_id = :application_id AND id = :id"

_ONE = "application_id = :application_id AND unified_api = :unified_api AND service_id = :service_id"
_FACTS = """
SELECT unified_api, service_id, enabled, client_id, has_client_secret, scopes, settings_set, version, generation
FROM integrations"""
_INTEGRATIONS = f"{_FACTS} WHERE application_id = :application_id ORDER BY unified_api, service_id"
_INTEGRATION = f"{_FACTS} WHERE {_ONE}"
_SEALED = f"SELECT unified_api, service_id, client_id, sealed, generation FROM integrations WHERE {_ONE}"
_ADD_INTEGRATION = """
INSERT INTO integrations (application_id, unified_api, service_id, enabled, client_id, has_client_secret, scopes,
  settings_set, sealed, generation, version, created_at, updated_at)
VALUES (:application_id, :unified_api, :service_id, :enabled, :client_id, :has_client_secret, :scopes,
  :settings_set, :sealed, :generation, :now, :now, :now)
ON CONFLICT (application_id, unified_api, service_id) DO NOTHING"""
_UPDATE_INTEGRATION = f"""
UPDATE integrations SET enabled = :enabled, client_id = :client_id, has_client_secret = :has_client_secret,
  scopes = :scopes, settings_set = :settings_set, generation = :generation, version = version + 1, updated_at = :now,
  sealed = CASE WHEN :keeps_sealed THEN sealed ELSE :sealed END
WHERE {_ONE} AND version = :version"""
_DELETE_INTEGRATION = f"DELETE FROM integrations WHERE {_ONE}"

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
        bounds=_bounds(key.bounds),
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


async def put_integration(
    scope: Scope, store: Store, integration: Integration, secrets: IntegrationSecrets | None
) -> Integration:
    """Stores a change of what was read, or a new integration (of version 0); call it inside a transaction.

    `secrets` are sealed in place of those that are stored; None leaves those unopened. Gives the integration as it is
    stored. ConflictError if somebody else's change came first.
    """
    now = store.clock.now()
    before = integration.version
    told = (
        _with_secrets(integration, secrets, integration.generation + 1 if before else now) if secrets else integration
    )
    written = await store.q.run(
        _UPDATE_INTEGRATION if before else _ADD_INTEGRATION,
        **_integration_key(scope, told.unified_api, told.service_id),
        enabled=told.enabled,
        client_id=told.client_id,
        has_client_secret=told.has_client_secret,
        scopes=_json(told.scopes) if told.scopes is not None else None,
        settings_set=_json(sorted(told.settings_set)),
        sealed=await _seal_integration(scope, store, told, secrets) if secrets else None,
        generation=told.generation,
        now=now,
        **({"keeps_sealed": secrets is None, "version": before} if before else {}),
    )
    if not written:
        raise ConflictError()
    return replace(told, version=before + 1 if before else now)


async def integrations(scope: Scope, store: Store) -> dict[tuple[str, str], Integration]:
    """The application's integrations by (unified_api, service_id)."""
    rows = await store.q.all(_INTEGRATIONS, application_id=scope.application_id)
    return {(row["unified_api"], row["service_id"]): _integration(scope, row) for row in rows}


async def integration(scope: Scope, store: Store, unified_api: str, service_id: str) -> Integration | None:
    row = await store.q.one(_INTEGRATION, **_integration_key(scope, unified_api, service_id))
    return _integration(scope, row) if row else None


async def open_integration(scope: Scope, store: Store, unified_api: str, service_id: str) -> IntegrationSecrets | None:
    """The application's OAuth client and settings for a connector, opened; None if it has not set it up.

    IntegrityError if they do not open.
    """
    row = await store.q.one(_SEALED, **_integration_key(scope, unified_api, service_id))
    if row is None:
        return None
    opened = await _open_integration(scope, store, row)
    secret = opened.get("client_secret")
    return IntegrationSecrets(
        client=Client(row["client_id"], Secret(secret) if secret else None) if row["client_id"] else None,
        settings={id: Secret(value) for id, value in opened.get("settings", {}).items()},
    )


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
        version=row["version"],
    )


def _key(row: Row) -> ApiKey:
    return ApiKey(
        id=row["id"],
        application_id=row["application_id"],
        scopes=tuple(msgspec.json.decode(row["scopes"])),
        last_four=row["last_four"],
        created_at=row["created_at"],
        bounds=msgspec.json.decode(row["bounds"], type=Bounds) if row["bounds"] else EVERYWHERE,
    )


def _bounds(bounds: Bounds) -> str | None:
    return None if bounds == EVERYWHERE else msgspec.json.encode(bounds, order="deterministic").decode()


def _integration(scope: Scope, row: Row) -> Integration:
    return Integration(
        application_id=scope.application_id,
        unified_api=row["unified_api"],
        service_id=row["service_id"],
        enabled=bool(row["enabled"]),
        client_id=row["client_id"],
        has_client_secret=bool(row["has_client_secret"]),
        scopes=tuple(msgspec.json.decode(row["scopes"])) if row["scopes"] is not None else None,
        settings_set=frozenset(msgspec.json.decode(row["settings_set"])),
        version=row["version"],
        generation=row["generation"],
    )


def _with_secrets(integration: Integration, secrets: IntegrationSecrets, generation: int) -> Integration:
    """The facts that `secrets` make true once they are sealed."""
    client = secrets.client
    return replace(
        integration,
        client_id=client.client_id if client else None,
        has_client_secret=bool(client and client.client_secret),
        settings_set=frozenset(secrets.settings),
        generation=generation,
    )


async def _seal_integration(
    scope: Scope, store: Store, integration: Integration, secrets: IntegrationSecrets
) -> bytes | None:
    secret = secrets.client.client_secret if secrets.client else None
    members: dict[str, Any] = {"settings": {id: value.reveal() for id, value in secrets.settings.items()}}
    if secret:
        members["client_secret"] = secret.reveal()
    box = await store.box(scope)
    place = _place(scope, integration.unified_api, integration.service_id, integration.generation)
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
