"""The operator's side: applications, their keys and integrations."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from holdfast.domain.credential import Client, Secret
from holdfast.domain.tenancy import (
    DEFAULT_ACTIONS,
    Action,
    ApiKey,
    Application,
    Caller,
    Confirmation,
    Integration,
    Scope,
)
from holdfast.errors import EntityNotFoundError, RequestValidationError
from holdfast.store import tenants
from holdfast.usecases import api_keys
from holdfast.usecases.states import callback_context, callback_url
from holdfast.usecases.vault import Vault

NAME_LIMIT = 200
URIS_LIMIT = 50
URI_LIMIT = 2048
SECRET_LIMIT = 4096
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def operator(application_id: str) -> Scope:
    """The operator's scope on one application."""
    return Scope(application_id, Caller.own("admin"))


async def create_application(
    vault: Vault, name: str, redirect_uris: tuple[str, ...] = (), confirmation: Confirmation = "auto"
) -> tuple[Application, str]:
    """A new application and its first API key, which is shown here once. RequestValidationError."""
    application = Application(
        id=secrets.token_hex(16),
        name=_name(name),
        redirect_uris=check_redirect_uris(redirect_uris),
        confirmation=confirmation,
        created_at=vault.clock.now(),
    )
    async with vault.store.transaction() as tx:
        await tenants.add_application(tx, application)
        _, key = await api_keys.issue(operator(application.id), vault, tx, DEFAULT_ACTIONS)
    return application, key


async def update_application(
    vault: Vault,
    application_id: str,
    *,
    name: str | None = None,
    redirect_uris: tuple[str, ...] | None = None,
    confirmation: Confirmation | None = None,
) -> Application:
    """Changes what is given. EntityNotFoundError, RequestValidationError."""
    scope = operator(application_id)
    async with vault.store.transaction() as tx:
        found = await tenants.application(scope, tx)
        changed = replace(
            found,
            name=_name(name) if name is not None else found.name,
            redirect_uris=check_redirect_uris(redirect_uris) if redirect_uris is not None else found.redirect_uris,
            confirmation=confirmation or found.confirmation,
        )
        await tenants.update_application(scope, tx, changed)
    vault.recent.forget()
    return changed


async def delete_application(vault: Vault, application_id: str) -> None:
    """Deletes the application with everything it owns. EntityNotFoundError."""
    async with vault.store.transaction() as tx:
        if not await tenants.delete_application(operator(application_id), tx):
            raise EntityNotFoundError("application", application_id)
    vault.recent.forget()


async def create_key(vault: Vault, application_id: str, scopes: tuple[Action, ...]) -> tuple[ApiKey, str]:
    """Another API key. EntityNotFoundError, RequestValidationError."""
    scope = operator(application_id)
    async with vault.store.transaction() as tx:
        await tenants.application(scope, tx)
        return await api_keys.issue(scope, vault, tx, scopes)


async def delete_key(vault: Vault, application_id: str, id: str) -> None:
    """Takes an API key away. EntityNotFoundError."""
    if not await tenants.delete_key(operator(application_id), vault.store, id):
        raise EntityNotFoundError("api_key", id)
    vault.recent.forget()


async def put_integration(
    vault: Vault, application_id: str, unified_api: str, service_id: str, given: Mapping[str, Any]
) -> Integration:
    """Sets up an integration; members that are not given keep their value, null clears.

    `given`: enabled, client_id, client_secret, scopes, settings (of level "integration"). ConnectorNotFoundError,
    EntityNotFoundError for the application, RequestValidationError for a setting that the connector does not have.
    """
    connector = vault.catalog.get(unified_api, service_id)
    scope = operator(application_id)
    async with vault.store.transaction() as tx:
        await tenants.application(scope, tx)
        found = await tenants.integration(scope, tx, unified_api, service_id)
        before = found or Integration(application_id, unified_api, service_id)
        known = {s.id for s in connector.at("integration")}
        changed = replace(
            before,
            enabled=given.get("enabled", before.enabled),
            client=_client(before.client, given),
            scopes=_scopes(before.scopes, given),
            settings=_settings(before.settings, given.get("settings") or {}, known),
        )
        await tenants.put_integration(scope, tx, changed)
    vault.recent.forget()
    return changed


async def integration(vault: Vault, application_id: str, unified_api: str, service_id: str) -> Integration:
    """One integration. EntityNotFoundError."""
    found = await tenants.integration(operator(application_id), vault.store, unified_api, service_id)
    if found is None or not vault.catalog.offers(unified_api, service_id):
        raise EntityNotFoundError("integration", f"{unified_api}+{service_id}")
    return found


def redirect_uri(vault: Vault, found: Integration) -> str | None:
    """What the operator registers at the provider as the OAuth client's redirect URI; None where no browser comes."""
    oauth = vault.catalog.get(found.unified_api, found.service_id).auth.oauth
    if oauth is None or oauth.authorize is None:
        return None
    return callback_url(vault, callback_context(operator(found.application_id), vault, found.service_id))


async def delete_integration(vault: Vault, application_id: str, unified_api: str, service_id: str) -> None:
    """Takes the integration out of the application's list; connections stay, unseen. EntityNotFoundError."""
    if not await tenants.delete_integration(operator(application_id), vault.store, unified_api, service_id):
        raise EntityNotFoundError("integration", f"{unified_api}+{service_id}")
    vault.recent.forget()


def check_redirect_uris(uris: tuple[str, ...]) -> tuple[str, ...]:
    """`uris` if each may be redirected to: https, or http on this machine; no fragment, no user, nothing unprintable.

    RequestValidationError names the one that may not.
    """
    if len(uris) > URIS_LIMIT:
        raise RequestValidationError(f"An application has at most {URIS_LIMIT} redirect URIs.")
    for uri in uris:
        if not _may_return_to(uri):
            raise RequestValidationError(
                f"{uri[:100]!r} cannot be a redirect URI: give https://… without user, fragment, spaces or backslash "
                "(http:// only for 127.0.0.1 and localhost)."
            )
    return tuple(dict.fromkeys(uris))


def _may_return_to(uri: str) -> bool:
    if not uri.isascii() or not uri.isprintable() or len(uri) > URI_LIMIT or any(c in uri for c in ' "<>\\^`{|}'):
        return False
    try:
        url = urlsplit(uri)
        port = url.port
    except ValueError:
        return False
    host = url.netloc.rpartition(":")[0] if port is not None else url.netloc
    secure = url.scheme == "https" or (url.scheme == "http" and host in _LOOPBACK)
    return secure and bool(host) and "@" not in url.netloc and "#" not in uri and uri == url.geturl()


def _name(name: str) -> str:
    if not name.strip() or len(name) > NAME_LIMIT or not name.isprintable():
        raise RequestValidationError(f"name is a printable text of at most {NAME_LIMIT} characters.")
    return name.strip()


def _client(before: Client | None, given: Mapping[str, Any]) -> Client | None:
    id = _text(given, "client_id") if "client_id" in given else before and before.client_id
    secret = before.client_secret if before else None
    if "client_secret" in given:
        text = _text(given, "client_secret")
        secret = Secret(text) if text else None
        if secret and not id:
            raise RequestValidationError("A client_secret needs its client_id.")
    return Client(id, secret) if id else None


def _scopes(before: tuple[str, ...] | None, given: Mapping[str, Any]) -> tuple[str, ...] | None:
    if "scopes" not in given:
        return before
    scopes = given["scopes"]
    if scopes is None:
        return None
    if any(not s or not s.isascii() or not s.isprintable() or " " in s for s in scopes):
        raise RequestValidationError("Each scope is one word of printable ASCII (RFC 6749 section 3.3).")
    return tuple(dict.fromkeys(scopes))


def _settings(before: Mapping[str, Secret], given: Mapping[str, Any], known: set[str]) -> dict[str, Secret]:
    unknown = sorted(set(given) - known)
    if unknown:
        raise RequestValidationError(f"The connector has no such integration setting: {', '.join(unknown)}.")
    merged = {**before, **{id: Secret(str(value)) for id, value in given.items() if value not in (None, "")}}
    return {id: value for id, value in merged.items() if given.get(id, value) not in (None, "")}


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given[name]
    if value is not None and (len(value) > SECRET_LIMIT or not value.isprintable()):
        raise RequestValidationError(f"{name} is a printable text of at most {SECRET_LIMIT} characters.")
    return value or None
