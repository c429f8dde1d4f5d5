"""A consumer's connection to one service under one unified API, and the words it is described in."""

from __future__ import annotations

from typing import Any

from openapi_client.model import MASK, Model, OpenEnum, masked
from openapi_client.models.custom_field_finder import CustomMapping
from openapi_client.models.form_field import FormField, FormFieldOption


class ConnectionState(OpenEnum):
    """How far a connection has come.

    available: not added. added: to be authorized or filled in. invalid: the service refused what was filled in.
    authorized: something is missing still, or it is switched off. callable: ready for calls.
    """

    AVAILABLE = "available"
    CALLABLE = "callable"
    ADDED = "added"
    AUTHORIZED = "authorized"
    INVALID = "invalid"


class ConnectionHealth(OpenEnum):
    """The most pressing thing that is wrong with a connection, or `ok`."""

    REVOKED = "revoked"
    MISSING_SETTINGS = "missing_settings"
    NEEDS_CONSENT = "needs_consent"
    PENDING_CONFIRMATION = "pending_confirmation"
    NEEDS_AUTH = "needs_auth"
    PENDING_REFRESH = "pending_refresh"
    DEGRADED = "degraded"
    OK = "ok"


class IntegrationState(OpenEnum):
    """Whether the application has set up the service, `needs_configuration` if it owes an OAuth client, say."""

    DISABLED = "disabled"
    NEEDS_CONFIGURATION = "needs_configuration"
    CONFIGURED = "configured"


class AuthType(OpenEnum):
    """What kind of credential the service takes."""

    OAUTH2 = "oauth2"
    APIKEY = "apiKey"
    BASIC = "basic"
    CUSTOM = "custom"
    NONE = "none"


class OAuthGrantType(OpenEnum):
    """How an OAuth service gives its tokens (RFC 6749 sections 4.1, 4.4 and 4.3)."""

    AUTHORIZATION_CODE = "authorization_code"
    CLIENT_CREDENTIALS = "client_credentials"
    PASSWORD = "password"


class ConsentState(OpenEnum):
    """What the consumer says to the application's use of the data; `implicit` where nobody has to be asked."""

    IMPLICIT = "implicit"
    PENDING = "pending"
    GRANTED = "granted"
    DENIED = "denied"
    REVOKED = "revoked"
    REQUIRES_RECONSENT = "requires_reconsent"


class ConsentRecord(Model):
    """One answer of a consumer. `created_at` is an ISO 8601 time; `resources` is "*" or rights by resource, field."""

    id: str | None = None
    created_at: str | None = None
    granted: bool | None = None
    resources: str | dict[str, Any] | None = None


class DataScopes(Model):
    """What the application asks consent for, in the same form."""

    enabled: bool | None = None
    updated_at: str | None = None
    resources: str | dict[str, Any] | None = None


class WebhookSubscription(Model):
    """A subscription to the service's own events, which it sends to `execute_url`. `created_at` is ISO 8601."""

    downstream_id: str | None = None
    downstream_event_types: list[str] | None = None
    unify_event_types: list[str] | None = None
    execute_url: str | None = None
    created_at: str | None = None


class ConnectionConfigurationInnerDefaultsInner(Model):
    """The default of one field; `target` is "resource" for unified fields, "custom_fields" for the service's own."""

    id: str | None = None
    value: Any = None
    target: str | None = None
    type: str | None = None
    options: list[FormFieldOption] | None = None


class ConnectionConfigurationInner(FormField):
    """On a connection: a `resource` and its `defaults`. From `connection_settings_all`: one form field as well."""

    resource: str | None = None
    defaults: list[ConnectionConfigurationInnerDefaultsInner] | None = None
    target: str | None = None


class Connection(Model):
    """To write, set `enabled`, `settings`, `metadata`, `configuration` or `custom_mappings`; the vault says the rest.

    `id` is `{unified_api}+{service_id}`. `authorize_url` and `revoke_url` are links for the consumer's browser; add
    a `redirect_uri` to them. Times are milliseconds since the epoch, 0 for "not the case": `credentials_expire_at`
    is when credentials that no longer refresh are given up. `repr` leaves out what `settings` hold and links say.
    """

    id: str | None = None
    service_id: str | None = None
    name: str | None = None
    tag_line: str | None = None
    unified_api: str | None = None
    state: ConnectionState | None = None
    integration_state: IntegrationState | None = None
    health: ConnectionHealth | None = None
    auth_type: AuthType | None = None
    oauth_grant_type: OAuthGrantType | None = None
    status: str | None = None
    enabled: bool | None = None
    website: str | None = None
    icon: str | None = None
    logo: str | None = None
    authorize_url: str | None = None
    revoke_url: str | None = None
    settings: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    form_fields: list[FormField] | None = None
    configuration: list[ConnectionConfigurationInner] | None = None
    configurable_resources: list[str] | None = None
    resource_schema_support: list[str] | None = None
    resource_settings_support: list[str] | None = None
    validation_support: bool | None = None
    schema_support: bool | None = None
    settings_required_for_authorization: list[str] | None = None
    subscriptions: list[WebhookSubscription] | None = None
    has_guide: bool | None = None
    custom_mappings: list[CustomMapping] | None = None
    consent_state: ConsentState | None = None
    consents: list[ConsentRecord] | None = None
    latest_consent: ConsentRecord | None = None
    application_data_scopes: DataScopes | None = None
    credentials_expire_at: int | float | None = None
    last_refresh_failed_at: int | float | None = None
    last_downstream_error_at: int | float | None = None
    created_at: int | float | None = None
    updated_at: int | float | None = None

    def _shown(self) -> dict[str, Any]:
        shown = super()._shown()
        for name in ("authorize_url", "revoke_url"):
            if link := shown.get(name):
                shown[name] = link.partition("?")[0] + "?" + MASK
        return {**shown, "settings": masked(self.settings)} if self.settings else shown
