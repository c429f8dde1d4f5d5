"""What an operation is about: an application's integration, and the consumer's connection of it.

The types say what has been proved. `Subject`: the connector is set up for the application. `Held`: the consumer has a
connection. `Granted`: that connection has an OAuth grant. Whoever needs the narrower one asks for it once.
"""

from __future__ import annotations

import msgspec

from holdfast.domain.connection import Connection, Grant
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.policy import Policy
from holdfast.domain.tenancy import Application, ConsumerScope, Integration, IntegrationSecrets, Scope
from holdfast.errors import (
    ConnectorCredentialsError,
    ConnectorDisabledError,
    EntityNotFoundError,
    IntegrationNotFoundError,
    UnauthorizedError,
)
from holdfast.store import connections, integrations, policies, tenants
from holdfast.usecases.vault import Vault

Integrations = dict[tuple[str, str], Integration]


class Subject(msgspec.Struct, frozen=True):
    """A connector, the application's integration of it, and the consumer's connection, if there is one."""

    unified_api: str
    connector: Connector
    integration: Integration
    connection: Connection | None = None

    def with_connection(self, connection: Connection | None) -> Subject:
        """The same subject with the connection as it is now."""
        return Subject(self.unified_api, self.connector, self.integration, connection)

    def holding(self, connection: Connection) -> Held:
        """The same subject, which holds `connection`."""
        return Held(self.unified_api, self.connector, self.integration, connection)


class Held(Subject, frozen=True):
    """A subject whose consumer has a connection."""

    connection: Connection

    def granted(self) -> Granted:
        """The same, with its grant. ConnectorCredentialsError if it has none."""
        if self.connection.grant is None:
            raise ConnectorCredentialsError()
        return Granted(self.unified_api, self.connector, self.integration, self.connection, self.connection.grant)


class Granted(Held, frozen=True):
    """A subject whose connection has an OAuth grant."""

    grant: Grant


async def application(scope: Scope, vault: Vault) -> Application:
    """The application of `scope`. EntityNotFoundError if there is none."""
    found = await vault.recent.get(
        ("application", scope.application_id), lambda: tenants.application(scope, vault.store), scope.application_id
    )
    if found is None:
        raise EntityNotFoundError("application", scope.application_id)
    return found


async def every_integration(scope: Scope, vault: Vault) -> Integrations:
    """The application's integrations that `scope` reaches, by (unified_api, service_id)."""
    found = await vault.recent.get(
        ("integrations", scope.application_id),
        lambda: integrations.of_application(scope, vault.store),
        scope.application_id,
    )
    return {named: one for named, one in (found or {}).items() if scope.reaches(*named)}


async def find_subject(scope: Scope, vault: Vault, unified_api: str, service_id: str) -> Subject:
    """The connector and its integration; no connection is read.

    ConnectorNotFoundError if the catalogue has no such connector, IntegrationNotFoundError if the application
    has not set it up, UnauthorizedError if the caller is bound to others.
    """
    connector = vault.catalog.get(unified_api, service_id)
    require_reach(scope, unified_api, service_id)
    named = ("integration", scope.application_id, unified_api, service_id)
    integration = vault.recent.fresh(named) or await vault.recent.get(
        named, lambda: integrations.one(scope, vault.store, unified_api, service_id), scope.application_id
    )
    if integration is None:
        raise IntegrationNotFoundError("integration", f"{unified_api}+{service_id}")
    return Subject(unified_api, connector, integration)


async def find_enabled(scope: Scope, vault: Vault, unified_api: str, service_id: str) -> Subject:
    """As `find_subject`; ConnectorDisabledError if the integration is switched off."""
    found = await find_subject(scope, vault, unified_api, service_id)
    require_enabled(found)
    return found


async def policy_of(scope: Scope, vault: Vault) -> Policy:
    """What the application's proxy lets through."""
    named = ("proxy_policy", scope.application_id)
    found = vault.recent.fresh(named) or await vault.recent.get(
        named, lambda: policies.policy(scope, vault.store), scope.application_id
    )
    return found or Policy()


async def secrets_of(scope: Scope, vault: Vault, subject: Subject) -> IntegrationSecrets:
    """What the application's integration is used with, opened. For whoever is about to speak to the service.

    IntegrationNotFoundError if it was taken away meanwhile, IntegrityError if it does not open.
    """
    named = (subject.unified_api, subject.connector.id)
    opened = await vault.recent.get(
        ("secrets", scope.application_id, *named),
        lambda: integrations.unseal(scope, vault.store, *named),
        scope.application_id,
    )
    if opened is None:
        raise IntegrationNotFoundError("integration", "+".join(named))
    return opened


async def with_connection(scope: ConsumerScope, vault: Vault, subject: Subject) -> Subject:
    """The subject with the consumer's connection as it stands in the database."""
    held = await connections.one(scope, vault.store, subject.unified_api, subject.connector.id)
    return subject.with_connection(held)


def require_reach(scope: Scope, unified_api: str, service_id: str) -> None:
    """UnauthorizedError if the caller is bound to others."""
    if not scope.reaches(unified_api, service_id):
        raise UnauthorizedError("The API key is bound to other connections.")


def require_enabled(subject: Subject) -> None:
    """ConnectorDisabledError if the integration is switched off."""
    if not subject.integration.enabled:
        raise ConnectorDisabledError()
