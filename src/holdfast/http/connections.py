"""Connections of a consumer: `docs/reference/api.md`, Connections."""

from __future__ import annotations

from typing import Annotated

from holdfast.http.operations import Api, Body, Call, Param
from holdfast.http.wire.configuration import resource_defaults
from holdfast.http.wire.connection import Connection, ConnectionInput, TokenInput, patch
from holdfast.http.wire.custom_fields import custom_field
from holdfast.http.wire.envelope import (
    CreateConnectionResponse,
    GetConnectionResponse,
    GetConnectionsResponse,
    GetCustomFieldsResponse,
    UpdateConnectionResponse,
)
from holdfast.http.wire.imports import ConnectionImportData, imported
from holdfast.usecases import connections, resources

api = Api("Connections")

UnifiedApi = Annotated[str, Param("path", "unified_api", "The unified API, such as crm.", "crm")]
ServiceId = Annotated[str, Param("path", "service_id", "The connector's id.", "acme-crm")]
Resource = Annotated[str, Param("path", "resource", "A resource of the unified API, in the plural.", "leads")]
OnlyApi = Annotated[str | None, Param("query", "api", "Only integrations of this unified API.", "crm")]
Configured = Annotated[
    bool | None, Param("query", "configured", "Only integrations that the consumer has, or has not, added.")
]
ResourceId = Annotated[str | None, Param("query", "resource_id", "A record to take as the sample.")]
ConnectionBody = Annotated[
    ConnectionInput, Body("The members to change; read-only members are ignored.", documented=Connection)
]
NewConnectionBody = Annotated[
    ConnectionInput, Body("The connection; everything is optional.", documented=Connection, lenient=True)
]
ImportBody = Annotated[ConnectionImportData, Body("Credentials and settings from elsewhere.", lenient=True)]
TokenBody = Annotated[TokenInput, Body("Empty.", required=False)]

ONE = "/vault/connections/{unified_api}/{service_id}"


@api.operation("GET", ONE, "connectionsOne", summary="Get connection")
async def one(call: Call, service_id: ServiceId, unified_api: UnifiedApi) -> GetConnectionResponse:
    """The consumer's connection. An integration that the consumer has not added answers as `available`."""
    subject = await connections.one(call.consumer, call.vault, unified_api, service_id)
    return GetConnectionResponse(data=call.teller.connection(call.consumer, subject))


@api.operation("GET", "/vault/connections", "connectionsAll", summary="Get all connections", consumer=False)
async def every(call: Call, api: OnlyApi = None, configured: Configured = None) -> GetConnectionsResponse:
    """All integrations of the application that are switched on, added by the consumer or not."""
    found = await connections.every(call.scope, call.vault, api, configured)
    return GetConnectionsResponse(data=[call.teller.connection(call.scope, s) for s in found])


@api.operation("POST", ONE, "connectionsAdd", summary="Create connection")
async def add(
    call: Call, service_id: ServiceId, unified_api: UnifiedApi, connection: NewConnectionBody
) -> CreateConnectionResponse:
    """Adds the connection, enabled unless the body says otherwise. One that exists is updated."""
    subject = await connections.add(call.consumer, call.vault, unified_api, service_id, patch(connection))
    return CreateConnectionResponse(data=call.teller.connection(call.consumer, subject))


@api.operation("PATCH", ONE, "connectionsUpdate", summary="Update connection")
async def update(
    call: Call, service_id: ServiceId, unified_api: UnifiedApi, connection: ConnectionBody
) -> UpdateConnectionResponse:
    """Changes `enabled`, `settings`, `metadata` and `configuration`; the connection is added if need be."""
    subject = await connections.update(call.consumer, call.vault, unified_api, service_id, patch(connection))
    return UpdateConnectionResponse(data=call.teller.connection(call.consumer, subject))


@api.operation("DELETE", ONE, "connectionsDelete", summary="Delete connection", status=204)
async def delete(call: Call, service_id: ServiceId, unified_api: UnifiedApi) -> None:
    """Deletes the connection with everything it holds, and ends its grant at the provider."""
    await connections.delete(call.consumer, call.vault, unified_api, service_id)


@api.operation("POST", ONE + "/import", "connectionsImport", summary="Import connection")
async def import_(
    call: Call, service_id: ServiceId, unified_api: UnifiedApi, connection_import_data: ImportBody
) -> CreateConnectionResponse:
    """Creates or replaces the connection with credentials that were obtained elsewhere."""
    given = imported(connection_import_data, call.vault.clock.now())
    subject = await connections.import_(call.consumer, call.vault, unified_api, service_id, given)
    return CreateConnectionResponse(data=call.teller.connection(call.consumer, subject))


@api.operation("POST", ONE + "/token", "connectionsToken", summary="Get access token")
async def token(call: Call, service_id: ServiceId, unified_api: UnifiedApi, body: TokenBody) -> GetConnectionResponse:
    """Exchanges stored client credentials, or a stored password, for an access token, which is kept and not shown."""
    subject = await connections.token(call.consumer, call.vault, unified_api, service_id)
    return GetConnectionResponse(data=call.teller.connection(call.consumer, subject))


@api.operation("GET", ONE + "/{resource}/config", "connectionSettingsAll", summary="Get resource settings")
async def resource_form(
    call: Call, unified_api: UnifiedApi, service_id: ServiceId, resource: Resource
) -> GetConnectionResponse:
    """The form of a resource's defaults, with the options that the connected account offers."""
    subject, form = await resources.resource_form(call.consumer, call.vault, unified_api, service_id, resource)
    told = call.teller.resource_settings(call.consumer, subject, resource, form)
    return GetConnectionResponse(data=told)


@api.operation("PATCH", ONE + "/{resource}/config", "connectionSettingsUpdate", summary="Update resource settings")
async def update_resource(
    call: Call, service_id: ServiceId, unified_api: UnifiedApi, resource: Resource, connection: ConnectionBody
) -> UpdateConnectionResponse:
    """Replaces the defaults of one resource."""
    defaults = resource_defaults(connection.configuration, resource)
    subject = await resources.update_resource(call.consumer, call.vault, unified_api, service_id, resource, defaults)
    return UpdateConnectionResponse(data=call.teller.connection(call.consumer, subject))


@api.operation("GET", ONE + "/{resource}/custom-fields", "customFieldsAll", summary="Get custom fields of a resource")
async def custom_fields(
    call: Call, unified_api: UnifiedApi, service_id: ServiceId, resource: Resource, resource_id: ResourceId = None
) -> GetCustomFieldsResponse:
    """The fields that the connected account has beside the service's own."""
    found = await resources.fields_of(call.consumer, call.vault, unified_api, service_id, resource)
    return GetCustomFieldsResponse(data=[custom_field(f) for f in found])
