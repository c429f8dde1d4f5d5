"""Connections: seen, added, changed, imported and deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from holdfast.domain.connection import Connection, State, connected, has_credentials, state
from holdfast.domain.credential import OAuthToken, Secret
from holdfast.domain.form import check_urls, merge, take
from holdfast.domain.tenancy import ConsumerScope, Scope
from holdfast.errors import (
    ConnectionNotFoundError,
    ConnectorCredentialsError,
    InvalidStateError,
    ProviderError,
    RequestValidationError,
)
from holdfast.grants.call import Verdict, verify
from holdfast.store import Store, connections, flows, tenants
from holdfast.store.connections import Change, Stored
from holdfast.usecases import revocations
from holdfast.usecases.credential.complete import complete
from holdfast.usecases.credential.exchange import exchange
from holdfast.usecases.credential.use import try_out
from holdfast.usecases.subject import Held, Subject, every_integration, find_enabled, find_subject, with_connection
from holdfast.usecases.validate import VALIDATIONS
from holdfast.usecases.vault import Vault

METADATA_LIMIT = 65_536
DEFAULTS_LIMIT = 200


class Patch(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller wants changed; what is UNSET stays."""

    enabled: bool | UnsetType = UNSET
    settings: Mapping[str, Any] | None | UnsetType = UNSET
    metadata: Mapping[str, Any] | None | UnsetType = UNSET
    configuration: Mapping[str, Sequence[Mapping[str, Any]]] | UnsetType = UNSET


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that was made elsewhere."""

    token: OAuthToken | None = None
    settings: Mapping[str, Any] = {}
    metadata: Mapping[str, Any] | None | UnsetType = UNSET


async def one(scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str) -> Subject:
    """The subject with the consumer's connection, if there is one."""
    return await with_connection(scope, vault, await find_subject(scope, vault, unified_api, service_id))


async def every(scope: Scope, vault: Vault, unified_api: str | None, configured: bool | None) -> list[Subject]:
    """All integrations that are switched on, each with the connection of the scope's consumer, if it has one.

    `unified_api` keeps one API's, `configured` those with (True) or without (False) a connection.
    """
    held = await connections.of_consumer(scope, vault.store) if isinstance(scope, ConsumerScope) else {}
    found = []
    for (api, service_id), integration in (await every_integration(scope, vault)).items():
        wanted = integration.enabled and unified_api in (None, api)
        if wanted and vault.catalog.offers(api, service_id):
            connector = vault.catalog.get(api, service_id)
            found.append(Subject(api, connector, integration, held.get((api, service_id))))
    return [s for s in found if configured is None or configured == (s.connection is not None)]


async def add(scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str, patch: Patch) -> Subject:
    """Creates the connection, enabled unless the patch says otherwise; an existing one is updated."""
    if patch.enabled is UNSET:
        patch = replace(patch, enabled=True)
    return await update(scope, vault, unified_api, service_id, patch)


async def update(scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str, patch: Patch) -> Subject:
    """Applies `patch` to the connection, which is created if need be.

    New settings of a connector that can be asked whether they work are tried first; credentials that the service
    refuses make the connection `invalid`. ConnectionSettingsError for settings that do not fit.
    """
    subject = await with_connection(scope, vault, await find_enabled(scope, vault, unified_api, service_id))
    if patch == Patch() and subject.connection:
        return subject
    tried = _patched(scope, vault, subject, subject.connection, patch)
    verdict = await _verdict(scope, vault, subject, tried)

    def decide(before: Connection | None) -> Change:
        after = _patched(scope, vault, subject, before, patch)
        if verdict is not None and after.same_settings(tried):
            after = replace(after, validation=VALIDATIONS[verdict])
        return Change(after)

    async def end_flows(tx: Store, held: Stored | None) -> None:
        if patch.enabled is False:
            await flows.end(scope, tx, unified_api, service_id)

    before, after = await connections.change(scope, vault.store, subject.connector, unified_api, decide, end_flows)
    assert after is not None  # a patch deletes nothing
    held = subject.holding(after)
    return await complete(scope, vault, held) if _has_new_credentials(before, held) else held


async def import_(scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str, given: Import) -> Subject:
    """Creates or replaces the connection with credentials obtained elsewhere; they count as confirmed."""
    subject = await find_enabled(scope, vault, unified_api, service_id)
    if given.token is not None and subject.connector.auth.oauth is None:
        raise InvalidStateError("This connector takes its credentials as settings, not as tokens.")

    consent = 0

    def decide(before: Connection | None) -> Change | None:
        if consent and before is not None and before.consent > consent:
            return None  # one that was given later is stored already
        connection = before or connections.blank(scope, unified_api, service_id)
        after = take(subject.connector, connection, given.settings, vault.store.masks)
        check_urls(subject.connector, after, vault.catalog.allowed_hosts(subject.connector))
        after = replace(
            after,
            enabled=True,
            validation=connection.validation if after.same_settings(connection) else None,
            metadata=_metadata(connection.metadata, given.metadata),
        )
        if given.token is None:
            return Change(after)
        return Change(connected(after, given.token, vault.clock.now(), consent), given.token)

    if given.token is not None:
        # What is refused leaves nothing behind, not a number either.
        decide(await connections.one(scope, vault.store, unified_api, service_id))
        consent = await tenants.number_consent(scope, vault.store)
    _, after = await connections.change(scope, vault.store, subject.connector, unified_api, decide)
    assert after is not None  # an import deletes nothing
    held = subject.holding(after)
    return await complete(scope, vault, held) if has_credentials(after, subject.connector) else held


async def delete(scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str) -> None:
    """Deletes the connection with all it holds, and ends its grant at the provider. ConnectionNotFoundError."""
    subject = await find_subject(scope, vault, unified_api, service_id)

    def decide(before: Connection | None) -> Change:
        if before is None:
            raise ConnectionNotFoundError("connection", f"{unified_api}+{service_id}")
        return Change(None, None)

    await revocations.drop_grant(scope, vault, subject, decide)


async def token(scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str) -> Subject:
    """Exchanges the connection's stored credentials for an access token and stores it."""
    return await exchange(scope, vault, await find_enabled(scope, vault, unified_api, service_id))


def state_of(vault: Vault, about: Subject) -> State:
    """The subject's `state` as of now."""
    return state(about.connection, about.connector, vault.clock.now())


def _patched(
    scope: ConsumerScope, vault: Vault, subject: Subject, before: Connection | None, patch: Patch
) -> Connection:
    connection = before or replace(
        connections.blank(scope, subject.unified_api, subject.connector.id), enabled=patch.enabled is not False
    )
    after = connection
    if patch.settings is not UNSET and patch.settings is not None:
        after = merge(subject.connector, connection, patch.settings, vault.store.masks)
        check_urls(subject.connector, after, vault.catalog.allowed_hosts(subject.connector))
    return replace(
        after,
        enabled=connection.enabled if patch.enabled is UNSET else patch.enabled,
        pending_until=0 if patch.enabled is False else after.pending_until,
        validation=connection.validation if after.same_settings(connection) else None,
        metadata=_metadata(connection.metadata, patch.metadata),
        configuration=_configuration(connection.configuration, patch.configuration),
    )


def _has_new_credentials(before: Connection | None, held: Held) -> bool:
    """Whether a form was filled in that connects by itself, without a grant."""
    after, connector = held.connection, held.connector
    if connector.auth.oauth is not None or not after.enabled or after.validation == "failed":
        return False
    return (before is None or not after.same_settings(before)) and has_credentials(after, connector)


def _metadata(stored: Mapping[str, Any], sent: Mapping[str, Any] | None | UnsetType) -> Mapping[str, Any]:
    """Merged by key: clients that lose the member's content send `{}`, which must clear nothing; null clears."""
    if sent is UNSET or sent == {}:
        return stored
    kept = {"company_id": stored["company_id"]} if "company_id" in stored else {}
    merged = dict(kept) if sent is None else {**stored, **sent, **kept}
    if len(msgspec.json.encode(merged)) > METADATA_LIMIT:
        raise RequestValidationError("metadata is larger than 64 KiB.")
    return merged


def _configuration(
    stored: Mapping[str, Any], sent: Mapping[str, Sequence[Mapping[str, Any]]] | UnsetType
) -> Mapping[str, Any]:
    if sent is UNSET:
        return stored
    if any(len(defaults) > DEFAULTS_LIMIT for defaults in sent.values()) or len({**stored, **sent}) > DEFAULTS_LIMIT:
        raise RequestValidationError(f"configuration holds at most {DEFAULTS_LIMIT} resources and defaults.")
    return {**stored, **sent}


async def _verdict(scope: ConsumerScope, vault: Vault, subject: Subject, tried: Connection) -> Verdict | None:
    """What the service says of new settings; None if there is nothing new to ask about."""
    before = subject.connection
    if subject.connector.auth.oauth is not None or subject.connector.verify is None:
        return None
    unchanged = tried.same_settings(before) if before else not (tried.settings or tried.secrets)
    if unchanged or not tried.enabled or not has_credentials(tried, subject.connector):
        return None
    try:
        return await try_out(scope, vault, subject, tried, verify)
    except ProviderError:
        return "unknown"
    except ConnectorCredentialsError:  # what is kept beside the new ones does not open; it must not keep them out
        return None


def imported_token(
    access_token: str | None, refresh_token: str | None, issued_at: int, expires_at: int | None
) -> OAuthToken | None:
    """A token from elsewhere; times are ms. Without an access token, or without a lifetime, it is refreshed first."""
    if not access_token and not refresh_token:
        return None
    return OAuthToken(
        access_token=Secret(access_token) if access_token else None,
        refresh_token=Secret(refresh_token) if refresh_token else None,
        issued_at=issued_at,
        expires_at=expires_at,
    )
