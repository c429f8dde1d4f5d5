"""The management API: applications, API keys and integrations, for whoever holds the admin token."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.domain.connection import IntegrationState, integration_state
from holdfast.domain.tenancy import ACTIONS, DEFAULT_ACTIONS, ApiKey, Application, Confirmation, Integration
from holdfast.http.browser import ApplicationId
from holdfast.http.connections import ServiceId, UnifiedApi
from holdfast.http.operations import Api, Body, Call, Param
from holdfast.http.wire import meanings
from holdfast.http.wire.envelope import DATA, Answer
from holdfast.store import tenants
from holdfast.usecases import manage
from holdfast.usecases.vault import Vault

api = Api("Management")

KeyId = Annotated[str, Param("path", "key_id", "The API key's id.")]
APPLICATION = "/manage/applications/{application_id}"
INTEGRATION = APPLICATION + "/integrations/{unified_api}/{service_id}"
ERRORS = (400, 401, 404, 422)
KeyScope = Annotated[str, Meta(extra_json_schema={"enum": list(ACTIONS)})]
NAME = Meta(description="The product's name.")
REDIRECT_URIS = Meta(
    description="Where browsers may return to after an authorization, compared as text; the first is the default."
)
CONFIRMATION = Meta(
    description="Whether the product confirms who came back: `auto` on Holdfast's own page, `always` on every page, "
    "`off` nowhere."
)
KEY_SCOPES = Meta(description="What the key may do: `connections`, `sessions`, `proxy`, `credentials:read`.")
SCOPES = Meta(description="OAuth scopes to ask the consumer for; null asks for the connector's own.")
ENABLED = Meta(description="Whether the integration is offered to consumers.")
CLIENT_ID = Meta(description="The application's OAuth client at the provider.")


class ApplicationInput(msgspec.Struct, kw_only=True):
    """A new application."""

    name: Annotated[str, NAME]
    redirect_uris: Annotated[list[str], REDIRECT_URIS] = []
    confirmation: Annotated[Confirmation, CONFIRMATION] = "auto"


class ApplicationChange(msgspec.Struct, kw_only=True):
    """What to change of an application."""

    name: Annotated[str | None, NAME] = None
    redirect_uris: Annotated[list[str] | None, REDIRECT_URIS] = None
    confirmation: Annotated[Confirmation | None, CONFIRMATION] = None


class KeyInput(msgspec.Struct, kw_only=True):
    """What a new API key may do."""

    scopes: Annotated[list[KeyScope], KEY_SCOPES] = msgspec.field(default_factory=lambda: list(DEFAULT_ACTIONS))


class IntegrationInput(msgspec.Struct, kw_only=True):
    """What to set of an integration; members that are left out keep their value, null clears."""

    enabled: Annotated[bool | UnsetType, ENABLED] = UNSET
    client_id: Annotated[str | None | UnsetType, CLIENT_ID] = UNSET
    client_secret: Annotated[
        str | None | UnsetType, Meta(description="Its secret, which leaves the vault only for the provider.")
    ] = UNSET
    scopes: Annotated[list[str] | None | UnsetType, SCOPES] = UNSET
    settings: Annotated[
        dict[str, str | None] | UnsetType,
        Meta(description="Values of the connector's settings that the application fills in; null clears one."),
    ] = UNSET


class ApplicationData(msgspec.Struct, kw_only=True):
    """An application."""

    application_id: meanings.ApplicationId
    name: Annotated[str, NAME]
    redirect_uris: Annotated[list[str], REDIRECT_URIS]
    confirmation: Annotated[Confirmation, CONFIRMATION]
    created_at: meanings.Epoch


class CreatedApplication(msgspec.Struct, kw_only=True):
    """A new application; its key is shown here once."""

    application_id: meanings.ApplicationId
    api_key: Annotated[str, Meta(description="Its first API key; shown here once.")]


class KeyData(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An API key; `api_key` only in the answer that makes it."""

    id: Annotated[str, Meta(description="The key's id.")]
    scopes: Annotated[list[str], KEY_SCOPES]
    last_four: Annotated[str, Meta(description="How the key ends.")]
    created_at: meanings.Epoch
    api_key: Annotated[
        str | UnsetType, Meta(description="The key itself, in the answer that makes it and nowhere else.")
    ] = UNSET


class IntegrationData(msgspec.Struct, kw_only=True):
    """An integration; secrets are told by whether they are set."""

    unified_api: meanings.UnifiedApi
    service_id: meanings.ServiceId
    enabled: Annotated[bool, ENABLED]
    integration_state: IntegrationState
    client_id: Annotated[str | None, CLIENT_ID]
    has_client_secret: Annotated[bool, Meta(description="Whether its secret is set.")]
    scopes: Annotated[list[str] | None, SCOPES]
    settings_set: Annotated[list[str], Meta(description="Settings of the connector that are filled in.")]
    redirect_uri: Annotated[
        str | None, Meta(description="What to register at the provider as the client's redirect URI.")
    ]


class CreateApplicationResponse(Answer, kw_only=True):
    """The application that was created."""

    data: CreatedApplication


class ApplicationResponse(Answer, kw_only=True):
    """One application."""

    data: ApplicationData


class ApplicationsResponse(Answer, kw_only=True):
    """All applications."""

    data: Annotated[list[ApplicationData], DATA]


class KeyResponse(Answer, kw_only=True):
    """One API key."""

    data: KeyData


class KeysResponse(Answer, kw_only=True):
    """The API keys of an application."""

    data: Annotated[list[KeyData], DATA]


class IntegrationResponse(Answer, kw_only=True):
    """One integration."""

    data: IntegrationData


class IntegrationsResponse(Answer, kw_only=True):
    """The integrations of an application."""

    data: Annotated[list[IntegrationData], DATA]


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
