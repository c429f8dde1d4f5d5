"""What a grant needs to know of a subject, and what it may be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from holdfast.domain.connection import Connection
from holdfast.domain.credential import Client, OAuthToken, Secret
from holdfast.domain.form import check_urls, texts
from holdfast.errors import ConnectorCredentialsError
from holdfast.grants.authorize import manifest_scopes
from holdfast.grants.flow import Setup
from holdfast.usecases.subject import Subject
from holdfast.usecases.vault import Vault


def setup(vault: Vault, subject: Subject, settings: Mapping[str, Any] | None = None) -> Setup:
    """The subject's set-up without a credential. `settings` stand in for the stored ones."""
    connector, integration = subject.connector, subject.integration
    if settings is None:
        settings = subject.connection.settings if subject.connection else {}
    values = texts(connector, settings)
    client = _client(subject, values)
    app = {id: secret.reveal() for id, secret in integration.settings.items()}
    now = vault.clock.now()
    known = Setup(
        connector=connector,
        hosts=vault.catalog.allowed_hosts(connector),
        client=client,
        values={
            "settings": values,
            "app": {s.id: s.default for s in connector.at("integration") if s.default} | app,
            "cred": _client_values(client),
            "sys": {"now": str(now // 1000), "now_ms": str(now), "uuid": str(uuid4())},
        },
        scopes=integration.scopes,
    )
    if connector.auth.oauth is None or known.scopes is not None:
        return known
    return replace(known, scopes=manifest_scopes(known, subject.unified_api))


def with_token(known: Setup, token: OAuthToken | None) -> Setup:
    """`known` with a credential, for calls to the service."""
    if token is None:
        return known
    held = {"access_token": token.access_token, "refresh_token": token.refresh_token}
    return known.having(cred={name: secret.reveal() for name, secret in held.items() if secret})


def check_captured(vault: Vault, subject: Subject, captured: Mapping[str, str]) -> None:
    """What the provider or the browser filled in may lead only to hosts of the service. ConnectionSettingsError."""
    stored = subject.connection.settings if subject.connection else {}
    check_urls(subject.connector, {**stored, **captured}, vault.catalog.allowed_hosts(subject.connector))


def require_grant(subject: Subject) -> Connection:
    """The subject's connection. ConnectorCredentialsError unless it has a grant."""
    if subject.connection is None or subject.connection.grant is None:
        raise ConnectorCredentialsError()
    return subject.connection


def _client(subject: Subject, settings: Mapping[str, str]) -> Client | None:
    oauth = subject.connector.auth.oauth
    if oauth is None or oauth.client.source == "integration":
        return subject.integration.client
    id, secret = settings.get("client_id"), settings.get("client_secret")
    return Client(id, Secret(secret) if secret else None) if id else None


def _client_values(client: Client | None) -> dict[str, str]:
    if client is None:
        return {}
    secret = client.client_secret
    return {"client_id": client.client_id} | ({"client_secret": secret.reveal()} if secret else {})
