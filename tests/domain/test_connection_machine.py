"""Every sequence of what can happen to a connection keeps the rules that its state, health and events follow."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace
from small_connectors import AUTH_TYPES, connector

from holdfast.domain.connection import (
    COOLDOWN,
    RETENTION,
    Connection,
    RefreshFailure,
    awaiting_confirmation,
    connected,
    disconnected,
    events,
    has_credentials,
    health,
    missing,
    refresh_failed,
    refreshed,
    state,
)
from holdfast.domain.credential import OAuthToken, Secret

HOUR = 3_600_000
# What each health may stand beside.
HEALTHS = {
    "revoked": {"added"},
    "missing_settings": {"added", "authorized"},
    "pending_confirmation": {"authorized"},
    "needs_auth": {"added", "invalid"},
    "pending_refresh": {"callable", "authorized"},
    "degraded": {"callable", "authorized"},
    "ok": {"callable", "authorized"},
}


def failure(outcome: Any, at: int) -> RefreshFailure:
    return RefreshFailure(outcome, at, at + COOLDOWN)


class ConnectionMachine(RuleBasedStateMachine):
    """One connection of any kind, and the world doing things to it."""

    @initialize(kind=st.sampled_from(sorted(AUTH_TYPES)))
    def begin(self, kind: str) -> None:
        self.connector = connector(kind)
        self.connection: Connection | None = None
        self.now = 1_767_225_600_000
        self.last: list[str] = []

    def become(self, after: Connection | None) -> None:
        self.last = [
            e.removeprefix("vault.connection.") for e in events(self.connection, after, self.connector, self.now)
        ]
        self.before, self.connection = self.connection, after

    def held(self) -> Connection:
        return self.connection or Connection(id="c1", consumer_id="user-1", unified_api="crm", service_id="acme")

    @rule(minutes=st.integers(1, 3000))
    def time_passes(self, minutes: int) -> None:
        self.now += minutes * 60_000
        self.become(self.connection)

    @rule(enabled=st.booleans())
    def patch_enabled(self, enabled: bool) -> None:
        self.become(replace(self.held(), enabled=enabled))

    @rule(data=st.data())
    def patch_settings(self, data: st.DataObject) -> None:
        ids = [s.id for s in self.connector.settings] or ["note"]
        sent = data.draw(st.dictionaries(st.sampled_from(ids), st.sampled_from(["", "value"])))
        kept = {id: v for id, v in {**self.held().settings, **sent}.items() if v}
        self.become(replace(self.held(), settings=kept, validation=None))

    @precondition(lambda self: self.connector.auth.oauth is not None)
    @rule(lifetime=st.none() | st.integers(60, 7200), refreshable=st.booleans())
    def grant_arrives(self, lifetime: int | None, refreshable: bool) -> None:
        self.become(connected(self.held(), self.token(lifetime, refreshable), self.now, consent=1))

    @precondition(lambda self: self.connector.auth.oauth is not None)
    @rule()
    def code_waits_for_confirmation(self) -> None:
        self.become(awaiting_confirmation(self.held(), self.now + HOUR // 2))

    @precondition(lambda self: self.connection and self.connection.grant)
    @rule()
    def refresh_works(self) -> None:
        self.become(refreshed(self.held(), self.token(3600, True), attempt=1))

    @precondition(lambda self: self.connection and self.connection.grant)
    @rule()
    def refresh_is_refused(self) -> None:
        self.become(refresh_failed(self.held(), failure("rejected", self.now)))

    @precondition(lambda self: self.connection and self.connection.grant)
    @rule()
    def refresh_is_deferred(self) -> None:
        self.become(refresh_failed(self.held(), failure("deferred", self.now)))

    @precondition(lambda self: self.connection and self.connection.grant)
    @rule()
    def grant_is_revoked(self) -> None:
        self.become(disconnected(self.held(), self.now))

    @precondition(lambda self: self.connection and self.connector.auth.type in ("apiKey", "basic", "custom"))
    @rule(verdict=st.sampled_from(["ok", "failed"]))
    def credentials_are_tried(self, verdict: str) -> None:
        self.become(replace(self.held(), validation=verdict))

    @rule()
    def delete(self) -> None:
        self.become(None)

    def token(self, lifetime: int | None, refreshable: bool) -> OAuthToken:
        expires_at = None if lifetime is None else self.now + lifetime * 1000
        refresh = Secret("r") if refreshable else None
        return OAuthToken(Secret("a"), refresh, issued_at=self.now, expires_at=expires_at)

    @invariant()
    def callable_means_that_nothing_is_missing(self) -> None:
        if state(self.connection, self.connector, self.now) != "callable":
            return
        held = self.held()
        assert held.enabled
        assert not missing(self.connector, held)
        assert self.connector.auth.oauth is None or held.grant is not None

    @invariant()
    def nothing_missing_means_callable(self) -> None:
        held = self.connection
        if held is None or not held.enabled or held.validation == "failed" or missing(self.connector, held):
            return
        if has_credentials(held, self.connector):
            assert state(held, self.connector, self.now) == "callable"

    @invariant()
    def available_means_that_there_is_no_record(self) -> None:
        assert (state(self.connection, self.connector, self.now) == "available") == (self.connection is None)

    @invariant()
    def health_fits_the_state(self) -> None:
        if self.connection is not None:
            told = health(self.connection, self.connector, self.now)
            assert state(self.connection, self.connector, self.now) in HEALTHS[told]

    @invariant()
    def a_connector_without_auth_is_callable_when_enabled(self) -> None:
        if self.connector.auth.type == "none" and self.connection and self.connection.enabled:
            assert state(self.connection, self.connector, self.now) == "callable"

    @invariant()
    def a_refused_refresh_is_kept_for_48_hours_at_most(self) -> None:
        if self.connection and self.connection.retained_until:
            assert self.connection.retained_until <= self.connection.last_refresh_failed_at + RETENTION
            assert self.connection.grant is not None

    @invariant()
    def events_tell_the_change(self) -> None:
        before, after = getattr(self, "before", None), self.connection
        assert ("created" in self.last) == (before is None and after is not None and bool(self.last))
        assert ("deleted" in self.last) == (before is not None and after is None and bool(self.last))
        assert "disabled" not in self.last or (before and before.enabled and not after.enabled)
        if "callable" in self.last:
            assert self.last[-1] == "callable"
            assert state(after, self.connector, self.now) == "callable"

    @invariant()
    def becoming_callable_is_told(self) -> None:
        before = getattr(self, "before", None)
        if before is self.connection:
            return
        crossed = state(before, self.connector, self.now) != "callable"
        if crossed and state(self.connection, self.connector, self.now) == "callable":
            assert "callable" in self.last


TestConnectionMachine = ConnectionMachine.TestCase
TestConnectionMachine.settings = hypothesis_settings(max_examples=150, stateful_step_count=20, deadline=None)


def test_a_refused_refresh_is_given_up_after_the_retention() -> None:
    """A refusal keeps the connection callable, and a refusal 48 hours later takes the grant away."""
    code = connector("authorization_code")
    now = 1_767_225_600_000
    blank = Connection("c1", "user-1", "crm", "acme", settings={"tenant_id": "t"})
    held = connected(blank, OAuthToken(Secret("a"), Secret("r")), now, consent=1)

    first = refresh_failed(held, failure("rejected", now))
    last = refresh_failed(first, failure("rejected", now + RETENTION))

    assert (state(first, code, now), health(first, code, now)) == ("callable", "pending_refresh")
    assert (state(last, code, now), health(last, code, now)) == ("added", "needs_auth")
    assert COOLDOWN < RETENTION
