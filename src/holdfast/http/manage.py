"""The management API: applications, API keys and integrations, for whoever holds the admin token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from holdfast.domain.credential import Secret
from holdfast.domain.tenancy import DEFAULT_ACTIONS, Action, Confirmation
from holdfast.http.browser import ApplicationId
from holdfast.http.connections import ServiceId, UnifiedApi
from holdfast.http.operations import Api, Body, Call, Param
from holdfast.http.wire.envelope import DATA, Answer
from holdfast.usecases import manage
from holdfast.usecases.manage import (
    ApplicationData,
    CreatedApplication,
    EndingData,
    IntegrationData,
    KeyBounds,
    KeyData,
    words,
)

api = Api("Management")

KeyId = Annotated[str, Param("path", "key_id", "The API key's id.")]
KeepGrants = Annotated[
    bool | None, Param("query", "keep_grants", "Deletes at once, and leaves the grants alive at their services.")
]
APPLICATION = "/manage/applications/{application_id}"
INTEGRATION = APPLICATION + "/integrations/{unified_api}/{service_id}"
ERRORS = (400, 401, 404, 422)


class ApplicationInput(msgspec.Struct, kw_only=True):
    """A new application."""

    name: Annotated[str, words.NAME]
    redirect_uris: Annotated[list[str], words.REDIRECT_URIS] = []
    confirmation: Annotated[Confirmation, words.CONFIRMATION] = "auto"


class ApplicationChange(msgspec.Struct, kw_only=True):
    """What to change of an application; members that are left out keep their value, null clears."""

    name: Annotated[str | UnsetType, words.NAME] = UNSET
    redirect_uris: Annotated[list[str] | None | UnsetType, words.REDIRECT_URIS] = UNSET
    confirmation: Annotated[Confirmation | UnsetType, words.CONFIRMATION] = UNSET


class KeyInput(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a new API key may do, and where."""

    scopes: Annotated[list[Action], words.KEY_SCOPES] = msgspec.field(default_factory=lambda: list(DEFAULT_ACTIONS))
    bounds: Annotated[KeyBounds | UnsetType, words.KEY_BOUNDS] = UNSET


class IntegrationInput(msgspec.Struct, kw_only=True):
    """What to set of an integration; members that are left out keep their value, null clears."""

    enabled: Annotated[bool | UnsetType, words.ENABLED] = UNSET
    client_id: Annotated[str | None | UnsetType, words.CLIENT_ID] = UNSET
    client_secret: Annotated[str | None | UnsetType, words.CLIENT_SECRET] = UNSET
    scopes: Annotated[list[str] | None | UnsetType, words.SCOPES] = UNSET
    settings: Annotated[dict[str, str | None] | UnsetType, words.SETTINGS] = UNSET


class EndingsResponse(Answer, kw_only=True):
    """What a deletion would end, by service."""

    data: Annotated[list[EndingData], DATA]


class CreateApplicationResponse(Answer, kw_only=True):
    """The application that was created."""

    data: Annotated[CreatedApplication, DATA]


class ApplicationResponse(Answer, kw_only=True):
    """One application."""

    data: Annotated[ApplicationData, DATA]


class ApplicationsResponse(Answer, kw_only=True):
    """All applications."""

    data: Annotated[list[ApplicationData], DATA]


class KeyResponse(Answer, kw_only=True):
    """One API key."""

    data: Annotated[KeyData, DATA]


class KeysResponse(Answer, kw_only=True):
    """The API keys of an application."""

    data: Annotated[list[KeyData], DATA]


class IntegrationResponse(Answer, kw_only=True):
    """One integration."""

    data: Annotated[IntegrationData, DATA]


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
    return ApplicationsResponse(data=await manage.every_application(call.vault))


@api.operation("GET", APPLICATION, "applicationsOne", summary="Get application", security="admin", errors=ERRORS)
async def one(call: Call, application_id: ApplicationId) -> ApplicationResponse:
    """One application."""
    return ApplicationResponse(data=await manage.one_application(call.vault, application_id))


@api.operation("PATCH", APPLICATION, "applicationsUpdate", summary="Update application",
               security="admin", errors=ERRORS)  # fmt: skip
async def update(
    call: Call, application_id: ApplicationId, body: Annotated[ApplicationChange, Body("What to change.")]
) -> ApplicationResponse:
    """Changes an application's name, redirect URIs or confirmation."""
    given = manage.ApplicationChange(name=body.name, redirect_uris=body.redirect_uris, confirmation=body.confirmation)
    return ApplicationResponse(data=await manage.update_application(call.vault, application_id, given))


@api.operation("DELETE", APPLICATION, "applicationsDelete", summary="Delete application", status=204,
               security="admin", errors=ERRORS)  # fmt: skip
async def delete(call: Call, application_id: ApplicationId, keep_grants: KeepGrants = None) -> None:
    """Deletes the application with everything it owns, for everybody at once. Its grants are then ended at their
    services, which is tried for about a day; after that its data key goes too, so no backup of its secrets opens."""
    await manage.delete_application(call.vault, application_id, keep_grants=bool(keep_grants))


@api.operation("GET", APPLICATION + "/deletion", "applicationsDeletion", summary="Tell what a deletion would end",
               security="admin", errors=ERRORS)  # fmt: skip
async def endings(call: Call, application_id: ApplicationId) -> EndingsResponse:
    """How many connections and grants would end with the application, by service. Deletes nothing."""
    return EndingsResponse(data=await manage.endings(call.vault, application_id))


@api.operation("POST", APPLICATION + "/api-keys", "apiKeysCreate", summary="Create API key",
               security="admin", errors=ERRORS)  # fmt: skip
async def create_key(
    call: Call, application_id: ApplicationId, body: Annotated[KeyInput, Body("Its scopes and bounds.", required=False)]
) -> KeyResponse:
    """Makes another API key; its text is shown here once."""
    bounds = None if body.bounds is UNSET else body.bounds
    return KeyResponse(data=await manage.create_key(call.vault, application_id, body.scopes, bounds))


@api.operation("GET", APPLICATION + "/api-keys", "apiKeysAll", summary="Get API keys",
               security="admin", errors=ERRORS)  # fmt: skip
async def keys(call: Call, application_id: ApplicationId) -> KeysResponse:
    """The API keys of an application, without their texts."""
    return KeysResponse(data=await manage.every_key(call.vault, application_id))


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
    made = await manage.put_integration(call.vault, application_id, unified_api, service_id, _change(body))
    return IntegrationResponse(data=made)


@api.operation("GET", INTEGRATION, "integrationsOne", summary="Get integration", security="admin", errors=ERRORS)
async def one_integration(
    call: Call, application_id: ApplicationId, unified_api: UnifiedApi, service_id: ServiceId
) -> IntegrationResponse:
    """One integration, without its secrets."""
    found = await manage.one_integration(call.vault, application_id, unified_api, service_id)
    return IntegrationResponse(data=found)


@api.operation("GET", APPLICATION + "/integrations", "integrationsAll", summary="Get integrations",
               security="admin", errors=ERRORS)  # fmt: skip
async def integrations(call: Call, application_id: ApplicationId) -> IntegrationsResponse:
    """The integrations of an application, without their secrets."""
    return IntegrationsResponse(data=await manage.every_integration(call.vault, application_id))


@api.operation("DELETE", INTEGRATION, "integrationsDelete", summary="Delete integration", status=204,
               security="admin", errors=ERRORS)  # fmt: skip
async def delete_integration(
    call: Call, application_id: ApplicationId, unified_api: UnifiedApi, service_id: ServiceId
) -> None:
    """Takes the integration out of the application's list."""
    await manage.delete_integration(call.vault, application_id, unified_api, service_id)


def _change(body: IntegrationInput) -> manage.IntegrationChange:
    return manage.IntegrationChange(
        enabled=body.enabled,
        client_id=body.client_id,
        client_secret=_secret(body.client_secret) if body.client_secret is not UNSET else UNSET,
        scopes=body.scopes,
        settings=_secrets(body.settings) if body.settings is not UNSET else UNSET,
    )


def _secrets(given: Mapping[str, str | None]) -> dict[str, Secret | None]:
    return {id: _secret(value) for id, value in given.items()}


def _secret(value: str | None) -> Secret | None:
    return Secret(value) if value is not None else None
