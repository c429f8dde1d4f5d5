"""API keys of an application, and where each may reach."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from holdfast.domain.tenancy import DEFAULT_ACTIONS, EVERYWHERE, Action, ApiKey, Bounds
from holdfast.errors import RequestValidationError
from holdfast.store import tenants
from holdfast.usecases import api_keys
from holdfast.usecases.manage import words
from holdfast.usecases.manage.scope import not_found, operator
from holdfast.usecases.vault import Vault

T = TypeVar("T")

BOUNDS_LIMIT = 1000
CONSUMER_LIMIT = 255


class BoundConnection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A connection that an API key reaches."""

    consumer_id: Annotated[str, words.CONSUMER_ID]
    unified_api: Annotated[str, words.UNIFIED_API]
    service_id: Annotated[str, words.SERVICE_ID]


class KeyBounds(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where an API key reaches: within all of the lists that are given. An empty one is nowhere.

    A member that nobody knows is refused, because what was meant to narrow a key must not be overheard.
    """

    consumers: Annotated[list[str] | UnsetType, words.BOUND_CONSUMERS] = UNSET
    services: Annotated[list[str] | UnsetType, words.BOUND_SERVICES] = UNSET
    connections: Annotated[list[BoundConnection] | UnsetType, words.BOUND_CONNECTIONS] = UNSET


class KeyData(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An API key; `api_key` only in the answer that makes it, `bounds` only where it has any."""

    id: Annotated[str, words.KEY_ID]
    scopes: Annotated[list[str], words.KEY_SCOPES]
    last_four: Annotated[str, words.LAST_FOUR]
    created_at: Annotated[int, words.CREATED_AT]
    bounds: Annotated[KeyBounds | UnsetType, words.KEY_BOUNDS] = UNSET
    api_key: Annotated[str | UnsetType, words.KEY_TEXT] = UNSET


async def create_key(
    vault: Vault, application_id: str, scopes: Sequence[Action] = DEFAULT_ACTIONS, bounds: KeyBounds | None = None
) -> KeyData:
    """Another API key, with its text, which is shown here once. EntityNotFoundError, RequestValidationError."""
    scope = operator(application_id)
    reach = _bounds(vault, bounds) if bounds is not None else EVERYWHERE
    async with vault.store.transaction() as tx:
        await tenants.application(scope, tx)
        key, text = await api_keys.issue(scope, vault, tx, tuple(scopes), reach)
    return _data(key, text)


async def every_key(vault: Vault, application_id: str) -> list[KeyData]:
    """The API keys of an application, without their texts. EntityNotFoundError."""
    scope = operator(application_id)
    await tenants.application(scope, vault.store)
    return [_data(key) for key in await tenants.keys(scope, vault.store)]


async def delete_key(vault: Vault, application_id: str, id: str) -> None:
    """Takes an API key away. EntityNotFoundError."""
    if not await tenants.delete_key(operator(application_id), vault.store, id):
        raise await not_found(vault, application_id, "api_key", id)
    vault.recent.forget(application_id)


def _bounds(vault: Vault, given: KeyBounds) -> Bounds:
    consumers = None if given.consumers is UNSET else _distinct("consumers", given.consumers)
    services = None if given.services is UNSET else _distinct("services", given.services)
    connections = None if given.connections is UNSET else _distinct("connections", map(_named, given.connections))
    for consumer_id in (*(consumers or ()), *(consumer_id for consumer_id, _, _ in connections or ())):
        _check_consumer(consumer_id)
    for service in (*(services or ()), *(f"{api}+{service_id}" for _, api, service_id in connections or ())):
        _check_service(vault, service)
    return Bounds(consumers, services, connections)


def _distinct(member: str, given: Iterable[T]) -> frozenset[T]:
    found = frozenset(given)
    if len(found) > BOUNDS_LIMIT:
        raise RequestValidationError(f"bounds.{member} has at most {BOUNDS_LIMIT} entries.")
    return found


def _named(connection: BoundConnection) -> tuple[str, str, str]:
    return connection.consumer_id, connection.unified_api, connection.service_id


def _check_consumer(consumer_id: str) -> None:
    if (
        not consumer_id
        or len(consumer_id) > CONSUMER_LIMIT
        or not (consumer_id.isascii() and consumer_id.isprintable())
    ):
        raise RequestValidationError(
            f"{consumer_id[:100]!r} is no consumer's id: those are at most {CONSUMER_LIMIT} printable ASCII characters."
        )


def _check_service(vault: Vault, service: str) -> None:
    unified_api, plus, service_id = service.partition("+")
    if not plus or not vault.catalog.offers(unified_api, service_id):
        raise RequestValidationError(f"{service[:100]!r} is not in the catalogue; write a service as crm+acme-crm.")


def _data(found: ApiKey, text: str | UnsetType = UNSET) -> KeyData:
    return KeyData(
        id=found.id,
        scopes=list(found.scopes),
        last_four=found.last_four,
        created_at=found.created_at,
        bounds=UNSET if found.bounds == EVERYWHERE else _told(found.bounds),
        api_key=text,
    )


def _told(bounds: Bounds) -> KeyBounds:
    return KeyBounds(
        consumers=UNSET if bounds.consumers is None else sorted(bounds.consumers),
        services=UNSET if bounds.services is None else sorted(bounds.services),
        connections=UNSET
        if bounds.connections is None
        else [
            BoundConnection(consumer_id=consumer_id, unified_api=api, service_id=service_id)
            for consumer_id, api, service_id in sorted(bounds.connections)
        ],
    )
