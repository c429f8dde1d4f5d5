"""A connection: as it is told, and as it is sent.

`Connection` is the document of clients. No object of it is made for an answer: `told` writes what the connector says
once, and what the connection says (`Varying`) each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.domain.connection import Health, IntegrationState, State
from holdfast.domain.consent import ConsentState
from holdfast.http.wire.configuration import ConfigurationItem, configured
from holdfast.http.wire.form import FormField
from holdfast.http.wire.meanings import ConnectionId, Json, Metadata, ServiceId, Settings, UnifiedApi
from holdfast.http.wire.words import AuthType, OAuthGrantType, Status
from holdfast.usecases.connections import Patch


class Varying(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The members of a connection that are not the same for everybody."""

    state: State
    integration_state: IntegrationState
    enabled: Annotated[bool, Meta(description="Whether the connection may be used.")]
    authorize_url: Annotated[
        str | None,
        Meta(
            description="Opened in the consumer's browser, with a `redirect_uri` added, it starts an authorization. "
            "Null where there is nothing to authorize or a setting has to be filled in first."
        ),
    ]
    revoke_url: Annotated[str | None, Meta(description="The same to end the grant; null where there is none.")]
    health: Health | UnsetType = UNSET
    settings: Settings = UNSET
    metadata: Metadata = UNSET
    configuration: Annotated[
        list[ConfigurationItem] | UnsetType,
        Meta(
            description="Defaults by resource. "
            "In the settings of one resource each item is also a field of the resource's form."
        ),
    ] = UNSET
    consent_state: Annotated[ConsentState | UnsetType, Meta(description="`implicit`: nobody has to be asked.")] = UNSET
    credentials_expire_at: Annotated[
        int | UnsetType,
        Meta(
            description="When credentials that the service no longer refreshes are given up: "
            "milliseconds since the epoch, or 0."
        ),
    ] = UNSET
    last_refresh_failed_at: Annotated[
        int | UnsetType, Meta(description="The last failed refresh: milliseconds since the epoch, or 0.")
    ] = UNSET
    last_downstream_error_at: Annotated[
        int | UnsetType,
        Meta(description="Since when the service cannot be reached: milliseconds since the epoch, or 0."),
    ] = UNSET
    created_at: Annotated[
        int | UnsetType,
        Meta(description="Milliseconds since the epoch; missing until the consumer adds the connection."),
    ] = UNSET
    updated_at: Annotated[
        int | None | UnsetType, Meta(description="Milliseconds since the epoch; null until the first change.")
    ] = UNSET


class Connection(Varying, omit_defaults=True, kw_only=True):
    """A consumer's connection to a service; every integration has one, added or not."""

    id: ConnectionId
    service_id: ServiceId
    name: Annotated[str, Meta(description="The service's name.")]
    tag_line: Annotated[str | UnsetType, Meta(description="The service in a few words.")] = UNSET
    unified_api: UnifiedApi
    auth_type: AuthType
    oauth_grant_type: OAuthGrantType | UnsetType = UNSET
    status: Annotated[Status, Meta(description="Whether the connector is `live`, `upcoming` or `requested`.")]
    website: Annotated[str, Meta(description="The service's own page.")]
    icon: Annotated[str | UnsetType, Meta(description="A square image.")] = UNSET
    logo: Annotated[str | UnsetType, Meta(description="An image with the service's name.")] = UNSET
    form_fields: Annotated[
        list[FormField], Meta(description="What the consumer fills in, with the values that are stored.")
    ]
    configurable_resources: Annotated[list[str], Meta(description="Resources that have settings.")]
    resource_schema_support: Annotated[list[str], Meta(description="Resources whose schema can be asked for.")]
    resource_settings_support: Annotated[list[str], Meta(description="Resources that have settings.")]
    validation_support: Annotated[
        bool,
        Meta(description="Whether new settings are tried at the service; refused ones make the state `invalid`."),
    ]
    schema_support: Annotated[bool, Meta(description="Whether schemas can be asked for.")]
    settings_required_for_authorization: Annotated[
        list[str], Meta(description="Form fields that have to be filled in before authorizing.")
    ]
    subscriptions: Annotated[list[Json], Meta(description="Subscriptions to the service's own events.")]
    has_guide: Annotated[bool, Meta(description="Whether there is a setup guide for consumers.")]
    custom_mappings: Annotated[list[Json], Meta(description="Fields of the product that the consumer has mapped.")]


class ConnectionInput(msgspec.Struct, kw_only=True):
    """What is read of a `Connection` that a caller sends; everything else in it is ignored."""

    enabled: bool | UnsetType = UNSET
    settings: Json | None | UnsetType = UNSET
    metadata: Json | None | UnsetType = UNSET
    configuration: list[Json] | None | UnsetType = UNSET


class TokenInput(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Nothing: the credentials are those that are stored."""


def patch(sent: ConnectionInput) -> Patch:
    """What a caller asks to change."""
    wanted: Mapping[str, Sequence[Mapping[str, Any]]] | UnsetType = UNSET
    if isinstance(sent.configuration, list):
        wanted = configured(sent.configuration)
    return Patch(enabled=sent.enabled, settings=sent.settings, metadata=sent.metadata, configuration=wanted)
