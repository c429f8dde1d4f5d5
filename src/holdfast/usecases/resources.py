"""What can be set for a connection's resources, and the custom fields that they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.domain.manifest.connector import Option, ResourceField
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import EntityNotFoundError, ProviderError
from holdfast.grants.listing import CustomField, custom_fields, options
from holdfast.usecases.connections import Patch, update
from holdfast.usecases.credential.use import CUSTOM_FIELDS, OPTIONS, admitted, call
from holdfast.usecases.subject import Subject, find_enabled, with_connection
from holdfast.usecases.vault import Vault

Form = list[tuple[ResourceField, tuple[Option, ...]]]


async def resource_form(
    scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str, resource: str
) -> tuple[Subject, Form]:
    """The form of a resource's defaults, its selects filled from the consumer's account.

    EntityNotFoundError if the resource has no such form, InvalidStateError if the connection is not authorized.
    """
    subject = await find_enabled(scope, vault, unified_api, service_id)
    fields = _fields(subject, resource)
    held = await admitted(scope, vault, subject, OPTIONS)
    try:
        return held, [(field, await _choices(scope, vault, held, field)) for field in fields]
    except ProviderError as error:
        # The form in which published components look for the reason.
        error.detail = {"error": [{"message": str(error.detail)}]}
        raise


async def update_resource(
    scope: ConsumerScope,
    vault: Vault,
    unified_api: str,
    service_id: str,
    resource: str,
    defaults: Sequence[Mapping[str, Any]] | None,
) -> Subject:
    """Replaces the defaults of one resource, unless None are given; other resources keep theirs."""
    subject = await find_enabled(scope, vault, unified_api, service_id)
    _fields(subject, resource)
    if defaults is None:
        return await with_connection(scope, vault, subject)
    return await update(scope, vault, unified_api, service_id, Patch(configuration={resource: defaults}))


async def fields_of(
    scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str, resource: str
) -> list[CustomField]:
    """The custom fields that the consumer's account has on `resource`; none where the service cannot list them."""
    subject = await find_enabled(scope, vault, unified_api, service_id)
    word = subject.connector.fields_of(resource)
    if resource not in subject.connector.unified_apis[unified_api].resources:
        raise EntityNotFoundError("resource", resource)
    if word is None:
        return []
    return await call(scope, vault, subject, CUSTOM_FIELDS, lambda known: custom_fields(known, word, resource))


def _fields(subject: Subject, resource: str) -> tuple[ResourceField, ...]:
    offered = subject.connector.unified_apis[subject.unified_api]
    if resource not in offered.config and resource not in offered.resources:
        raise EntityNotFoundError("resource", resource)
    return offered.config.get(resource, ())


async def _choices(scope: ConsumerScope, vault: Vault, subject: Subject, field: ResourceField) -> tuple[Option, ...]:
    word = field.options_from
    if word is None:
        return tuple(o if isinstance(o, Option) else Option(label=o, value=o) for o in field.options)
    return await call(scope, vault, subject, OPTIONS, lambda known: options(known, word))
