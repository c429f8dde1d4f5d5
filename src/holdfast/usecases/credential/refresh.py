"""Refreshing a token: look, take the lease, look again, ask once, keep what comes.

Callers in this process join one flight, processes take a lease on the row, and the answer is kept only on the
very grant that was refreshed. What the provider says is *rejected* (kept for 48 hours, then given up),
*misconfigured* (nothing is known against the connection) or *deferred*. Whatever it is leaves its trace on the
connection and a pause, in which everybody gets the same answer, and the old token serves while it lives.
"""

from __future__ import annotations

from typing import Literal

import structlog
from prometheus_client import Counter

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
    ConsumerError,
    GrantDeferred,
    GrantMisconfigured,
    GrantRejected,
    HoldfastError,
    ProviderError,
    RefreshRejected,
    Unavailable,
)
from holdfast.grants.sent import Sent
from holdfast.grants.token import GRANTS
from holdfast.grants.token import Granted as Answer
from holdfast.grants.token import refresh as refresh_flow
from holdfast.store import attempts, connections
from holdfast.store.connections import Change, Stored
from holdfast.usecases.credential.keep import keep_refreshed
from holdfast.usecases.credential.lease import held
from holdfast.usecases.credential.obtain import Outcome, obtain
from holdfast.usecases.credential.setup import setup_with
from holdfast.usecases.states import callback_context, callback_url
from holdfast.usecases.subject import Granted, Subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# Seconds between two looks at a row that another process has leased, and how long that is waited for.
WAIT, WAIT_LIMIT = 0.025, 20.0
REFRESHES = Counter("holdfast_refreshes", "What came of asking providers to refresh a token.", ["outcome"])


async def refresh(scope: ConsumerScope, vault: Vault, subject: Granted, *, force: bool) -> None:
    """Refreshes the subject's token, or leaves the old one where that still serves.

    `force` asks the provider even if the token looks good, and raises what it answered. Raises a ProviderError,
    ConnectorCredentialsError if there is no grant any more, Unavailable if nobody has an answer in time.
    """
    force = force and _refreshes_early(subject)
    key = ("refresh", scope.application_id, subject.connection.id)
    try:
        outcome = await vault.flights.join(key, lambda: _refresh(scope, vault, subject))
    except Unavailable:  # the answer will be kept when it comes; until then the old token may do
        if force or not _serves(subject, vault.clock.now()):
            raise
        return
    if outcome.error and (force or not _serves(outcome.subject, vault.clock.now())):
        raise outcome.error


def is_fresh(subject: Granted, now: int) -> bool:
    """Whether the grant needs no refresh yet. ConnectorCredentialsError if it has ended and cannot be refreshed."""
    oauth, grant = subject.connector.auth.oauth, subject.grant
    if oauth is None or grant.fresh(now):
        return True
    if not can_be_refreshed(subject):
        if grant.alive(now):
            return True
        raise ConnectorCredentialsError("The access token has expired, and there is none to refresh it with.")
    # Some providers refuse a refresh until the token is nearly dead; one second in hand for the way there.
    earliest = oauth.refresh.not_before_expiry
    return earliest is not None and grant.fresh(now, earliest * 1000 - 1000)


def can_be_forced(subject: Granted) -> bool:
    """Whether the provider refreshes a token that has not nearly expired."""
    return can_be_refreshed(subject) and _refreshes_early(subject)


def can_be_refreshed(subject: Granted) -> bool:
    """Whether there is a refresh token, or stored credentials to ask with again."""
    oauth = subject.connector.auth.oauth
    return subject.grant.refreshable or (oauth is not None and oauth.grant in GRANTS)


def _refreshes_early(subject: Subject) -> bool:
    oauth = subject.connector.auth.oauth
    return oauth is not None and oauth.refresh.not_before_expiry is None


def _serves(subject: Subject, now: int) -> bool:
    """Whether there is a token, old or new, that has not expired."""
    grant = subject.connection.grant if subject.connection else None
    return grant is not None and grant.alive(now)


async def _refresh(scope: ConsumerScope, vault: Vault, asked: Granted) -> Outcome:
    """Whoever finds that another grant has taken the place of the one to be refreshed goes home."""
    waited = 0.0
    while True:
        stored = await connections.stored(scope, vault.store, asked.unified_api, asked.connector.id)
        if stored is None or stored.connection.grant is None:
            return Outcome(asked.with_connection(None), error=ConnectorCredentialsError())
        subject, now = asked.holding(stored.connection).granted(), vault.clock.now()
        if not subject.connection.same_grant(asked.connection):
            return Outcome(subject)
        failure = subject.connection.failure
        if failure and cooling_down(subject.connection, subject.integration, now):
            return Outcome(subject, error=_answer(failure, subject.connection.retained_until, now))
        # Whoever waits only reads: SQLite has one writer, and PostgreSQL keeps each version of a row until it is swept.
        if not stored.leased and (
            lease := await attempts.take(scope, vault.store, subject.connection, vault.lease.duration)
        ):
            async with held(scope, vault, lease):
                return await _under_lease(scope, vault, subject)
        if waited >= WAIT_LIMIT:
            return Outcome(subject, error=Unavailable("Another process is refreshing this credential."))
        await vault.clock.sleep(WAIT)
        waited += WAIT


async def _under_lease(scope: ConsumerScope, vault: Vault, subject: Granted) -> Outcome:
    stored = await connections.stored(scope, vault.store, subject.unified_api, subject.connector.id)
    if stored is None or not stored.connection.same_grant(subject.connection):
        # Refreshed or reconnected between the look and the lease: that grant is new, and not ours to spend.
        return Outcome(subject.with_connection(stored.connection if stored else None))
    outcome = await _ask(scope, vault, subject, stored)
    if outcome.error is None:
        REFRESHES.labels("refreshed").inc()
        log.info("refreshed", connection=subject.connection.id, service=subject.connector.id)
        return outcome
    return await _note(scope, vault, subject, outcome.error)


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
    _tell(asked, failure, error)

    def decide(before: Connection | None) -> Change | None:
        if before is None or not before.same_grant(asked):
            return None
        after = refresh_failed(before, failure)
        if after.grant is None:
            return Change(after, None, ("vault.connection.token_refresh.failed",))
        return Change(after, announce=_first_failure(before))

    _, after = await connections.change(scope, vault.store, subject.connector, subject.unified_api, decide)
    replaced = after is not None and after.grant is not None and not after.same_grant(asked) and after.failure is None
    if replaced:
        return Outcome(subject.with_connection(after))
    if not isinstance(error, ConsumerError):  # who must fill in a form is told so by name
        error = _answer(failure, after.retained_until if after else 0, now)
    return Outcome(subject.with_connection(after), error=error)


def _tell(asked: Connection, failure: RefreshFailure, error: HoldfastError) -> None:
    """What failed, for whoever reads logs and metrics. An `ambiguous` answer may have spent a rotated token."""
    REFRESHES.labels(failure.outcome).inc()
    log.warning(
        "refresh_failed", connection=asked.id, service=asked.service_id, outcome=failure.outcome,
        error=type(error).__name__, status=failure.status, code=failure.code,
        ambiguous=isinstance(error, GrantDeferred) and error.ambiguous,
    )  # fmt: skip


def _failure(error: HoldfastError, integration: Integration, now: int) -> RefreshFailure:
    wait = min(max(COOLDOWN, 1000 * (getattr(error, "retry_after", None) or 0)), COOLDOWN_LIMIT)
    return RefreshFailure(
        outcome=_outcome(error),
        at=now,
        until=now + wait,
        said=str(error.detail),
        integration=integration.version,
        code=getattr(error, "code", None),
        status=getattr(error, "status", None),
    )


def _outcome(error: HoldfastError) -> Literal["rejected", "misconfigured", "deferred"]:
    if isinstance(error, GrantRejected):
        return "rejected"
    return "misconfigured" if error.actor == "operator" else "deferred"


def _answer(failure: RefreshFailure, retained_until: int, now: int) -> ProviderError:
    """What a failed refresh is told as: the same to whoever was there, and to whoever asks before the next try."""
    said, code, status = failure.said, failure.code, failure.status
    if failure.outcome == "rejected":
        return RefreshRejected(
            said, code=code, status=status, credentials_expire_at=retained_until, retry_at=failure.until, now=now
        )
    kind = GrantMisconfigured if failure.outcome == "misconfigured" else GrantDeferred
    return kind(said, code=code, status=status, retry_after=-(-(failure.until - now) // 1000))


def _first_failure(before: Connection) -> tuple[EventType, ...]:
    """A row of failures is announced once."""
    return () if before.failure else ("vault.connection.token_refresh.pending",)
