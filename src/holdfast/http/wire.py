"""The API's field names, in both directions, and nothing else.

Structs are what answers and bodies look like; a member that is UNSET is left out, because strict clients refuse
null where the API does not have it. Functions below turn values of the domain into them and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.catalog import Catalog
from holdfast.domain.connection import (
    Connection as Held,
)
from holdfast.domain.connection import (
    Health,
    IntegrationState,
    State,
    health,
    integration_state,
    missing_for_authorization,
    state,
)
from holdfast.domain.consent import ConsentState
from holdfast.domain.credential import Sealed
from holdfast.domain.manifest.connector import AuthType, GrantType, Option, ResourceField, Setting
from holdfast.domain.masking import mask
from holdfast.domain.tenancy import ConsumerScope, Scope
from holdfast.errors import RequestValidationError
from holdfast.grants.listing import CustomField
from holdfast.usecases import links
from holdfast.usecases.connections import Import, Patch, imported_token
from holdfast.usecases.subject import Subject
from holdfast.usecases.vault import Vault

FieldType = Literal[
    "text", "checkbox", "tel", "email", "url", "textarea", "select", "filtered-select", "multi-select",
    "datetime", "date", "time", "number",
]  # fmt: skip
Json = dict[str, Any]
Millis = int


class FormFieldOption(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One choice of a select."""

    label: str
    value: str
    option_type: Literal["simple"]


class FormField(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A field of a form that the consumer fills in."""

    id: str
    label: str
    value: Any = UNSET
    placeholder: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    type: FieldType
    required: bool
    custom_field: bool = msgspec.field(default_factory=bool)
    allow_custom_values: bool = msgspec.field(default_factory=bool)
    disabled: bool
    hidden: bool
    deprecated: bool = msgspec.field(default_factory=bool)
    sensitive: bool
    prefix: str | UnsetType = UNSET
    suffix: str | UnsetType = UNSET
    options: list[FormFieldOption] | UnsetType = UNSET


class ConfigurationDefault(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The default of one field of a resource."""

    id: str
    value: Any = None
    target: Literal["custom_fields", "resource"] | UnsetType = UNSET
    options: list[FormFieldOption] | UnsetType = UNSET


class ConfigurationItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The defaults of one resource; in a resource's own settings also one field of its form."""

    resource: str
    defaults: list[ConfigurationDefault]
    id: str | UnsetType = UNSET
    label: str | UnsetType = UNSET
    type: FieldType | UnsetType = UNSET
    value: Any = UNSET
    target: Literal["custom_fields", "resource"] | UnsetType = UNSET
    required: bool | UnsetType = UNSET
    placeholder: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    options: list[FormFieldOption] | UnsetType = UNSET


class Connection(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A consumer's connection to a service; every integration has one, added or not."""

    id: str
    service_id: str
    name: str
    tag_line: str | UnsetType = UNSET
    unified_api: str
    state: State
    integration_state: IntegrationState
    health: Health | UnsetType = UNSET
    auth_type: AuthType
    oauth_grant_type: GrantType | UnsetType = UNSET
    status: Literal["live", "upcoming", "requested"]
    enabled: bool
    website: str
    icon: str | UnsetType = UNSET
    logo: str | UnsetType = UNSET
    authorize_url: str | None
    revoke_url: str | None
    settings: Json | None | UnsetType = UNSET
    metadata: Json | None | UnsetType = UNSET
    form_fields: list[FormField]
    configuration: list[ConfigurationItem] | UnsetType = UNSET
    configurable_resources: list[str]
    resource_schema_support: list[str]
    resource_settings_support: list[str]
    validation_support: bool
    schema_support: bool
    settings_required_for_authorization: list[str]
    subscriptions: list[Json]
    has_guide: bool
    custom_mappings: list[Json]
    consent_state: ConsentState | UnsetType = UNSET
    credentials_expire_at: Millis | UnsetType = UNSET
    last_refresh_failed_at: Millis | UnsetType = UNSET
    last_downstream_error_at: Millis | UnsetType = UNSET
    created_at: Millis | UnsetType = UNSET
    updated_at: Millis | None | UnsetType = UNSET


class CustomFieldFinder(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A custom field, and the JSONPath that finds its value in a record."""

    id: str
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    finder: str


class GetConnectionResponse(msgspec.Struct, kw_only=True):
    """One connection."""

    status_code: int = 200
    status: str = "OK"
    data: Connection


class GetConnectionsResponse(msgspec.Struct, kw_only=True):
    """The connections of a consumer."""

    status_code: int = 200
    status: str = "OK"
    data: list[Connection]


class CreateConnectionResponse(msgspec.Struct, kw_only=True):
    """The connection that was created."""

    status_code: int = 201
    status: str = "OK"
    data: Connection


class UpdateConnectionResponse(msgspec.Struct, kw_only=True):
    """The connection as it is after the change."""

    status_code: int = 200
    status: str = "OK"
    data: Connection


class GetCustomFieldsResponse(msgspec.Struct, kw_only=True):
    """The custom fields of a resource."""

    status_code: int = 200
    status: str = "OK"
    data: list[CustomFieldFinder]


class ConfigurationInput(msgspec.Struct, kw_only=True):
    """Defaults of a resource, as a caller sends them."""

    resource: str
    defaults: list[Json] = []


class ConnectionInput(msgspec.Struct, kw_only=True):
    """What is read of a `Connection` that a caller sends; everything else in it is ignored."""

    enabled: bool | UnsetType = UNSET
    settings: Json | None | UnsetType = UNSET
    metadata: Json | None | UnsetType = UNSET
    configuration: list[Json] | None | UnsetType = UNSET


class ImportCredentials(msgspec.Struct, kw_only=True):
    """Tokens that were obtained elsewhere."""

    refresh_token: str | None = None
    access_token: str | None = None
    issued_at: Annotated[str | None, Meta(extra_json_schema={"format": "date-time"})] = None
    expires_in: int | None = None


class ConnectionImportData(msgspec.Struct, kw_only=True):
    """A connection that was made elsewhere."""

    credentials: ImportCredentials | None = None
    settings: Json | None = None
    metadata: Json | None | UnsetType = UNSET


class TokenInput(msgspec.Struct, kw_only=True):
    """Nothing: the credentials are those that are stored."""


TOKEN_LIMIT = 65_536
LIFETIME_LIMIT = 10 * 366 * 86_400
STATUSES: dict[str, Literal["live", "upcoming", "requested"]] = {"development": "upcoming", "considering": "requested"}


def connection(scope: Scope, vault: Vault, subject: Subject) -> Connection:
    """How `subject` is told."""
    held, now = subject.connection, vault.clock.now()
    told = copy(_described(vault.catalog, subject.unified_api, subject.connector.id))
    told.state = state(held, subject.connector, now)
    told.integration_state = integration_state(subject.integration, subject.connector)
    told.authorize_url = _authorize_url(scope, vault, subject)
    told.form_fields = [_form_field(held, s) for s in subject.connector.at("connection")]
    if held is not None and isinstance(scope, ConsumerScope):
        told.revoke_url = _revoke_url(scope, vault, subject, held)
        _tell_record(told, subject, held, now)
    return told


@lru_cache(maxsize=4096)
def _described(catalog: Catalog, api: str, service_id: str) -> Connection:
    """What an answer says of the connector itself: the same each time, for every consumer."""
    connector = catalog.get(api, service_id)
    oauth, configurable = connector.auth.oauth, list(connector.unified_apis[api].config)
    return Connection(
        id=f"{api}+{connector.id}",
        service_id=connector.id,
        name=connector.name,
        tag_line=connector.tag_line or UNSET,
        unified_api=api,
        state="available",
        integration_state="configured",
        auth_type=connector.auth.type,
        oauth_grant_type=oauth.grant if oauth else UNSET,
        status=STATUSES.get(connector.status, "live"),
        enabled=False,
        website=connector.website,
        authorize_url=None,
        revoke_url=None,
        form_fields=[],
        configurable_resources=configurable,
        resource_schema_support=[],
        resource_settings_support=configurable,
        validation_support=connector.verify is not None and oauth is None,
        schema_support=False,
        settings_required_for_authorization=[s.id for s in connector.at("connection") if s.before_authorize],
        subscriptions=[],
        has_guide=False,
        custom_mappings=[],
        consent_state="implicit",
    )


def resource_settings(
    scope: Scope,
    vault: Vault,
    subject: Subject,
    resource: str,
    form: Sequence[tuple[ResourceField, Sequence[Option]]],
) -> Connection:
    """The connection with the form of one resource in the place of its configuration.

    Each item reads both ways: as a form field, and as the resource's defaults.
    """
    told = connection(scope, vault, subject)
    stored = subject.connection.configuration.get(resource, ()) if subject.connection else ()
    values = {d["id"]: d.get("value") for d in stored}
    defaults = [_default(d) for d in stored]
    told.configuration = [_config_item(resource, f, options, values, defaults) for f, options in form]
    return told


def custom_field(found: CustomField) -> CustomFieldFinder:
    return CustomFieldFinder(
        id=found.id, name=found.name or UNSET, description=found.description or UNSET, finder=found.finder
    )


def patch(sent: ConnectionInput) -> Patch:
    """What a caller asks to change."""
    configuration: Mapping[str, Sequence[Mapping[str, Any]]] | UnsetType = UNSET
    if isinstance(sent.configuration, list):
        configuration = {item.resource: _defaults(item) for item in _configuration_items(sent.configuration)}
    return Patch(enabled=sent.enabled, settings=sent.settings, metadata=sent.metadata, configuration=configuration)


def resource_defaults(sent: ConnectionInput, resource: str) -> list[Json] | None:
    """The defaults that a caller sends for `resource`, None if it sends none; those of others are ignored."""
    items = _configuration_items(sent.configuration if isinstance(sent.configuration, list) else [])
    return next((_defaults(item) for item in items if item.resource == resource), None)


def imported(sent: ConnectionImportData, now: int) -> Import:
    """What a caller imports. RequestValidationError for a token or a time that cannot be one."""
    given = sent.credentials or ImportCredentials()
    for name in ("access_token", "refresh_token"):
        _check_token(name, getattr(given, name))
    issued_at = _issued_at(given.issued_at, now)
    if given.expires_in is not None and not 0 <= given.expires_in <= LIFETIME_LIMIT:
        raise RequestValidationError("credentials.expires_in is a number of seconds.")
    expires_at: int | None = None
    if issued_at is not None and given.expires_in is not None:
        expires_at = issued_at + given.expires_in * 1000
    elif given.refresh_token:
        # When it was issued, or for how long, is not known: renewed before its first use.
        expires_at = now
    return Import(
        token=imported_token(given.access_token, given.refresh_token, issued_at or now, expires_at),
        settings=sent.settings or {},
        metadata=sent.metadata,
    )


def _tell_record(told: Connection, subject: Subject, held: Held, now: int) -> None:
    """The members that exist only when the consumer has added the connection."""
    told.enabled = held.enabled
    told.health = health(held, subject.connector, now)
    hidden = {s.id for s in subject.connector.settings if s.sensitive}
    told.settings = {id: value for id, value in held.settings.items() if id not in hidden}
    told.metadata = dict(held.metadata)
    told.consent_state = held.consent_state
    told.credentials_expire_at = held.retained_until
    told.last_refresh_failed_at = held.last_refresh_failed_at
    told.last_downstream_error_at = held.last_downstream_error_at
    told.created_at = held.created_at
    told.updated_at = held.updated_at
    if held.configuration:
        told.configuration = [
            ConfigurationItem(resource=resource, defaults=[_default(d) for d in defaults])
            for resource, defaults in held.configuration.items()
        ]


def _authorize_url(scope: Scope, vault: Vault, subject: Subject) -> str | None:
    oauth = subject.connector.auth.oauth
    if oauth is None or oauth.grant != "authorization_code" or not isinstance(scope, ConsumerScope):
        return None
    if missing_for_authorization(subject.connector, subject.connection):
        return None
    token = links.sign(scope, vault, subject.unified_api, subject.connector.id, "authorize", "")
    return f"{vault.public_url}/vault/authorize/{subject.connector.id}/{scope.application_id}?state={token}"


def _revoke_url(scope: ConsumerScope, vault: Vault, subject: Subject, held: Held) -> str | None:
    oauth = subject.connector.auth.oauth
    if oauth is None or oauth.grant != "authorization_code" or held.grant is None:
        return None
    token = links.sign(scope, vault, subject.unified_api, subject.connector.id, "revoke", links.grant_name(held))
    return f"{vault.public_url}/vault/revoke/{subject.connector.id}/{scope.application_id}?state={token}"


def _form_field(held: Held | None, setting: Setting) -> FormField:
    value = _shown(held, setting)
    choices = held.choices.get(setting.id, ()) if held else ()
    options = [Option(**choice) for choice in choices] or list(setting.choices)
    return FormField(
        id=setting.id,
        label=setting.label,
        value=value if value is not None else setting.default or "",
        placeholder=setting.placeholder or UNSET,
        description=setting.description or UNSET,
        type=_field_type(setting.type),
        required=setting.required,
        disabled=setting.options_from is not None and not options,
        hidden=setting.hidden,
        sensitive=setting.sensitive,
        prefix=setting.prefix or UNSET,
        suffix=setting.suffix or UNSET,
        options=_options(options) if options or setting.type.endswith("select") else UNSET,
    )


def _shown(held: Held | None, setting: Setting) -> Any:
    """The stored value, or the mask of a secret."""
    if held is None:
        return None
    if not setting.sensitive:
        return held.settings.get(setting.id)
    secret = held.secrets.get(setting.id)
    return mask(secret) if isinstance(secret, Sealed) and not held.unreadable_at else None


def _field_type(type_: str) -> Any:
    """Clients refuse `password`; a sensitive text is one."""
    return "text" if type_ == "password" else type_


def _options(options: Sequence[Option]) -> list[FormFieldOption]:
    return [FormFieldOption(label=o.label, value=o.value, option_type="simple") for o in options]


def _config_item(
    resource: str,
    field: ResourceField,
    options: Sequence[Option],
    values: Mapping[str, Any],
    defaults: list[ConfigurationDefault],
) -> ConfigurationItem:
    return ConfigurationItem(
        resource=resource,
        defaults=defaults,
        id=field.id,
        label=field.label,
        type=_field_type(field.type),
        value=values.get(field.id, UNSET),
        target=field.target,
        required=field.required,
        placeholder=field.placeholder or UNSET,
        description=field.description or UNSET,
        options=_options(options) if options else UNSET,
    )


def _default(stored: Mapping[str, Any]) -> ConfigurationDefault:
    return ConfigurationDefault(id=stored["id"], value=stored.get("value"), target=stored.get("target", UNSET))


def _configuration_items(sent: list[Json]) -> list[ConfigurationInput]:
    """The items that name a resource and its defaults; a form field that is sent back is no such item."""
    try:
        return [msgspec.convert(item, ConfigurationInput) for item in sent if "resource" in item]
    except msgspec.ValidationError as error:
        raise RequestValidationError(f"configuration: {error}") from None


def _defaults(item: ConfigurationInput) -> list[Json]:
    """The stored members of each default; what else a form sends with it is dropped."""
    found = []
    for default in item.defaults:
        id, target = default.get("id"), default.get("target", "resource")
        if not isinstance(id, str) or not id or target not in ("resource", "custom_fields"):
            raise RequestValidationError("Each default has an id, and a target of resource or custom_fields.")
        found.append({"id": id, "value": default.get("value"), "target": target})
    return found


def _check_token(name: str, value: str | None) -> None:
    if value is not None and not (0 < len(value) <= TOKEN_LIMIT and value.isascii() and value.isprintable()):
        raise RequestValidationError(f"credentials.{name} is not a token that a header can carry.")


def _issued_at(text: str | None, now: int) -> int | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
        at = int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise RequestValidationError("credentials.issued_at is a time such as 2026-11-23T12:00:00Z.") from None
    if not 0 < at <= now + 300_000:
        raise RequestValidationError("credentials.issued_at lies in the future.")
    return at
