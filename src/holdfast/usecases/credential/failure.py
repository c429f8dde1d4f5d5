"""What a refresh that gave nothing means: for the connection, for whoever waits, and for the token that was presented.

What the provider says is *rejected* (kept for 48 hours, then given up), *misconfigured* (nothing is known against the
connection) or *deferred*. Whatever it is leaves its trace on the connection and a pause, in which everybody gets the
same answer, and the old token serves while it lives.
"""

from __future__ import annotations

from typing import Literal

import structlog
from msgspec.structs import replace
from prometheus_client import Counter

from holdfast import failpoints
from holdfast.domain.connection import COOLDOWN, COOLDOWN_LIMIT, Connection, RefreshFailure, refresh_failed
from holdfast.domain.event import EventType
from holdfast.domain.tenancy import ConsumerScope, Integration
from holdfast.errors import (
    ClientRefused,
    ConsumerError,
    GrantDeferred,
    GrantMisconfigured,
    GrantRejected,
    HoldfastError,
    ProviderError,
    RefreshRejected,
    Unavailable,
)
from holdfast.store import Store, connections, presentations
from holdfast.store.connections import Change, Stored
from holdfast.store.presentations import Claim
from holdfast.usecases.credential.obtain import Outcome
from holdfast.usecases.subject import Held
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

REFRESHES = Counter("holdfast_refreshes", "What came of asking providers to refresh a token.", ["outcome"])
LOST = Counter("holdfast_refreshes_unanswered", "Refresh tokens that were presented and got no answer that is held.")


class Outrun(HoldfastError):
    """A later attempt has begun, which knows more than this one's answer."""


async def note(
    scope: ConsumerScope, vault: Vault, subject: Held, claim: Claim, error: HoldfastError, *, presented: bool
) -> Outcome:
    """Writes down what a failed refresh means, on the grant that it concerns, and frees the `claim` with it.

    `presented`: the refresh token may have left. Unavailable, and nothing is written, if the database is away.
    """
    asked, now = subject.connection, vault.clock.now()
    failure = _failure(error, subject.integration, now)

    def decide(before: Connection | None) -> Change | None:
        if before is None or not before.same_grant(asked):
            return None
        after = refresh_failed(before, failure)
        if after.grant is None:
            return Change(after, None, ("vault.connection.token_refresh.failed",))
        return Change(after, announce=_first_failure(before))

    async def free(tx: Store, _: Stored | None) -> None:
        await _free(scope, tx, vault, claim, error, presented=presented)

    try:
        _, after = await connections.change(scope, vault.store, subject.connector, subject.unified_api, decide, free)
    except Outrun:
        # What the provider said of the token is true all the same: nobody need wait for this sender.
        await presentations.spoke(scope, vault.store, claim)
        return Outcome(subject, error=Unavailable("Another process is refreshing this credential."))
    _tell(asked, failure, error)
    if after is not None and after.grant is not None and not after.same_grant(asked) and after.failure is None:
        return Outcome(subject.with_connection(after))
    if not isinstance(error, ConsumerError):  # who must fill in a form is told so by name
        error = answer(failure, after.retained_until if after else 0, now)
    return Outcome(subject.with_connection(after), error=error)


async def note_spared(scope: ConsumerScope, vault: Vault, subject: Held, error: ClientRefused) -> Outcome:
    """The provider was not asked, because it refuses everybody's client. A connection whose token has ended says so
    once, like one that was refused itself; no pause of its own keeps it from trying when the client is taken again."""
    asked, now = subject.connection, vault.clock.now()
    if asked.failure is not None or asked.grant is None or asked.grant.alive(now):
        return Outcome(subject, error=error)
    failure = replace(_failure(error, subject.integration, now), until=now)

    def decide(before: Connection | None) -> Change | None:
        if before is None or not before.same_grant(asked) or before.failure is not None:
            return None
        return Change(refresh_failed(before, failure), announce=_first_failure(before))

    _, after = await connections.change(scope, vault.store, subject.connector, subject.unified_api, decide)
    return Outcome(subject.with_connection(after), error=error)


async def _free(
    scope: ConsumerScope, tx: Store, vault: Vault, claim: Claim, error: HoldfastError, *, presented: bool
) -> None:
    if not presented or _gave_nothing(error):
        await presentations.take_back(scope, tx, claim)
    elif isinstance(error, GrantRejected):
        if not await presentations.refused(scope, tx, claim):
            raise Outrun
        await failpoints.at("refresh.refused")
    else:
        await presentations.unanswered(scope, tx, claim, vault.terms)
        await failpoints.at("refresh.unanswered")


def _gave_nothing(error: HoldfastError) -> bool:
    """Whether the provider has answered, and with its answer said that the token was not used: it refused the client,
    or put us off before it looked (RFC 6749 section 5.2, RFC 6585 section 4). A status of 5xx says nothing."""
    if isinstance(error, GrantMisconfigured):
        return error.code is not None
    return isinstance(error, GrantDeferred) and not error.ambiguous


def answer(failure: RefreshFailure, retained_until: int, now: int) -> ProviderError:
    """What a failed refresh is told as: the same to whoever was there, and to whoever asks before the next try."""
    said, code, status = failure.said, failure.code, failure.status
    if failure.outcome == "rejected":
        return RefreshRejected(
            said, code=code, status=status, credentials_expire_at=retained_until, retry_at=failure.until, now=now
        )
    kind = GrantMisconfigured if failure.outcome == "misconfigured" else GrantDeferred
    return kind(said, code=code, status=status, retry_after=-(-(failure.until - now) // 1000))


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


def _first_failure(before: Connection) -> tuple[EventType, ...]:
    """A row of failures is announced once."""
    return () if before.failure or before.unresolved else ("vault.connection.token_refresh.pending",)
