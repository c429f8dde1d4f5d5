"""Refreshing a token: look, take the lease, look again, ask once, keep what comes.

Callers in this process join one flight, processes take a lease on the row, and the answer is kept only on the
very grant that was refreshed. What the provider says is *rejected* (kept for 48 hours, then given up),
*misconfigured* (nothing is known against the connection) or *deferred*. Whatever it is leaves its trace on the
connection and a pause, and the old token serves while it lives.
"""

from __future__ import annotations

import contextlib

import structlog

from holdfast.domain.connection import (
    COOLDOWN,
    COOLDOWN_LIMIT,
    Connection,
    RefreshFailure,
    cooling_down,
    refresh_failed,
)
from holdfast.domain.event import EventType
from holdfast.domain.tenancy import ConsumerScope, Integration
from holdfast.errors import (
    ConnectorCredentialsError,
    EgressRefused,
    GrantDeferred,
    GrantMisconfigured,
    GrantRejected,
    HoldfastError,
    ProviderError,
    Unavailable,
)
from holdfast.grants.sent import Sent
from holdfast.grants.token import GRANTS
from holdfast.grants.token import Granted as Answer
from holdfast.grants.token import refresh as refresh_flow
from holdfast.store import attempts, connections
from holdfast.store.attempts import Lease
from holdfast.store.connections import Change, Stored
from holdfast.usecases.credential.keep import keep_refreshed
from holdfast.usecases.credential.obtain import Outcome, obtain
from holdfast.usecases.credential.setup import setup_with
from holdfast.usecases.states import callback_context, callback_url
from holdfast.usecases.subject import Granted, Subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# Longer than an outbound call and the first tries to save its answer, so that a holder who is alive keeps its lease.
LEASE = 30_000
WAIT, WAIT_LIMIT = 0.025, 20.0


async def refresh(scope: ConsumerScope, vault: Vault, subject: Granted, *, force: bool) -> None:
    """Refreshes the subject's token, or leaves the old one where that still serves.

    `force` asks the provider even if the token looks good, and raises what it answered. Raises a ProviderError,
    ConnectorCredentialsError if there is no grant any more, Unavailable if nobody has an answer in time.
    """
    force = force and _refreshes_early(subject)
    key = ("refresh", scope.application_id, subject.connection.id)
    while True:
        outcome = await vault.flights.join(key, lambda: _refresh(scope, vault, subject, force=force))
        if outcome.asked or outcome.error or not force:
            break  # a flight that found nothing to do is no answer to somebody who wants to know
    if outcome.error and (force or not _serves(outcome.subject, vault.clock.now())):
        raise outcome.error


def is_fresh(subject: Granted, now: int) -> bool:
    """Whether the grant needs no refresh yet. ConnectorCredentialsError if it has ended and cannot be refreshed."""
    oauth, grant = subject.connector.auth.oauth, subject.grant
    if oauth is None or grant.fresh(now):
        return True
    if not _refreshable(subject):
        if grant.alive(now):
            return True
        raise ConnectorCredentialsError("The access token has expired, and there is none to refresh it with.")
    # Some providers refuse a refresh until the token is nearly dead; one second in hand for the way there.
    earliest = oauth.refresh.not_before_expiry
    return earliest is not None and grant.fresh(now, earliest * 1000 - 1000)


def can_be_forced(subject: Granted) -> bool:
    """Whether the provider refreshes a token that has not nearly expired."""
    return _refreshable(subject) and _refreshes_early(subject)


def _refreshable(subject: Granted) -> bool:
    oauth = subject.connector.auth.oauth
    return subject.grant.refreshable or (oauth is not None and oauth.grant in GRANTS)


def _refreshes_early(subject: Subject) -> bool:
    oauth = subject.connector.auth.oauth
    return oauth is not None and oauth.refresh.not_before_expiry is None


def _serves(subject: Subject, now: int) -> bool:
    """Whether there is a token, old or new, that has not expired."""
    grant = subject.connection.grant if subject.connection else None
    return grant is not None and grant.alive(now)


async def _refresh(scope: ConsumerScope, vault: Vault, asked: Granted, *, force: bool) -> Outcome:
    """Whoever finds the work done by somebody else goes home."""
    waited = 0.0
    while True:
        stored = await connections.stored(scope, vault.store, asked.unified_api, asked.connector.id)
        if stored is None or stored.connection.grant is None:
            return Outcome(asked.with_connection(None), asked=False, error=ConnectorCredentialsError())
        subject, now = asked.holding(stored.connection).granted(), vault.clock.now()
        if not subject.connection.same_grant(asked.connection):
            return Outcome(subject)  # somebody else has asked meanwhile, and was answered
        if not force and is_fresh(subject, now):
            return Outcome(subject, asked=False)
        if cooling_down(subject.connection, subject.integration, now):
            return Outcome(subject, asked=False, error=_same_answer(subject.connection, now))
        lease = await attempts.take(scope, vault.store, subject.connection, LEASE)
        if lease is not None:
            return await _under(lease, scope, vault, subject)
        if waited >= WAIT_LIMIT:
            return Outcome(subject, asked=False, error=Unavailable("Another process is refreshing this credential."))
        await vault.clock.sleep(WAIT)
        waited += WAIT


async def _under(lease: Lease, scope: ConsumerScope, vault: Vault, subject: Granted) -> Outcome:
    try:
        stored = await connections.stored(scope, vault.store, subject.unified_api, subject.connector.id)
        if stored is None or not stored.connection.same_grant(subject.connection):
            # Somebody reconnected after the lease was taken: that grant is new, and not ours to spend.
            return Outcome(subject.with_connection(stored.connection if stored else None))
        outcome = await _ask(scope, vault, subject, stored)
        if outcome.error is None:
            return outcome
        return await _note(scope, vault, subject, outcome.error)
    finally:
        # A lease that cannot be given back runs out; that must not hide what happened under it.
        with contextlib.suppress(Unavailable):
            await attempts.release(scope, vault.store, subject.connection, lease)


async def _ask(scope: ConsumerScope, vault: Vault, subject: Granted, stored: Stored) -> Outcome:
    credential = await connections.open_credential(scope, vault.store, stored, "refresh")
    known, token, now = await setup_with(scope, vault, subject, credential), credential.token, vault.clock.now()
    again = GRANTS.get(known.oauth.grant)

    async def keep(answer: Answer) -> Subject:
        return await keep_refreshed(scope, vault, subject, credential, answer)

    outcome = Outcome(subject, error=ConnectorCredentialsError("The connection has no refresh token."))
    if token is not None and token.refresh_token is not None:
        redirect_uri = callback_url(vault, callback_context(scope, vault, subject.connector.id))
        flow = refresh_flow(known, token, redirect_uri=redirect_uri, now=now)
        outcome = await obtain(vault, subject, flow, Sent(known.secrets()), keep)
    if again and isinstance(outcome.error, GrantRejected | ConnectorCredentialsError):
        # These grants need no refresh token (RFC 6749 section 4.4.3): what was given once is given again.
        outcome = await obtain(vault, subject, again(known, now), Sent(known.secrets()), keep)
    return outcome


async def _note(scope: ConsumerScope, vault: Vault, subject: Granted, error: HoldfastError) -> Outcome:
    """Writes down what a failed refresh means, on the grant that it concerns."""
    asked, now = subject.connection, vault.clock.now()
    failure = _failure(error, subject.integration, now)
    log.warning(
        "refresh_failed", connection=asked.id, service=asked.service_id, outcome=type(error).__name__,
        status=failure.status, code=failure.code,
    )  # fmt: skip

    def decide(before: Connection | None) -> Change | None:
        if before is None or not before.same_grant(asked):
            return None
        after = refresh_failed(before, failure)
        if after.grant is None:
            return Change(after, None, ("vault.connection.token_refresh.failed",))
        return Change(after, announce=_first_failure(before))

    _, after = await connections.change(scope, vault.store, subject.connector, subject.unified_api, decide)
    replaced = after is not None and after.grant is not None and not after.same_grant(asked) and after.failure is None
    return Outcome(subject.with_connection(after), error=None if replaced else error)


def _failure(error: HoldfastError, integration: Integration, now: int) -> RefreshFailure:
    kinds = {GrantRejected: "rejected", GrantMisconfigured: "misconfigured", EgressRefused: "misconfigured"}
    wait = min(max(COOLDOWN, 1000 * (getattr(error, "retry_after", None) or 0)), COOLDOWN_LIMIT)
    return RefreshFailure(
        outcome=kinds.get(type(error), "deferred"),  # type: ignore[arg-type]
        at=now,
        until=now + wait,
        integration=integration.version,
        code=getattr(error, "code", None),
        status=getattr(error, "status", None),
    )


def _same_answer(connection: Connection, now: int) -> ProviderError:
    """What the last attempt came to, for whoever asks before the next one may be made."""
    failure = connection.failure
    assert failure is not None  # it is cooling down from one
    said = "The last refresh failed; the next attempt waits."
    if failure.outcome == "rejected":
        return GrantRejected(said, code=failure.code, status=failure.status)
    if failure.outcome == "misconfigured":
        return GrantMisconfigured(said, code=failure.code, status=failure.status)
    seconds = -(-(failure.until - now) // 1000)
    return GrantDeferred(said, code=failure.code, status=failure.status, retry_after=seconds)


def _first_failure(before: Connection) -> tuple[EventType, ...]:
    """A row of failures is announced once."""
    return () if before.failure else ("vault.connection.token_refresh.pending",)
