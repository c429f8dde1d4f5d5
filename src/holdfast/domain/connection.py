"""A connection: the facts that are stored about it, and what they mean.

Facts are stored, states are derived: `state`, `health`, `integration_state` and `events` are the only places
that decide what the facts say, for every kind of connector. Nothing here reads a clock or a database; `now` is
milliseconds since the epoch, and so is every time below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from holdfast.domain.credential import Client, OAuthToken
from holdfast.domain.event import EventType
from holdfast.domain.manifest.connector import Connector, Setting
from holdfast.domain.tenancy import Integration

State = Literal["available", "added", "authorized", "callable", "invalid"]
IntegrationState = Literal["disabled", "needs_configuration", "configured"]
Health = Literal[
    "revoked", "missing_settings", "needs_consent", "pending_confirmation",
    "needs_auth", "pending_refresh", "degraded", "ok",
]  # fmt: skip

# How long a connection whose refresh the provider refused stays usable in principle, before it is given up.
RETENTION = 48 * 3600 * 1000
# The least time between two refreshes of one connection after a failure.
COOLDOWN = 30 * 1000


class Grant(msgspec.Struct, frozen=True):
    """What is known of a stored OAuth credential without opening it. `granted_at` names the consent."""

    granted_at: int
    issued_at: int = 0
    expires_at: int | None = None
    refreshable: bool = False
    refresh_expires_at: int | None = None

    @classmethod
    def of(cls, token: OAuthToken, granted_at: int) -> Grant:
        return cls(
            granted_at=granted_at,
            issued_at=token.issued_at,
            expires_at=token.expires_at,
            refreshable=token.refresh_token is not None,
            refresh_expires_at=token.refresh_expires_at,
        )

    def fresh(self, now: int, min_valid: int = 30_000) -> bool:
        """Whether the access token is good for at least `min_valid` ms more; an unknown expiry counts as good."""
        return self.expires_at is None or self.expires_at - now >= min_valid


class Connection(msgspec.Struct, frozen=True):
    """One consumer's connection to one service under one unified API.

    `choices` are the options of selects that the connected account offers, by setting id.
    """

    id: str
    consumer_id: str
    unified_api: str
    service_id: str
    enabled: bool = True
    settings: Mapping[str, Any] = {}
    metadata: Mapping[str, Any] = {}
    configuration: Mapping[str, Sequence[Mapping[str, Any]]] = {}
    choices: Mapping[str, Sequence[Mapping[str, str]]] = {}
    grant: Grant | None = None
    revoked_at: int = 0
    pending_until: int = 0
    validation: Literal["ok", "failed"] | None = None
    last_refresh_failed_at: int = 0
    retained_until: int = 0
    last_downstream_error_at: int = 0
    created_at: int = 0
    updated_at: int | None = None
    version: int = 0
    settings_generation: int = 0
    credential_generation: int = 0

    def __repr__(self) -> str:
        """Without the settings, some of which are secrets."""
        return f"Connection({self.id} {self.unified_api}+{self.service_id})"

    def switched_on(self) -> Connection:
        return replace(self, enabled=True)

    def same_consent(self, other: Connection) -> bool:
        """Whether both are the same connection under the same consent, however often it was renewed meanwhile."""
        mine, theirs = self.grant, other.grant
        return self.id == other.id and (mine and mine.granted_at) == (theirs and theirs.granted_at)


def value_of(setting: Setting, settings: Mapping[str, Any]) -> Any:
    """The stored value, else the manifest's default, else None."""
    value = settings.get(setting.id)
    return setting.default if value in (None, "", []) else value


def missing(connector: Connector, settings: Mapping[str, Any]) -> list[str]:
    """The ids of required settings of the connection that have no value."""
    return [s.id for s in connector.at("connection") if s.required and value_of(s, settings) is None]


def missing_for_authorization(connector: Connector, settings: Mapping[str, Any]) -> list[str]:
    """The ids of settings that the authorize link needs and that have no value."""
    return [s.id for s in connector.at("connection") if s.before_authorize and value_of(s, settings) is None]


def has_credentials(connection: Connection, connector: Connector) -> bool:
    """Whether what the service asks for has been given: a grant for OAuth, every required field otherwise."""
    if connector.auth.type == "none":
        return True
    if connector.auth.oauth is not None and connection.grant is None:
        return False
    return connector.auth.type == "oauth2" or not missing(connector, connection.settings)


def state(connection: Connection | None, connector: Connector, now: int) -> State:
    """The `state` of the API."""
    if connection is None:
        return "available"
    if not has_credentials(connection, connector):
        return "authorized" if connection.pending_until > now else "added"
    if connection.validation == "failed":
        return "invalid"
    if not connection.enabled or missing(connector, connection.settings):
        return "authorized"
    return "callable"


def health(connection: Connection, connector: Connector, now: int) -> Health:
    """The `health` of the API: the first of its conditions, in order of precedence, that holds."""
    authenticated = has_credentials(connection, connector)
    if not authenticated and connection.pending_until > now:
        return "pending_confirmation"
    if connection.revoked_at and not authenticated:
        return "revoked"
    if missing(connector, connection.settings) and (authenticated or connector.auth.oauth is None):
        return "missing_settings"
    if not authenticated or connection.validation == "failed":
        return "needs_auth"
    if connection.last_refresh_failed_at:
        return "pending_refresh"
    return "degraded" if connection.last_downstream_error_at else "ok"


def integration_state(integration: Integration, connector: Connector) -> IntegrationState:
    """Whether the application has switched the integration on and given what the connector asks of it."""
    if not integration.enabled:
        return "disabled"
    needed = [s.id for s in connector.at("integration") if s.required and not s.default]
    if any(id not in integration.settings for id in needed):
        return "needs_configuration"
    return "configured" if has_client(integration.client, connector) else "needs_configuration"


def has_client(client: Client | None, connector: Connector) -> bool:
    """Whether the OAuth client that the application must bring is complete (a public client has no secret)."""
    oauth = connector.auth.oauth
    if oauth is None or oauth.client.source == "connection":
        return True
    return client is not None and (client.client_secret is not None or not oauth.client.needs_secret)


def events(before: Connection | None, after: Connection | None, connector: Connector, now: int) -> list[EventType]:
    """What a change is announced as, in the order in which it is announced."""
    if after is None:
        return ["vault.connection.deleted"] if before else []
    found: list[EventType] = []
    if before is None:
        found.append("vault.connection.created")
    if after.grant or after.settings if before is None else after != before:
        found.append("vault.connection.updated")
    if before and before.enabled and not after.enabled:
        found.append("vault.connection.disabled")
    if state(after, connector, now) == "callable" and _newly_callable(before, after, connector, now):
        found.append("vault.connection.callable")
    return found


def _newly_callable(before: Connection | None, after: Connection, connector: Connector, now: int) -> bool:
    return state(before, connector, now) != "callable" or _consented_again(before, after)


def _consented_again(before: Connection | None, after: Connection) -> bool:
    return bool(before and before.grant and after.grant and before.grant.granted_at != after.grant.granted_at)


def completed(connection: Connection, found: Mapping[str, str]) -> Connection:
    """The calls after connecting filled settings."""
    return replace(connection, settings={**connection.settings, **found})


def chosen(connection: Connection, choices: Mapping[str, Sequence[Mapping[str, str]]]) -> Connection:
    """The account offered choices. One without alternative is made; one that the account does not have is undone."""
    settings = dict(connection.settings)
    for id, offered in choices.items():
        values = [option["value"] for option in offered]
        if settings.get(id) not in values:
            settings.pop(id, None)
        if len(values) == 1:
            settings[id] = values[0]
    return replace(connection, settings=settings, choices={**connection.choices, **choices})


def connected(connection: Connection, token: OAuthToken, captured: Mapping[str, str], now: int) -> Connection:
    """A new grant arrived: it replaces the old one and clears what was known against it."""
    return replace(
        connection,
        grant=Grant.of(token, granted_at=now),
        settings={**connection.settings, **captured},
        revoked_at=0,
        pending_until=0,
        validation=None,
        last_refresh_failed_at=0,
        retained_until=0,
    )


def awaiting_confirmation(connection: Connection, until: int) -> Connection:
    """A grant waits for its consumer's confirmation; whatever credentials there are stay in force."""
    return replace(connection, pending_until=until)


def refreshed(connection: Connection, token: OAuthToken, captured: Mapping[str, str]) -> Connection:
    """The grant was renewed."""
    granted_at = connection.grant.granted_at if connection.grant else token.issued_at
    return replace(
        connection,
        grant=Grant.of(token, granted_at),
        settings={**connection.settings, **captured},
        validation=None,
        last_refresh_failed_at=0,
        retained_until=0,
    )


def refresh_refused(connection: Connection, now: int) -> Connection:
    """The provider refused the refresh token: kept for a while, then given up."""
    until = connection.retained_until or now + RETENTION
    if now >= until:
        return replace(connection, grant=None, last_refresh_failed_at=0, retained_until=0)
    return replace(connection, last_refresh_failed_at=now, retained_until=until)


def refresh_deferred(connection: Connection, now: int) -> Connection:
    """The provider could not answer: nothing is known against the grant."""
    return replace(connection, last_refresh_failed_at=now)


def disconnected(connection: Connection, now: int) -> Connection:
    """The grant was ended; settings and metadata stay."""
    return replace(
        connection, grant=None, revoked_at=now, pending_until=0, validation=None,
        last_refresh_failed_at=0, retained_until=0,
    )  # fmt: skip


def cooling_down(connection: Connection, now: int) -> int:
    """Milliseconds until a failed refresh may be tried again; 0 if it may be now."""
    if not connection.last_refresh_failed_at:
        return 0
    return max(0, connection.last_refresh_failed_at + COOLDOWN - now)
