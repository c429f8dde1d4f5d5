"""A connection's columns, and what is sealed in three of them.

`settings` are those that answers may show; `secrets` those that they may not; `credential` is the OAuth token. Each is
sealed apart, so that telling a connection opens no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from holdfast.domain.connection import Connection, Grant, RefreshFailure
from holdfast.domain.credential import Credential, OAuthToken, Sealed, Secret
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import IntegrityError
from holdfast.store.engine.database import Row
from holdfast.store.seal.keyring import Box, Place

log = structlog.get_logger()

COLUMNS = (
    "enabled", "settings", "settings_generation", "masks", "secrets_generation", "metadata", "configuration", "choices",
    "credential_generation", "granted_at", "issued_at", "expires_at", "refreshable", "refresh_expires_at",
    "learned_life",
    "consent_state", "unreadable_at", "revoked_at", "pending_until", "validation", "failure", "retained_until",
    "last_downstream_error_at", "consent", "made_by", "updated_at",
)  # fmt: skip
# Nobody need write that a refresh token got no answer: whoever could have may be dead. Once it is said that none is
# held it is certain, although the request may still be on its way.
_UNRESOLVED = """EXISTS (SELECT 1 FROM presentations p
  WHERE p.connection_id = connections.id AND (p.settles_at <= :db_now OR p.outcome IS NOT NULL))"""
READ = ", ".join(("unified_api", "service_id", "id", *COLUMNS, "created_at", "version", f"{_UNRESOLVED} AS unresolved"))
KEY = """application_id = :application_id AND consumer_id = :consumer_id
  AND unified_api = :unified_api AND service_id = :service_id"""

_decode = msgspec.json.decode
_failure = msgspec.json.Decoder(RefreshFailure).decode
_secrets = msgspec.json.Decoder(dict[str, str]).decode


def key_of(scope: ConsumerScope, unified_api: str, service_id: str) -> dict[str, Any]:
    """What names a connection's row."""
    return {
        "application_id": scope.application_id,
        "consumer_id": scope.consumer_id,
        "unified_api": unified_api,
        "service_id": service_id,
    }


def sealed(row: Row) -> tuple[bytes, ...]:
    """What is opened to tell a connection."""
    return (row["settings"],) if row["settings"] else ()


def sealed_credential(row: Row) -> tuple[bytes, ...]:
    """What is opened to use it."""
    return tuple([blob for blob in (row["credential"], row["secrets"]) if blob])


def connection(scope: ConsumerScope, row: Row, box: Box) -> Connection:
    """The facts of `row`. Settings that do not open are told as none, of a connection that is `unreadable_at`."""
    settings, unreadable_at = _settings(scope, row, box), row["unreadable_at"]
    if settings is None:
        log.warning("damaged_connection", connection=row["id"])
        settings, unreadable_at = {}, unreadable_at or row["updated_at"] or row["created_at"]
    return Connection(
        id=row["id"],
        consumer_id=scope.consumer_id,
        unified_api=row["unified_api"],
        service_id=row["service_id"],
        enabled=bool(row["enabled"]),
        settings=settings,
        secrets={id: Sealed(digest) for id, digest in _decode(row["masks"]).items()} if row["masks"] else {},
        metadata=_decode(row["metadata"]) if row["metadata"] else {},
        configuration=_decode(row["configuration"]) if row["configuration"] else {},
        choices=_decode(row["choices"]) if row["choices"] else {},
        grant=_grant(row),
        consent_state=row["consent_state"],
        unreadable_at=unreadable_at,
        revoked_at=row["revoked_at"],
        pending_until=row["pending_until"],
        validation=row["validation"],
        failure=_failure(row["failure"]) if row["failure"] else None,
        retained_until=row["retained_until"],
        last_downstream_error_at=row["last_downstream_error_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
        settings_generation=row["settings_generation"],
        secrets_generation=row["secrets_generation"],
        credential_generation=row["credential_generation"],
        consent=row["consent"],
        made_by=row["made_by"],
        unresolved=bool(row["unresolved"]),
    )


def facts(scope: ConsumerScope, told: Connection, box: Box) -> dict[str, Any]:
    """The columns that hold the facts of `told`."""
    grant = told.grant
    return {
        "enabled": told.enabled,
        "settings": _sealed_settings(scope, told, box),
        "settings_generation": told.settings_generation,
        "masks": _json({id: s.digest for id, s in told.secrets.items() if isinstance(s, Sealed)}),
        "secrets_generation": told.secrets_generation,
        "metadata": _json(told.metadata),
        "configuration": _json(told.configuration),
        "choices": _json(told.choices),
        "credential_generation": told.credential_generation,
        "granted_at": grant.granted_at if grant else None,
        "issued_at": grant.issued_at if grant else None,
        "expires_at": grant.expires_at if grant else None,
        "refreshable": bool(grant and grant.refreshable),
        "refresh_expires_at": grant.refresh_expires_at if grant else None,
        "learned_life": grant.learned_life if grant else 0,
        "consent_state": told.consent_state,
        "unreadable_at": told.unreadable_at,
        "revoked_at": told.revoked_at,
        "pending_until": told.pending_until,
        "validation": told.validation,
        "failure": msgspec.json.encode(told.failure).decode() if told.failure else None,
        "retained_until": told.retained_until,
        "last_downstream_error_at": told.last_downstream_error_at,
        "consent": told.consent,
        "made_by": told.made_by,
        "updated_at": told.updated_at,
    }


def seal_token(scope: ConsumerScope, told: Connection, token: OAuthToken | None, box: Box) -> bytes | None:
    if token is None:
        return None
    place = _place(scope, told, "credential", told.credential_generation)
    return box.seal(place, msgspec.json.encode(token.dump()))


def seal_secrets(scope: ConsumerScope, told: Connection, secrets: Mapping[str, Secret], box: Box) -> bytes | None:
    if not secrets:
        return None
    plain = {id: secret.reveal() for id, secret in secrets.items()}
    return box.seal(_place(scope, told, "secrets", told.secrets_generation), msgspec.json.encode(plain))


def credential(scope: ConsumerScope, told: Connection, row: Row, box: Box) -> Credential:
    """What is sealed in `row`, opened. IntegrityError if it is not what was sealed for this very row."""
    token, secrets = row["credential"], row["secrets"]
    opened = box.open(_place(scope, told, "credential", told.credential_generation), token) if token else None
    plain = box.open(_place(scope, told, "secrets", told.secrets_generation), secrets) if secrets else b"{}"
    return Credential(
        token=OAuthToken.load(_decode(opened)) if opened else None,
        secrets={id: Secret(value) for id, value in _secrets(plain).items()},
    )


def _grant(row: Row) -> Grant | None:
    if row["granted_at"] is None:
        return None
    return Grant(
        granted_at=row["granted_at"],
        issued_at=row["issued_at"],
        expires_at=row["expires_at"],
        refreshable=bool(row["refreshable"]),
        refresh_expires_at=row["refresh_expires_at"],
        learned_life=row["learned_life"],
    )


def _sealed_settings(scope: ConsumerScope, told: Connection, box: Box) -> bytes | None:
    if not told.settings:
        return None
    place = _place(scope, told, "settings", told.settings_generation)
    return box.seal(place, msgspec.json.encode(dict(told.settings)))


def _settings(scope: ConsumerScope, row: Row, box: Box) -> Mapping[str, Any] | None:
    sealed = row["settings"]
    if not sealed:
        return {}
    ids = (scope.consumer_id, row["unified_api"], row["service_id"], row["id"])
    place = Place("connections", "settings", scope.application_id, ids, row["settings_generation"])
    try:
        opened: Mapping[str, Any] = _decode(box.open(place, sealed))
    except IntegrityError:
        return None
    return opened


def _place(scope: ConsumerScope, told: Connection, column: str, generation: int) -> Place:
    """All that the row says of whose it is. Its own random id tells it from one that is made anew in its place."""
    ids = (scope.consumer_id, told.unified_api, told.service_id, told.id)
    return Place("connections", column, scope.application_id, ids, generation)


def _json(value: Mapping[str, Any]) -> str | None:
    return msgspec.json.encode(dict(value)).decode() if value else None
