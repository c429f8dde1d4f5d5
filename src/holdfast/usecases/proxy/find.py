"""Which connection a proxied call is for: the service is named, its unified API only where there are several."""

from __future__ import annotations

from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import IntegrationNotFoundError, RequestHeadersValidationError
from holdfast.store import connections
from holdfast.usecases.subject import Subject, every_integration, find_enabled
from holdfast.usecases.vault import Vault

UNIFIED_API = "x-apideck-unified-api"


async def find(scope: ConsumerScope, vault: Vault, service_id: str, unified_api: str | None) -> Subject:
    """The integration that is meant.

    As `find_enabled`; RequestHeadersValidationError if the consumer has connections under several unified APIs.
    """
    api = unified_api or await _only_api(scope, vault, service_id)
    return await find_enabled(scope, vault, api, service_id)


async def _only_api(scope: ConsumerScope, vault: Vault, service_id: str) -> str:
    connector = vault.catalog.find(service_id)
    if connector is not None and len(connector.unified_apis) == 1:
        return next(iter(connector.unified_apis))
    found = [api for api, service in await every_integration(scope, vault) if service == service_id]
    if not found:
        raise IntegrationNotFoundError("integration", service_id)
    if len(found) > 1:
        found = [api for api in found if await connections.one(scope, vault.store, api, service_id)] or found
    if len(found) > 1:
        raise RequestHeadersValidationError({"missing": [{UNIFIED_API: "required"}]})
    return found[0]
