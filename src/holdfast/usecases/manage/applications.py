"""Applications: the products that use this vault."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, UnsetType

from holdfast.domain.tenancy import Application, Confirmation
from holdfast.errors import RequestValidationError
from holdfast.store import Store, circuits, tenants
from holdfast.usecases import api_keys
from holdfast.usecases.manage import words
from holdfast.usecases.manage.scope import change, operator
from holdfast.usecases.vault import Vault

NAME_LIMIT = 200
URIS_LIMIT = 50
URI_LIMIT = 2048
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

UNCONFIRMED = (
    "{count} application(s) with confirmation off: whoever passes on a connect link gets the account of whoever "
    "opens it."
)
REFUSED = (
    "{count} OAuth client(s) refused by the service, so no connection of the integration is refreshed: "
    "`holdfast integrations list` tells which."
)


class ApplicationChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of an application."""

    name: str | UnsetType = UNSET
    redirect_uris: Sequence[str] | None | UnsetType = UNSET
    confirmation: Confirmation | UnsetType = UNSET


class ApplicationData(msgspec.Struct, kw_only=True):
    """An application."""

    application_id: Annotated[str, words.APPLICATION_ID]
    name: Annotated[str, words.NAME]
    redirect_uris: Annotated[list[str], words.REDIRECT_URIS]
    confirmation: Annotated[Confirmation, words.CONFIRMATION]
    created_at: Annotated[int, words.CREATED_AT]


class CreatedApplication(msgspec.Struct, kw_only=True):
    """A new application; its key is shown here once."""

    application_id: Annotated[str, words.APPLICATION_ID]
    api_key: Annotated[str, words.FIRST_KEY]


async def create_application(
    vault: Vault, name: str, redirect_uris: Sequence[str] = (), confirmation: Confirmation = "auto"
) -> tuple[Application, str]:
    """A new application and its first API key, which is shown here once. RequestValidationError."""
    application = Application(
        id=secrets.token_hex(16),
        name=_name(name),
        redirect_uris=check_redirect_uris(redirect_uris),
        confirmation=confirmation,
        created_at=vault.clock.now(),
    )
    data_key = await vault.store.keyring.new_data_key(application.id)
    async with vault.store.transaction() as tx:
        await tenants.add_application(tx, application, data_key)
        _, key = await api_keys.issue(operator(application.id), vault, tx)
    return application, key


async def one_application(vault: Vault, application_id: str) -> ApplicationData:
    """One application. EntityNotFoundError."""
    return _data(await tenants.application(operator(application_id), vault.store))


async def every_application(vault: Vault) -> list[ApplicationData]:
    """All applications, the oldest first."""
    return [_data(found) for found in await tenants.applications(vault.store)]


async def update_application(vault: Vault, application_id: str, given: ApplicationChange) -> ApplicationData:
    """Changes what is given. EntityNotFoundError, RequestValidationError."""
    scope = operator(application_id)

    async def attempt(tx: Store) -> Application:
        changed = _changed(await tenants.application(scope, tx), given)
        await tenants.update_application(scope, tx, changed)
        return changed

    return _data(await change(vault, application_id, attempt))


def check_redirect_uris(uris: Sequence[str]) -> tuple[str, ...]:
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


def _changed(found: Application, given: ApplicationChange) -> Application:
    uris = found.redirect_uris if given.redirect_uris is UNSET else check_redirect_uris(given.redirect_uris or ())
    return replace(
        found,
        name=found.name if given.name is UNSET else _name(given.name),
        redirect_uris=uris,
        confirmation=found.confirmation if given.confirmation is UNSET else given.confirmation,
    )


def _data(found: Application) -> ApplicationData:
    return ApplicationData(
        application_id=found.id,
        name=found.name,
        redirect_uris=list(found.redirect_uris),
        confirmation=found.confirmation,
        created_at=found.created_at,
    )


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


async def warnings(vault: Vault) -> list[str]:
    """What the operator should change. Names nobody. Unavailable if the database does not answer."""
    unconfirmed = await vault.recent.get(("unconfirmed",), lambda: tenants.unconfirmed(vault.store), "")
    refused = await vault.recent.get(("refused",), lambda: circuits.count(vault.store), "")
    found = ((UNCONFIRMED, unconfirmed), (REFUSED, refused))
    return [text.format(count=count) for text, count in found if count]
