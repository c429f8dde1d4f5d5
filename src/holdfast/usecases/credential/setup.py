"""What a grant needs to know of a subject, and what it may be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

from holdfast.domain.connection import Connection, filled
from holdfast.domain.credential import Client, Credential, Secret
from holdfast.domain.form import check_urls, texts
from holdfast.domain.tenancy import IntegrationSecrets, Scope
from holdfast.grants.authorize import manifest_scopes
from holdfast.grants.flow import Setup
from holdfast.usecases.subject import Subject, secrets_of
from holdfast.usecases.vault import Vault


async def setup(scope: Scope, vault: Vault, subject: Subject) -> Setup:
    """The subject's set-up without a credential: the application's secrets are in it, none of the consumer is."""
    return _setup(vault, subject, await secrets_of(scope, vault, subject))


async def setup_with(scope: Scope, vault: Vault, subject: Subject, credential: Credential) -> Setup:
    """The subject's set-up with an opened credential: its secret settings, its OAuth client, its token.

    Secrets that the subject's connection has and that are not stored yet take the place of stored ones.
    """
    opened = await secrets_of(scope, vault, subject)
    known = _setup(vault, subject, opened)
    given = subject.connection.secrets if subject.connection else {}
    secrets = {**credential.secrets, **{id: value for id, value in given.items() if isinstance(value, Secret)}}
    client = _client(subject, opened, known.values["settings"], secrets)
    shown = {id: secret.reveal() for id, secret in secrets.items()}
    return replace(known, client=client).having(settings=shown, cred=_client_values(client) | _tokens(credential))


def _setup(vault: Vault, subject: Subject, opened: IntegrationSecrets) -> Setup:
    connector = subject.connector
    values = texts(connector, subject.connection.settings if subject.connection else {})
    client = _client(subject, opened, values, {})
    app = {id: secret.reveal() for id, secret in opened.settings.items()}
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
        scopes=subject.integration.scopes,
    )
    if connector.auth.oauth is None or known.scopes is not None:
        return known
    return replace(known, scopes=manifest_scopes(known, subject.unified_api))


def check_filled(vault: Vault, subject: Subject, found: Mapping[str, str]) -> None:
    """What the provider or the browser filled in may lead only to hosts of the service. ConnectionSettingsError."""
    base = subject.connection or Connection("", "", subject.unified_api, subject.connector.id)
    changed = filled(base, subject.connector, found)
    check_urls(subject.connector, changed, vault.catalog.allowed_hosts(subject.connector))


def _client(
    subject: Subject, opened: IntegrationSecrets, settings: Mapping[str, str], secrets: Mapping[str, Secret]
) -> Client | None:
    oauth = subject.connector.auth.oauth
    if oauth is None or oauth.client.source == "integration":
        return opened.client
    id, secret = settings.get("client_id"), settings.get("client_secret")
    return Client(id, secrets.get("client_secret") or (Secret(secret) if secret else None)) if id else None


def _client_values(client: Client | None) -> dict[str, str]:
    if client is None:
        return {}
    secret = client.client_secret
    return {"client_id": client.client_id} | ({"client_secret": secret.reveal()} if secret else {})


def _tokens(credential: Credential) -> dict[str, str]:
    token = credential.token
    held = {"access_token": token.access_token, "refresh_token": token.refresh_token} if token else {}
    return {name: secret.reveal() for name, secret in held.items() if secret}
