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

from holdfast.domain.consent import ConsentState, allows_use
from holdfast.domain.credential import OAuthToken, Sealed, Secret
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
# The least and the most time between two refreshes of one connection after a failure.
COOLDOWN, COOLDOWN_LIMIT = 30 * 1000, 3600 * 1000
# A token is refreshed when it has less than this to live, or less than a tenth of its life where that is shorter.
MARGIN, MARGIN_SHARE = 30_000, 10


class Grant(msgspec.Struct, frozen=True):
    """What is known of a stored OAuth credential without opening it. `granted_at` names the consent.

    `learned_life` (ms): how long its access tokens were seen to live, where the provider does not tell; 0 if unknown.
    """

    granted_at: int
    issued_at: int = 0
    expires_at: int | None = None
    refreshable: bool = False
    refresh_expires_at: int | None = None
    learned_life: int = 0

    @classmethod
    def of(cls, token: OAuthToken, granted_at: int, learned_life: int = 0) -> Grant:
        return cls(
            granted_at=granted_at,
            learned_life=learned_life,
            issued_at=token.issued_at,
            expires_at=token.expires_at,
            refreshable=token.refresh_token is not None,
            refresh_expires_at=token.refresh_expires_at,
        )

    def alive(self, now: int) -> bool:
        """Whether the access token has not expired; an unknown expiry counts as not expired."""
        return self.expires_at is None or self.expires_at > now

    @property
    def expected_end(self) -> int | None:
        """When the access token should be replaced at the latest: at its expiry, or, where that is not told, a tenth
        of a life before it has died so far. None if nothing is known."""
        if self.expires_at is not None or not self.learned_life:
            return self.expires_at
        return self.issued_at + self.learned_life - self.learned_life // MARGIN_SHARE

    def fresh(self, now: int, min_valid: int = MARGIN) -> bool:
        """Whether the access token is good for at least `min_valid` ms more.

        Of a token with a short life no more is asked than nine tenths of it, or each use would refresh it again.
        """
        until = self.fresh_until(min_valid)
        return until is None or (now <= until and self.alive(now))

    def fresh_until(self, min_valid: int = MARGIN) -> int | None:
        """The last moment at which the access token is `fresh`; None if its end is not known."""
        if self.expires_at is None:
            return self.expected_end
        return self.expires_at - min(min_valid, self.life // MARGIN_SHARE)

    @property
    def life(self) -> int:
        """How long the access token lives in all (ms); 0 if that is not known."""
        return max(0, self.expires_at - self.issued_at) if self.expires_at is not None else 0


class RefreshFailure(msgspec.Struct, frozen=True):
    """The last failed refresh. `until` (ms): nobody is asked again before. `integration` is the version of the
    application's set-up that was refused. `code` and `status` are the provider's, `said` is what callers are told."""

    outcome: Literal["rejected", "misconfigured", "deferred"]
    at: int
    until: int
    integration: int = 0
    code: str | None = None
    status: int | None = None
    said: str = ""


class Connection(msgspec.Struct, frozen=True):
    """One consumer's connection to one service under one unified API.

    `secrets` are the sensitive settings: `Sealed` where they are stored, `Secret` where they are about to be.
    `choices` are the options of selects that the connected account offers, by setting id. `unreadable_at`: when
    something that is stored of it turned out not to open. `consent` is the number of the consent that the credential is
    from, `made_by` what stored this very credential: the attempt that refreshed it, or that consent. `unresolved`: the
    refresh token was presented, and no answer came in the time that one could.
    """

    id: str
    consumer_id: str
    unified_api: str
    service_id: str
    enabled: bool = True
    settings: Mapping[str, Any] = {}
    secrets: Mapping[str, Secret | Sealed] = {}
    metadata: Mapping[str, Any] = {}
    configuration: Mapping[str, Sequence[Mapping[str, Any]]] = {}
    choices: Mapping[str, Sequence[Mapping[str, str]]] = {}
    grant: Grant | None = None
    consent_state: ConsentState = "implicit"
    unreadable_at: int = 0
    revoked_at: int = 0
    pending_until: int = 0
    validation: Literal["ok", "failed"] | None = None
    failure: RefreshFailure | None = None
    retained_until: int = 0
    last_downstream_error_at: int = 0
    created_at: int = 0
    updated_at: int | None = None
    version: int = 0
    settings_generation: int = 0
    secrets_generation: int = 0
    credential_generation: int = 0
    consent: int = 0
    made_by: int = 0
    unresolved: bool = False

    def __repr__(self) -> str:
        """Without the settings, some of which are secrets."""
        return f"Connection({self.id} {self.unified_api}+{self.service_id})"

    @property
    def last_refresh_failed_at(self) -> int:
        """When the last refresh failed (ms); 0 if it did not."""
        return self.failure.at if self.failure else 0

    def switched_on(self) -> Connection:
        return replace(self, enabled=True)

    def same_grant(self, other: Connection) -> bool:
        """Whether nothing was granted meanwhile. One that was deleted and made anew counts from the start again."""
        return (self.id, self.credential_generation) == (other.id, other.credential_generation)

    def same_secrets(self, other: Connection) -> bool:
        """Whether what is sealed of both is the same."""
        return self.same_grant(other) and self.secrets_generation == other.secrets_generation

    def same_settings(self, other: Connection) -> bool:
        """Whether both are filled in alike. A secret that is given anew counts as another one."""
        return self.settings == other.settings and self.secrets == other.secrets

    def same_consent(self, other: Connection) -> bool:
        """Whether both are the same connection under the same consent, however often it was refreshed meanwhile."""
        mine, theirs = self.grant, other.grant
        return self.id == other.id and (mine and mine.granted_at) == (theirs and theirs.granted_at)


def has_value(setting: Setting, connection: Connection | None) -> bool:
    """Whether the setting is filled in, or has a default."""
    if setting.default is not None:
        return True
    if connection is None:
        return False
    return setting.id in connection.secrets or connection.settings.get(setting.id) not in (None, "", [])


def missing(connector: Connector, connection: Connection) -> list[str]:
    """The ids of required settings of the connection that have no value."""
    return [s.id for s in connector.at("connection") if s.required and not has_value(s, connection)]


def missing_by_hand(connector: Connector, connection: Connection) -> list[str]:
    """Those of `missing` that only the consumer can give, and before the account is reached: what the service fills in
    and what is chosen from the account's own options come later."""
    later = {s.id for s in connector.settings if s.filled_by != "user" or s.options_from}
    return [id for id in missing(connector, connection) if id not in later]


def missing_for_authorization(connector: Connector, connection: Connection | None) -> list[str]:
    """The ids of settings that the authorize link needs and that have no value."""
    return [s.id for s in connector.at("connection") if s.before_authorize and not has_value(s, connection)]


def has_credentials(connection: Connection, connector: Connector) -> bool:
    """Whether what the service asks for has been given: a grant for OAuth, every field of the form otherwise that is
    not filled from the account itself."""
    if connector.auth.type == "none":
        return True
    if connection.unreadable_at or (connector.auth.oauth is not None and connection.grant is None):
        return False
    return connector.auth.type == "oauth2" or not missing_by_hand(connector, connection)


def state(connection: Connection | None, connector: Connector, now: int) -> State:
    """The `state` of the API."""
    if connection is None:
        return "available"
    if not has_credentials(connection, connector):
        return "authorized" if connection.pending_until > now else "added"
    if connection.validation == "failed":
        return "invalid"
    if not connection.enabled or missing(connector, connection) or not allows_use(connection.consent_state):
        return "authorized"
    return "callable"


def health(connection: Connection, connector: Connector, now: int) -> Health:
    """The `health` of the API: the first of its conditions, in order of precedence, that holds."""
    authenticated = has_credentials(connection, connector)
    if not authenticated and connection.pending_until > now:
        return "pending_confirmation"
    if connection.revoked_at and not authenticated:
        return "revoked"
    unfilled = missing(connector, connection) and not connection.unreadable_at
    if unfilled and (authenticated or connector.auth.oauth is None):
        return "missing_settings"
    if authenticated and not allows_use(connection.consent_state):
        return "needs_consent"
    if not authenticated or connection.validation == "failed":
        return "needs_auth"
    if connection.failure or connection.unresolved:
        return "pending_refresh"
    return "degraded" if connection.last_downstream_error_at else "ok"


def integration_state(integration: Integration, connector: Connector) -> IntegrationState:
    """Whether the application has switched the integration on and given what the connector asks of it."""
    if not integration.enabled:
        return "disabled"
    needed = [s.id for s in connector.at("integration") if s.required and not s.default]
    if any(id not in integration.settings_set for id in needed):
        return "needs_configuration"
    return "configured" if has_client(integration, connector) else "needs_configuration"


def has_client(integration: Integration, connector: Connector) -> bool:
    """Whether the OAuth client that the application must bring is complete (a public client has no secret)."""
    oauth = connector.auth.oauth
    if oauth is None or oauth.client.source == "connection":
        return True
    return integration.client_id is not None and (integration.has_client_secret or not oauth.client.needs_secret)


def events(before: Connection | None, after: Connection | None, connector: Connector, now: int) -> list[EventType]:
    """What a change is announced as, in the order in which it is announced."""
    if after is None:
        return ["vault.connection.deleted"] if before else []
    found: list[EventType] = []
    if before is None:
        found.append("vault.connection.created")
    if _is_told(before, after):
        found.append("vault.connection.updated")
    if before and before.enabled and not after.enabled:
        found.append("vault.connection.disabled")
    if state(after, connector, now) == "callable" and _newly_callable(before, after, connector, now):
        found.append("vault.connection.callable")
    return found


def _is_told(before: Connection | None, after: Connection) -> bool:
    """Whether there is something to see: a connection that was only added says no more than that it was."""
    if before is None:
        return bool(after.grant or after.settings or after.secrets)
    return after != before


def _newly_callable(before: Connection | None, after: Connection, connector: Connector, now: int) -> bool:
    return state(before, connector, now) != "callable" or _consented_again(before, after)


def _consented_again(before: Connection | None, after: Connection) -> bool:
    return bool(before and before.grant and after.grant and before.grant.granted_at != after.grant.granted_at)


def filled(connection: Connection, connector: Connector, found: Mapping[str, str]) -> Connection:
    """What the provider gave fills settings; the sensitive ones among them are kept as secrets."""
    sensitive = {s.id for s in connector.settings if s.sensitive}
    return replace(
        connection,
        settings={**connection.settings, **{id: value for id, value in found.items() if id not in sensitive}},
        secrets={**connection.secrets, **{id: Secret(value) for id, value in found.items() if id in sensitive}},
    )


def chosen(
    connection: Connection, connector: Connector, choices: Mapping[str, Sequence[Mapping[str, str]]]
) -> Connection:
    """The account offered choices. One without alternative is made; what the account does not have is undone."""
    settings = dict(connection.settings)
    for id, offered in choices.items():
        setting = connector.setting(id)
        several = setting is not None and setting.type == "multi-select"
        kept = _still_offered(settings.pop(id, None), [option["value"] for option in offered])
        if kept:
            settings[id] = kept if several else kept[0]
    return replace(connection, settings=settings, choices={**connection.choices, **choices})


def _still_offered(stored: Any, offered: Sequence[str]) -> list[str]:
    chosen = [value for value in (stored if isinstance(stored, list) else [stored]) if value in offered]
    return list(offered) if len(offered) == 1 else chosen


def connected(connection: Connection, token: OAuthToken, now: int, consent: int) -> Connection:
    """A new grant arrived, by the consent of that number: it replaces the old one and clears what spoke against it.

    Its time names it in links, so it is never that of an earlier one, however soon it came or whatever clock it is by.
    """
    last = max(connection.grant.granted_at if connection.grant else 0, connection.revoked_at)
    return replace(
        connection,
        grant=Grant.of(token, granted_at=max(now, last + 1)),
        consent=consent,
        made_by=consent,
        unresolved=False,
        unreadable_at=0,
        revoked_at=0,
        pending_until=0,
        validation=None,
        failure=None,
        retained_until=0,
    )


def awaiting_confirmation(connection: Connection, until: int) -> Connection:
    """A grant waits for its consumer's confirmation; whatever credentials there are stay in force."""
    return replace(connection, pending_until=until)


def refreshed(connection: Connection, token: OAuthToken, attempt: int) -> Connection:
    """The access token was refreshed, by the attempt of that number; the consent is the same."""
    before = connection.grant or Grant(token.issued_at)
    return replace(
        connection,
        grant=Grant.of(token, before.granted_at, before.learned_life),
        made_by=attempt,
        unresolved=False,
        validation=None,
        failure=None,
        retained_until=0,
    )


def refresh_failed(connection: Connection, failure: RefreshFailure) -> Connection:
    """A refresh gave nothing. Only a rejection counts against the grant: it is kept for a while, then given up."""
    if failure.outcome != "rejected":
        return replace(connection, failure=failure)
    until = connection.retained_until or failure.at + RETENTION
    if failure.at >= until:
        return replace(connection, grant=None, failure=None, retained_until=0, unresolved=False)
    return replace(connection, failure=failure, retained_until=until)


def unreachable(connection: Connection, now: int) -> Connection:
    """The service could not be reached; the first failure of a row of them counts."""
    return replace(connection, last_downstream_error_at=connection.last_downstream_error_at or now)


def reachable(connection: Connection) -> Connection:
    """The service answered."""
    return replace(connection, last_downstream_error_at=0)


def unreadable(connection: Connection, now: int) -> Connection:
    """Something that is stored did not open: whoever owns the account connects it again."""
    return replace(connection, unreadable_at=connection.unreadable_at or now)


def disconnected(connection: Connection, now: int) -> Connection:
    """The grant was ended; settings and metadata stay."""
    return replace(
        connection, grant=None, revoked_at=now, pending_until=0, validation=None,
        failure=None, retained_until=0, unreadable_at=0, unresolved=False,
    )  # fmt: skip


def cooling_down(connection: Connection, integration: Integration, now: int) -> int:
    """Milliseconds until a failed refresh may be tried again; 0 if it may be now.

    An OAuth client that was refused and has been set up anew since is tried at once.
    """
    failure = connection.failure
    if failure is None or (failure.outcome == "misconfigured" and failure.integration != integration.version):
        return 0
    return max(0, failure.until - now)
