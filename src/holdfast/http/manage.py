"""The management API: applications, API keys and integrations, for whoever holds the admin token."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.domain.connection import IntegrationState, integration_state
from holdfast.domain.tenancy import ACTIONS, DEFAULT_ACTIONS, ApiKey, Application, Confirmation, Integration
from holdfast.http.browser import ApplicationId
from holdfast.http.connections import ServiceId, UnifiedApi
from holdfast.http.operations import Api, Body, Call, Param
from holdfast.store import tenants
from holdfast.usecases import manage
from holdfast.usecases.vault import Vault

api = Api("Management")

KeyId = Annotated[str, Param("path", "key_id", "The API key's id.")]
APPLICATION = "/manage/applications/{application_id}"
INTEGRATION = APPLICATION + "/integrations/{unified_api}/{service_id}"
ERRORS = (400, 401, 404, 422)
KeyScope = Annotated[str, Meta(extra_json_schema={"enum": list(ACTIONS)})]


class ApplicationInput(msgspec.Struct, kw_only=True):
    """A new application."""

    name: str
    redirect_uris: list[str] = []
    confirmation: Confirmation = "auto"


class ApplicationChange(msgspec.Struct, kw_only=True):
    """What to change of an application."""

    name: str | None = None
    redirect_uris: list[str] | None = None
    confirmation: Confirmation | None = None


class KeyInput(msgspec.Struct, kw_only=True):
    """What a new API key may do."""

    scopes: list[KeyScope] = msgspec.field(default_factory=lambda: list(DEFAULT_ACTIONS))


class IntegrationInput(msgspec.Struct, kw_only=True):
    """What to set of an integration; members that are left out keep their value, null clears."""

    enabled: bool | UnsetType = UNSET
    client_id: str | None | UnsetType = UNSET
    client_secret: str | None | UnsetType = UNSET
    scopes: list[str] | None | UnsetType = UNSET
    settings: dict[str, str | None] | UnsetType = UNSET


class ApplicationData(msgspec.Struct, kw_only=True):
    """An application."""

    application_id: str
    name: str
    redirect_uris: list[str]
    confirmation: Confirmation
    created_at: int


class CreatedApplication(msgspec.Struct, kw_only=True):
    """A new application; its key is shown here once."""

    application_id: str
    api_key: str


class KeyData(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An API key; `api_key` only in the answer that makes it."""

    id: str
    scopes: list[str]
    last_four: str
    created_at: int
    api_key: str | UnsetType = UNSET


class IntegrationData(msgspec.Struct, kw_only=True):
    """An integration; secrets are told by whether they are set."""

    unified_api: str
    service_id: str
    enabled: bool
    integration_state: IntegrationState
    client_id: str | None
    has_client_secret: bool
    scopes: list[str] | None
    settings_set: list[str]
    redirect_uri: str | None


class CreateApplicationResponse(msgspec.Struct, kw_only=True):
    """The application that was created."""

    status_code: int = 200
    status: Literal["OK"] = "OK"
    data: CreatedApplication


class ApplicationResponse(msgspec.Struct, kw_only=True):
    """One application."""

    status_code: int = 200
    status: Literal["OK"] = "OK"
    data: ApplicationData


class ApplicationsResponse(msgspec.Struct, kw_only=True):
    """All applications."""

    status_code: int = 200
    status: Literal["OK"] = "OK"
    data: list[ApplicationData]


class KeyResponse(msgspec.Struct, kw_only=True):
    """One API key."""

    status_code: int = 200
    status: Literal["OK"] = "OK"
    data: KeyData


class KeysResponse(msgspec.Struct, kw_only=True):
    """The API keys of an application."""

    status_code: int = 200
    status: Literal["OK"] = "OK"
    data: list[KeyData]


class IntegrationResponse(msgspec.Struct, kw_only=True):
    """One integration."""

    status_code: int = 200
    status: Literal["OK"] = "OK"
    data: IntegrationData


class IntegrationsResponse(msgspec.Struct, kw_only=True):
    """The integrations of an application."""

    status_code: int = 200
    status: Literal["OK"] = "OK"
    data: list[IntegrationData]


@api.operation("POST", "/manage/applications", "applicationsCreate", summary="Create application",
               security="admin", errors=ERRORS)  # fmt: skip
async def create(call: Call, body: Annotated[ApplicationInput, Body("The application.")]) -> CreateApplicationResponse:
    """Creates an application and its first API key."""
    made, key = await manage.create_application(call.vault, body.name, tuple(body.redirect_uris), body.confirmation)
    return CreateApplicationResponse(data=CreatedApplication(application_id=made.id, api_key=key))


@api.operation("GET", "/manage/applications", "applicationsAll", summary="Get all applications",
               security="admin", errors=ERRORS)  # fmt: skip
async def every(call: Call) -> ApplicationsResponse:
    """All applications."""
    return ApplicationsResponse(data=[application_data(a) for a in await tenants.applications(call.vault.store)])


@api.operation("GET", APPLICATION, "applicationsOne", summary="Get application", security="admin", errors=ERRORS)
async def one(call: Call, application_id: ApplicationId) -> ApplicationResponse:
    """One application."""
    found = await tenants.application(manage.operator(application_id), call.vault.store)
    return ApplicationResponse(data=application_data(found))


@api.operation("PATCH", APPLICATION, "applicationsUpdate", summary="Update application",
               security="admin", errors=ERRORS)  # fmt: skip
async def update(
    call: Call, application_id: ApplicationId, body: Annotated[ApplicationChange, Body("What to change.")]
) -> ApplicationResponse:
    """Changes an application's name, redirect URIs or confirmation."""
    changed = await manage.update_application(
        call.vault,
        application_id,
        name=body.name,
        redirect_uris=tuple(body.redirect_uris) if body.redirect_uris is not None else None,
        confirmation=body.confirmation,
    )
    return ApplicationResponse(data=application_data(changed))


@api.operation("DELETE", APPLICATION, "applicationsDelete", summary="Delete application", status=204,
               security="admin", errors=ERRORS)  # fmt: skip
async def delete(call: Call, application_id: ApplicationId) -> None:
    """Deletes the application with everything it owns; its data key goes too, so no backup of its secrets opens."""
    await manage.delete_application(call.vault, application_id)


@api.operation("POST", APPLICATION + "/api-keys", "apiKeysCreate", summary="Create API key",
               security="admin", errors=ERRORS)  # fmt: skip
async def create_key(
    call: Call, application_id: ApplicationId, body: Annotated[KeyInput, Body("Its scopes.", required=False)]
) -> KeyResponse:
    """Makes another API key; its text is shown here once."""
    key, text = await manage.create_key(call.vault, application_id, tuple(body.scopes))
    return KeyResponse(data=key_data(key, text))


@api.operation("GET", APPLICATION + "/api-keys", "apiKeysAll", summary="Get API keys",
               security="admin", errors=ERRORS)  # fmt: skip
async def keys(call: Call, application_id: ApplicationId) -> KeysResponse:
    """The API keys of an application, without their texts."""
    scope = manage.operator(application_id)
    await tenants.application(scope, call.vault.store)
    return KeysResponse(data=[key_data(k) for k in await tenants.keys(scope, call.vault.store)])


@api.operation("DELETE", APPLICATION + "/api-keys/{key_id}", "apiKeysDelete", summary="Delete API key", status=204,
               security="admin", errors=ERRORS)  # fmt: skip
async def delete_key(call: Call, application_id: ApplicationId, key_id: KeyId) -> None:
    """Takes an API key away; other nodes follow within a second."""
    await manage.delete_key(call.vault, application_id, key_id)


@api.operation("PUT", INTEGRATION, "integrationsPut", summary="Set up integration", security="admin", errors=ERRORS)
async def put_integration(
    call: Call,
    application_id: ApplicationId,
    unified_api: UnifiedApi,
    service_id: ServiceId,
    body: Annotated[IntegrationInput, Body("What to set.", required=False)],
) -> IntegrationResponse:
    """Switches a connector on for the application and gives it the application's OAuth client."""
    given: dict[str, Any] = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not UNSET}
    made = await manage.put_integration(call.vault, application_id, unified_api, service_id, given)
    return IntegrationResponse(data=integration_data(call.vault, made))


@api.operation("GET", INTEGRATION, "integrationsOne", summary="Get integration", security="admin", errors=ERRORS)
async def one_integration(
    call: Call, application_id: ApplicationId, unified_api: UnifiedApi, service_id: ServiceId
) -> IntegrationResponse:
    """One integration, without its secrets."""
    found = await manage.integration(call.vault, application_id, unified_api, service_id)
    return IntegrationResponse(data=integration_data(call.vault, found))


@api.operation("GET", APPLICATION + "/integrations", "integrationsAll", summary="Get integrations",
               security="admin", errors=ERRORS)  # fmt: skip
async def integrations(call: Call, application_id: ApplicationId) -> IntegrationsResponse:
    """The integrations of an application, without their secrets."""
    scope = manage.operator(application_id)
    await tenants.application(scope, call.vault.store)
    found = await tenants.integrations(scope, call.vault.store)
    return IntegrationsResponse(
        data=[
            integration_data(call.vault, i)
            for i in found.values()
            if call.vault.catalog.offers(i.unified_api, i.service_id)
        ]
    )


@api.operation("DELETE", INTEGRATION, "integrationsDelete", summary="Delete integration", status=204,
               security="admin", errors=ERRORS)  # fmt: skip
async def delete_integration(
    call: Call, application_id: ApplicationId, unified_api: UnifiedApi, service_id: ServiceId
) -> None:
    """Takes the integration out of the application's list."""
    await manage.delete_integration(call.vault, application_id, unified_api, service_id)


def integration_data(vault: Vault, found: Integration) -> IntegrationData:
    """How an integration is told to the operator, with the redirect URI to register at the provider."""
    connector = vault.catalog.get(found.unified_api, found.service_id)
    return IntegrationData(
        unified_api=found.unified_api,
        service_id=found.service_id,
        enabled=found.enabled,
        integration_state=integration_state(found, connector),
        client_id=found.client.client_id if found.client else None,
        has_client_secret=bool(found.client and found.client.client_secret),
        scopes=list(found.scopes) if found.scopes is not None else None,
        settings_set=sorted(found.settings),
        redirect_uri=manage.redirect_uri(vault, found),
    )


def application_data(found: Application) -> ApplicationData:
    return ApplicationData(
        application_id=found.id,
        name=found.name,
        redirect_uris=list(found.redirect_uris),
        confirmation=found.confirmation,
        created_at=found.created_at,
    )


def key_data(found: ApiKey, text: str | UnsetType = UNSET) -> KeyData:
    return KeyData(
        id=found.id,
        scopes=list(found.scopes),
        last_four=found.last_four,
        created_at=found.created_at,
        api_key=text,
    )
