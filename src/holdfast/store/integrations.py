"""Integrations: connectors that an application has set up, as facts, and the secrets that are sealed apart from them.

Facts tell what there is (a client, a secret, settings) without opening anything; `unseal` opens what is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from holdfast.domain.credential import Client, Secret
from holdfast.domain.tenancy import Integration, IntegrationSecrets, Scope
from holdfast.errors import ConflictError
from holdfast.store import Store
from holdfast.store.engine.database import Row
from holdfast.store.seal.envelope import Place

_ONE = "application_id = :application_id AND unified_api = :unified_api AND service_id = :service_id"
_FACTS = """
SELECT unified_api, service_id, enabled, client_id, has_client_secret, scopes, settings_set, version, generation
FROM integrations"""
_OF_APPLICATION = f"{_FACTS} WHERE application_id = :application_id ORDER BY unified_api, service_id"
_READ = f"{_FACTS} WHERE {_ONE}"
_SEALED = f"SELECT unified_api, service_id, client_id, sealed, generation FROM integrations WHERE {_ONE}"
_ADD = """
INSERT INTO integrations (application_id, unified_api, service_id, enabled, client_id, has_client_secret, scopes,
  settings_set, sealed, generation, version, created_at, updated_at)
VALUES (:application_id, :unified_api, :service_id, :enabled, :client_id, :has_client_secret, :scopes,
  :settings_set, :sealed, :generation, :now, :now, :now)
ON CONFLICT (application_id, unified_api, service_id) DO NOTHING"""
_UPDATE = f"""
UPDATE integrations SET enabled = :enabled, client_id = :client_id, has_client_secret = :has_client_secret,
  scopes = :scopes, settings_set = :settings_set, generation = :generation, version = version + 1, updated_at = :now,
  sealed = CASE WHEN :keeps_sealed THEN sealed ELSE :sealed END
WHERE {_ONE} AND version = :version"""
_DELETE = f"DELETE FROM integrations WHERE {_ONE}"


async def put(scope: Scope, store: Store, integration: Integration, secrets: IntegrationSecrets | None) -> Integration:
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
        _UPDATE if before else _ADD,
        **_key(scope, told.unified_api, told.service_id),
        enabled=told.enabled,
        client_id=told.client_id,
        has_client_secret=told.has_client_secret,
        scopes=_json(told.scopes) if told.scopes is not None else None,
        settings_set=_json(sorted(told.settings_set)),
        sealed=await _seal(scope, store, told, secrets) if secrets else None,
        generation=told.generation,
        now=now,
        **({"keeps_sealed": secrets is None, "version": before} if before else {}),
    )
    if not written:
        raise ConflictError()
    return replace(told, version=before + 1 if before else now)


async def of_application(scope: Scope, store: Store) -> dict[tuple[str, str], Integration]:
    """The application's integrations by (unified_api, service_id)."""
    rows = await store.q.all(_OF_APPLICATION, application_id=scope.application_id)
    return {(row["unified_api"], row["service_id"]): _integration(scope, row) for row in rows}


async def one(scope: Scope, store: Store, unified_api: str, service_id: str) -> Integration | None:
    """The integration, or None."""
    row = await store.q.one(_READ, **_key(scope, unified_api, service_id))
    return _integration(scope, row) if row else None


async def unseal(scope: Scope, store: Store, unified_api: str, service_id: str) -> IntegrationSecrets | None:
    """The application's OAuth client and settings for a connector, opened; None if it has not set it up.

    IntegrityError if they do not open.
    """
    row = await store.q.one(_SEALED, **_key(scope, unified_api, service_id))
    if row is None:
        return None
    opened = await _open(scope, store, row)
    secret = opened.get("client_secret")
    return IntegrationSecrets(
        client=Client(row["client_id"], Secret(secret) if secret else None) if row["client_id"] else None,
        settings={id: Secret(value) for id, value in opened.get("settings", {}).items()},
    )


async def delete(scope: Scope, store: Store, unified_api: str, service_id: str) -> bool:
    return await store.q.run(_DELETE, **_key(scope, unified_api, service_id)) > 0


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


async def _seal(scope: Scope, store: Store, integration: Integration, secrets: IntegrationSecrets) -> bytes:
    secret = secrets.client.client_secret if secrets.client else None
    members: dict[str, Any] = {"settings": {id: value.reveal() for id, value in secrets.settings.items()}}
    if secret:
        members["client_secret"] = secret.reveal()
    box = await store.box(scope)
    named = integration.unified_api, integration.service_id, integration.client_id
    return box.seal(_place(scope, *named, integration.generation), msgspec.json.encode(members))


async def _open(scope: Scope, store: Store, row: Row) -> Mapping[str, Any]:
    if row["sealed"] is None:
        return {}
    box = await store.box(scope, row["sealed"])
    place = _place(scope, row["unified_api"], row["service_id"], row["client_id"], row["generation"])
    opened: Mapping[str, Any] = msgspec.json.decode(box.open(place, row["sealed"]))
    return opened


def _place(scope: Scope, unified_api: str, service_id: str, client_id: str | None, generation: int) -> Place:
    """The client's id is bound too: its secret never goes out with another one."""
    ids = (unified_api, service_id, "" if client_id is None else f"={client_id}")
    return Place("integrations", "sealed", scope.application_id, ids, generation)


def _key(scope: Scope, unified_api: str, service_id: str) -> dict[str, str]:
    return {"application_id": scope.application_id, "unified_api": unified_api, "service_id": service_id}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
