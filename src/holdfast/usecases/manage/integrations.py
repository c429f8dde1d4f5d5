"""Integrations: the connectors that an application offers, each with the application's own OAuth client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated

import msgspec
import structlog
from msgspec import UNSET, UnsetType

from holdfast.domain.connection import IntegrationState, integration_state
from holdfast.domain.credential import Client, Secret
from holdfast.domain.form import pasted
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.tenancy import Integration, IntegrationSecrets, Scope
from holdfast.errors import IntegrityError, RequestValidationError
from holdfast.store import Store, circuits, integrations, tenants
from holdfast.usecases.manage import words
from holdfast.usecases.manage.scope import change, not_found, operator
from holdfast.usecases.states import callback_context, callback_url
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

SECRET_LIMIT = 4096


class IntegrationChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of an integration. None clears; of `settings`, those of level `integration`, each by itself."""

    enabled: bool | UnsetType = UNSET
    client_id: str | None | UnsetType = UNSET
    client_secret: Secret | None | UnsetType = UNSET
    scopes: Sequence[str] | None | UnsetType = UNSET
    settings: Mapping[str, Secret | None] | UnsetType = UNSET

    @property
    def touches_secrets(self) -> bool:
        """Whether what is sealed has to be opened and sealed anew."""
        return any(given is not UNSET for given in (self.client_id, self.client_secret, self.settings))


class RefusedClient(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An OAuth client that its provider refuses."""

    since: Annotated[int, words.REFUSED_SINCE]
    code: Annotated[str | UnsetType, words.REFUSED_CODE] = UNSET


class IntegrationData(msgspec.Struct, kw_only=True):
    """An integration; secrets are told by whether they are set."""

    unified_api: Annotated[str, words.UNIFIED_API]
    service_id: Annotated[str, words.SERVICE_ID]
    enabled: Annotated[bool, words.ENABLED]
    integration_state: IntegrationState
    client_id: Annotated[str | None, words.CLIENT_ID]
    has_client_secret: Annotated[bool, words.HAS_CLIENT_SECRET]
    scopes: Annotated[list[str] | None, words.SCOPES]
    settings_set: Annotated[list[str], words.SETTINGS_SET]
    redirect_uri: Annotated[str | None, words.REDIRECT_URI]
    client_refused: Annotated[RefusedClient | UnsetType, words.CLIENT_REFUSED] = UNSET


async def put_integration(
    vault: Vault, application_id: str, unified_api: str, service_id: str, given: IntegrationChange
) -> IntegrationData:
    """Sets up an integration, or changes what is given.

    ConnectorNotFoundError, EntityNotFoundError for the application, RequestValidationError for a setting that the
    connector does not have.
    """
    connector = vault.catalog.get(unified_api, service_id)
    scope = operator(application_id)

    async def attempt(tx: Store) -> Integration:
        await tenants.application(scope, tx)
        found = await integrations.one(scope, tx, unified_api, service_id)
        before = found or Integration(application_id, unified_api, service_id)
        changed = replace(
            before,
            enabled=before.enabled if given.enabled is UNSET else given.enabled,
            scopes=before.scopes if given.scopes is UNSET else _scopes(given.scopes),
        )
        secrets = None
        if found is None or given.touches_secrets:
            secrets = _secrets(await _opened(tx, before), given, connector)
        return await integrations.put(scope, tx, changed, secrets)

    return _data(vault, await change(vault, application_id, attempt))


async def one_integration(vault: Vault, application_id: str, unified_api: str, service_id: str) -> IntegrationData:
    """One integration, without its secrets. EntityNotFoundError."""
    scope = operator(application_id)
    found = await integrations.one(scope, vault.store, unified_api, service_id)
    if found is None or not vault.catalog.offers(unified_api, service_id):
        raise await not_found(vault, application_id, "integration", f"{unified_api}+{service_id}")
    return _data(vault, found, await _refused(scope, vault))


async def every_integration(vault: Vault, application_id: str) -> list[IntegrationData]:
    """The integrations of an application, without their secrets. EntityNotFoundError.

    One whose connector has left the catalogue is not told; it is there again when the connector is.
    """
    scope = operator(application_id)
    await tenants.application(scope, vault.store)
    found = await integrations.of_application(scope, vault.store)
    refused = await _refused(scope, vault)
    return [_data(vault, one, refused) for named, one in found.items() if vault.catalog.offers(*named)]


async def delete_integration(vault: Vault, application_id: str, unified_api: str, service_id: str) -> None:
    """Takes the integration out of the application's list; connections stay, unseen. EntityNotFoundError."""
    if not await integrations.delete(operator(application_id), vault.store, unified_api, service_id):
        raise await not_found(vault, application_id, "integration", f"{unified_api}+{service_id}")
    vault.recent.forget(application_id)


async def _opened(tx: Store, before: Integration) -> IntegrationSecrets:
    if not before.version:
        return IntegrationSecrets()
    scope = operator(before.application_id)
    try:
        opened = await integrations.unseal(scope, tx, before.unified_api, before.service_id)
    except IntegrityError:
        # What does not open is lost already; it must not keep new values out.
        log.warning("damaged_integration", application=before.application_id, service=before.service_id)
        opened = IntegrationSecrets(Client(before.client_id) if before.client_id else None)
    return opened or IntegrationSecrets()


def _secrets(before: IntegrationSecrets, given: IntegrationChange, connector: Connector) -> IntegrationSecrets:
    known = {s.id for s in connector.at("integration")}
    settings = before.settings if given.settings is UNSET else _settings(before.settings, given.settings, known)
    return IntegrationSecrets(_client(before.client, given), settings)


def _client(before: Client | None, given: IntegrationChange) -> Client | None:
    id, secret = (before.client_id, before.client_secret) if before else (None, None)
    if given.client_id is not UNSET:
        id = _text("client_id", given.client_id)
    if given.client_secret is not UNSET:
        text = _text("client_secret", given.client_secret.reveal() if given.client_secret else None)
        secret = Secret(text) if text else None
        if secret and not id:
            raise RequestValidationError("A client_secret needs its client_id.")
    return Client(id, secret) if id else None


def _scopes(given: Sequence[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    if any(not s or not s.isascii() or not s.isprintable() or " " in s for s in given):
        raise RequestValidationError("Each scope is one word of printable ASCII (RFC 6749 section 3.3).")
    return tuple(dict.fromkeys(given))


def _settings(
    before: Mapping[str, Secret], given: Mapping[str, Secret | None], known: set[str]
) -> Mapping[str, Secret]:
    unknown = sorted(set(given) - known)
    if unknown:
        raise RequestValidationError(f"The connector has no such integration setting: {', '.join(unknown)}.")
    pasted_in = {id: Secret(pasted(value.reveal())) for id, value in given.items() if value}
    return {id: value for id, value in {**before, **dict.fromkeys(given), **pasted_in}.items() if value}


def _text(name: str, given: str | None) -> str | None:
    value = pasted(given)
    if value is not None and (len(value) > SECRET_LIMIT or not value.isprintable()):
        raise RequestValidationError(f"{name} is a printable text of at most {SECRET_LIMIT} characters.")
    return value or None


async def _refused(scope: Scope, vault: Vault) -> Mapping[tuple[str, str], RefusedClient]:
    """The clients of the application that are refused, by (unified_api, service_id), the last one of each."""
    opened = sorted(await circuits.opened(scope, vault.store), key=lambda circuit: circuit.refused_at)
    return {
        (one.client.unified_api, one.client.service_id): RefusedClient(
            since=one.opened_at or one.refused_at, code=one.code or UNSET
        )
        for one in opened
    }


def _data(
    vault: Vault, found: Integration, refused: Mapping[tuple[str, str], RefusedClient] = MappingProxyType({})
) -> IntegrationData:
    """How an integration is told to the operator, with the redirect URI to register at the provider."""
    connector = vault.catalog.get(found.unified_api, found.service_id)
    return IntegrationData(
        unified_api=found.unified_api,
        service_id=found.service_id,
        enabled=found.enabled,
        integration_state=integration_state(found, connector),
        client_id=found.client_id,
        has_client_secret=found.has_client_secret,
        scopes=list(found.scopes) if found.scopes is not None else None,
        settings_set=sorted(found.settings_set),
        redirect_uri=_redirect_uri(vault, found, connector),
        client_refused=refused.get((found.unified_api, found.service_id), UNSET),
    )


def _redirect_uri(vault: Vault, found: Integration, connector: Connector) -> str | None:
    """What the operator registers at the provider as the OAuth client's redirect URI; None where no browser comes."""
    oauth = connector.auth.oauth
    if oauth is None or oauth.authorize is None:
        return None
    return callback_url(vault, callback_context(operator(found.application_id), vault, found.service_id))
