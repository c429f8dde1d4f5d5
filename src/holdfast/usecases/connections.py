"""Connections: seen, added, changed, imported, deleted, and what can be set for their resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from holdfast.domain.connection import Connection, State, connected, has_credentials, state
from holdfast.domain.credential import OAuthToken, Secret
from holdfast.domain.form import check_urls, merge, take
from holdfast.domain.manifest.connector import Option, ResourceField
from holdfast.domain.tenancy import Scope
from holdfast.errors import (
    ConnectionNotFoundError,
    EntityNotFoundError,
    InvalidStateError,
    ProviderError,
    RequestValidationError,
)
from holdfast.grants.call import Verdict, verify
from holdfast.grants.flow import drive
from holdfast.grants.listing import CustomField, custom_fields, options
from holdfast.store import connections
from holdfast.store.connections import Change
from holdfast.usecases import revocations
from holdfast.usecases.credential import use as credentials
from holdfast.usecases.credential.redeem import complete
from holdfast.usecases.credential.setup import setup
from holdfast.usecases.subject import Subject, integrations, require_enabled, subject
from holdfast.usecases.vault import Vault

VALIDATIONS: Mapping[Verdict, Literal["ok", "failed"] | None] = {"ok": "ok", "invalid": "failed", "unknown": None}
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


async def one(scope: Scope, vault: Vault, unified_api: str, service_id: str) -> Subject:
    """The subject with the consumer's connection, if there is one."""
    found = await subject(scope, vault, unified_api, service_id)
    return found.holding(await connections.one(scope, vault.store, unified_api, service_id))


async def every(scope: Scope, vault: Vault, unified_api: str | None, configured: bool | None) -> list[Subject]:
    """All integrations that are switched on, each with the consumer's connection.

    `unified_api` keeps one API's, `configured` those with (True) or without (False) a connection.
    """
    held = await connections.of_consumer(scope, vault.store) if scope.consumer_id else {}
    found = []
    for (api, service_id), integration in (await integrations(scope, vault)).items():
        wanted = integration.enabled and unified_api in (None, api)
        if wanted and vault.catalog.offers(api, service_id):
            connector = vault.catalog.get(api, service_id)
            found.append(Subject(api, connector, integration, held.get((api, service_id))))
    return [s for s in found if configured is None or configured == (s.connection is not None)]


async def add(scope: Scope, vault: Vault, unified_api: str, service_id: str, patch: Patch) -> Subject:
    """Creates the connection, enabled unless the patch says otherwise; an existing one is updated."""
    if patch.enabled is UNSET:
        patch = msgspec.structs.replace(patch, enabled=True)
    return await update(scope, vault, unified_api, service_id, patch)


async def update(scope: Scope, vault: Vault, unified_api: str, service_id: str, patch: Patch) -> Subject:
    """Applies `patch` to the connection, which is created if need be.

    New settings of a connector that can be asked whether they work are tried first; credentials that the service
    refuses make the connection `invalid`. ConnectionSettingsError for settings that do not fit.
    """
    about = await one(scope, vault, unified_api, service_id)
    require_enabled(about)
    if patch == Patch() and about.connection:
        return about
    tried = _patched(scope, vault, about, about.connection, patch)
    verdict = await _verdict(vault, about, tried)

    def decide(before: Connection | None) -> Change:
        after = _patched(scope, vault, about, before, patch)
        if verdict is not None and after.settings == tried.settings:
            after = replace(after, validation=VALIDATIONS[verdict])
        return Change(after)

    _, after = await connections.change(scope, vault.store, about.connector, unified_api, decide)
    return about.holding(after)


async def import_(scope: Scope, vault: Vault, unified_api: str, service_id: str, given: Import) -> Subject:
    """Creates or replaces the connection with credentials obtained elsewhere; they count as confirmed."""
    about = await one(scope, vault, unified_api, service_id)
    require_enabled(about)
    if given.token is not None and about.connector.auth.oauth is None:
        raise InvalidStateError("This connector takes its credentials as settings, not as tokens.")

    def decide(before: Connection | None) -> Change:
        connection = before or connections.blank(scope, unified_api, service_id)
        settings = take(about.connector, connection.settings, given.settings)
        check_urls(about.connector, settings, vault.catalog.allowed_hosts(about.connector))
        after = replace(
            connection,
            enabled=True,
            settings=settings,
            validation=connection.validation if settings == connection.settings else None,
            metadata=_metadata(connection.metadata, given.metadata),
        )
        if given.token is None:
            return Change(after)
        return Change(connected(after, given.token, {}, vault.clock.now()), given.token)

    _, after = await connections.change(scope, vault.store, about.connector, unified_api, decide)
    return about.holding(after)


async def delete(scope: Scope, vault: Vault, unified_api: str, service_id: str) -> None:
    """Deletes the connection with all it holds, and ends its grant at the provider. ConnectionNotFoundError."""
    about = await subject(scope, vault, unified_api, service_id)

    def decide(before: Connection | None) -> Change:
        if before is None:
            raise ConnectionNotFoundError("connection", f"{unified_api}+{service_id}")
        return Change(None, None)

    await revocations.drop_grant(scope, vault, about, decide)


async def token(scope: Scope, vault: Vault, unified_api: str, service_id: str) -> Subject:
    """Exchanges the connection's stored credentials for an access token and stores it."""
    about = await one(scope, vault, unified_api, service_id)
    require_enabled(about)
    if about.connection is None:
        raise ConnectionNotFoundError("connection", f"{unified_api}+{service_id}")
    return await complete(scope, vault, await credentials.exchange(scope, vault, about))


async def validate(scope: Scope, vault: Vault, unified_api: str, service_id: str) -> Subject:
    """Tries the connection's credentials: a forced renewal for OAuth, the connector's verification otherwise.

    A provider that renews no token before its time is asked with the one there is.
    """
    about = await one(scope, vault, unified_api, service_id)
    require_enabled(about)
    tried = about.connection
    if tried is None or not has_credentials(tried, about.connector):
        return about
    if tried.grant and tried.grant.refreshable and credentials.renews_early(about.connector):
        about, _ = await credentials.usable(scope, vault, about, "validate", force=True)
        return about
    verdict = await _verified(scope, vault, about)

    def decide(before: Connection | None) -> Change | None:
        if before is None or verdict == "unknown" or not before.same_consent(tried):
            return None
        return Change(replace(before, validation=VALIDATIONS[verdict])) if before.settings == tried.settings else None

    _, after = await connections.change(scope, vault.store, about.connector, unified_api, decide)
    return about.holding(after)


async def resource_form(
    scope: Scope, vault: Vault, unified_api: str, service_id: str, resource: str
) -> tuple[Subject, list[tuple[ResourceField, tuple[Option, ...]]]]:
    """The form of a resource's defaults, its selects filled from the consumer's account.

    EntityNotFoundError if the resource has no such form, InvalidStateError if the connection is not authorized.
    """
    about = await one(scope, vault, unified_api, service_id)
    fields = _form(about, resource)
    _require_authorized(about)
    try:
        return about, [(field, await _choices(scope, vault, about, field)) for field in fields]
    except ProviderError as error:
        # The form in which published components look for the reason.
        error.detail = {"error": [{"message": str(error.detail)}]}
        raise


async def update_resource(
    scope: Scope,
    vault: Vault,
    unified_api: str,
    service_id: str,
    resource: str,
    defaults: Sequence[Mapping[str, Any]] | None,
) -> Subject:
    """Replaces the defaults of one resource, unless None are given; other resources keep theirs."""
    about = await one(scope, vault, unified_api, service_id)
    _form(about, resource)
    if defaults is None:
        return about
    return await update(scope, vault, unified_api, service_id, Patch(configuration={resource: defaults}))


async def fields(scope: Scope, vault: Vault, unified_api: str, service_id: str, resource: str) -> list[CustomField]:
    """The custom fields that the consumer's account has on `resource`; none where the service cannot list them."""
    about = await one(scope, vault, unified_api, service_id)
    require_enabled(about)
    word = about.connector.fields_of(resource)
    if resource not in about.connector.unified_apis[unified_api].resources:
        raise EntityNotFoundError("resource", resource)
    if word is None:
        return []
    _require_authorized(about)
    return await credentials.call(
        scope, vault, about, "custom_fields", lambda known: custom_fields(known, word, resource)
    )


def state_of(vault: Vault, about: Subject) -> State:
    """The subject's `state` as of now."""
    return state(about.connection, about.connector, vault.clock.now())


def _patched(scope: Scope, vault: Vault, about: Subject, before: Connection | None, patch: Patch) -> Connection:
    connection = before or replace(
        connections.blank(scope, about.unified_api, about.connector.id), enabled=patch.enabled is not False
    )
    settings = connection.settings
    if patch.settings is not UNSET and patch.settings is not None:
        settings = merge(about.connector, settings, patch.settings, vault.masks, connection.id)
        check_urls(about.connector, settings, vault.catalog.allowed_hosts(about.connector))
    return replace(
        connection,
        enabled=connection.enabled if patch.enabled is UNSET else patch.enabled,
        settings=settings,
        validation=connection.validation if settings == connection.settings else None,
        metadata=_metadata(connection.metadata, patch.metadata),
        configuration=_configuration(connection.configuration, patch.configuration),
    )


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


async def _verdict(vault: Vault, about: Subject, tried: Connection) -> Verdict | None:
    """What the service says of new settings; None if there is nothing new to ask about."""
    before = about.connection.settings if about.connection else {}
    if about.connector.auth.oauth is not None or about.connector.verify is None or tried.settings == before:
        return None
    if not tried.enabled or not has_credentials(tried, about.connector):
        return None
    try:
        return await drive(verify(setup(vault, about, tried.settings)), vault.send)
    except ProviderError:
        return "unknown"


async def _verified(scope: Scope, vault: Vault, about: Subject) -> Verdict:
    if about.connector.verify is None:
        return "unknown"
    return await credentials.call(scope, vault, about, "validate", verify)


def _form(about: Subject, resource: str) -> tuple[ResourceField, ...]:
    form = about.connector.unified_apis[about.unified_api].config.get(resource)
    if form is not None:
        return form
    if resource in about.connector.unified_apis[about.unified_api].resources:
        return ()
    raise EntityNotFoundError("resource", resource)


def _require_authorized(about: Subject) -> None:
    if about.connection is None or not has_credentials(about.connection, about.connector):
        raise InvalidStateError("The connection is not authorized yet.")


async def _choices(scope: Scope, vault: Vault, about: Subject, field: ResourceField) -> tuple[Option, ...]:
    word = field.options_from
    if word is None:
        return tuple(o if isinstance(o, Option) else Option(label=o, value=o) for o in field.options)
    return await credentials.call(scope, vault, about, "options", lambda known: options(known, word))


def imported_token(
    access_token: str | None, refresh_token: str | None, issued_at: int, expires_at: int | None
) -> OAuthToken | None:
    """A token from elsewhere; times are ms. Without an access token, or without a lifetime, it is renewed first."""
    if not access_token and not refresh_token:
        return None
    return OAuthToken(
        access_token=Secret(access_token) if access_token else None,
        refresh_token=Secret(refresh_token) if refresh_token else None,
        issued_at=issued_at,
        expires_at=expires_at,
    )
