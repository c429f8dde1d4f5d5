"""An application and its integrations, as a request finds them."""

from __future__ import annotations

import msgspec

from holdfast.domain.connection import Connection
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.tenancy import Application, Integration, Scope
from holdfast.errors import ConnectorDisabledError, EntityNotFoundError, IntegrationNotFoundError
from holdfast.store import tenants
from holdfast.usecases.vault import Vault

Integrations = dict[tuple[str, str], Integration]


class Subject(msgspec.Struct, frozen=True):
    """What an operation is about: a connector, the application's integration of it, the consumer's connection."""

    unified_api: str
    connector: Connector
    integration: Integration
    connection: Connection | None = None

    def holding(self, connection: Connection | None) -> Subject:
        """The same subject with the connection as it is now."""
        return Subject(self.unified_api, self.connector, self.integration, connection)


async def application(scope: Scope, vault: Vault) -> Application:
    """The application of `scope`. EntityNotFoundError if there is none."""
    found = await vault.recent.get(
        ("application", scope.application_id), lambda: tenants.application(scope, vault.store)
    )
    if found is None:
        raise EntityNotFoundError("application", scope.application_id)
    return found


async def integrations(scope: Scope, vault: Vault) -> Integrations:
    """The application's integrations by (unified_api, service_id)."""
    found = await vault.recent.get(
        ("integrations", scope.application_id), lambda: tenants.integrations(scope, vault.store)
    )
    return found or {}


async def subject(scope: Scope, vault: Vault, unified_api: str, service_id: str) -> Subject:
    """The connector and its integration; no connection is read.

    ConnectorNotFoundError if the catalogue has no such connector, IntegrationNotFoundError if the application
    has not set it up.
    """
    connector = vault.catalog.get(unified_api, service_id)
    integration = (await integrations(scope, vault)).get((unified_api, service_id))
    if integration is None:
        # Perhaps it was set up a moment ago, by another process.
        integration = await tenants.integration(scope, vault.store, unified_api, service_id)
    if integration is None:
        raise IntegrationNotFoundError("integration", f"{unified_api}+{service_id}")
    return Subject(unified_api, connector, integration)


def require_enabled(subject: Subject) -> None:
    if not subject.integration.enabled:
        raise ConnectorDisabledError()
