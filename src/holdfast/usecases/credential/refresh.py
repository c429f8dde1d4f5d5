"""Refreshing a token: look, lock, claim, ask once, keep what comes.

Callers in this process join one flight. Among processes a lock keeps the others out and a claim on the row says that
one is at it; whoever finds both taken looks at the row until the answer is there. `attempt` is what happens under the
claim, `docs/explanation/refresh.md` why in this order.
"""

from __future__ import annotations

import structlog
from msgspec.structs import replace

from holdfast import failpoints
from holdfast.domain.connection import Connection, cooling_down
from holdfast.domain.presentation import Replay, may_present_at
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import ConnectorCredentialsError, HoldfastError, Unavailable
from holdfast.grants.token import GRANTS
from holdfast.store import connections, presentations
from holdfast.store.connections import Stored
from holdfast.store.engine.locks import Lock
from holdfast.usecases.credential import circuit
from holdfast.usecases.credential.attempt import attempt
from holdfast.usecases.credential.failure import answer, note_spared
from holdfast.usecases.credential.obtain import Outcome
from holdfast.usecases.credential.spooled import take_up
from holdfast.usecases.subject import Granted, Subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# Seconds between two looks at a row that another process is refreshing, and how long that is waited for.
WAIT, WAIT_LIMIT = 0.025, 20.0


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
        await failpoints.at("refresh.begun")
        stored = await connections.stored(scope, vault.store, asked.unified_api, asked.connector.id)
        if (known := _known(asked, stored, vault.clock.now())) is not None:
            return known
        assert stored is not None  # or it would be known
        lock = await vault.locks.take(stored.connection.id)
        if lock is not None:
            try:
                outcome = await _under_lock(scope, vault, asked.holding(stored.connection).granted(), stored, lock)
            finally:
                await lock.give_back()
            if outcome is not None:
                return outcome
        if vault.flights.closing:  # what has not been sent is not sent any more
            return Outcome(asked, error=Unavailable("This process is ending; another one will answer."))
        if waited >= WAIT_LIMIT:
            return Outcome(asked, error=Unavailable("Another process is refreshing this credential."))
        await vault.clock.sleep(WAIT)
        waited += WAIT


def _known(asked: Granted, stored: Stored | None, now: int) -> Outcome | None:
    """What the row says already: that there is nothing left to refresh, or that somebody has asked just now."""
    if stored is None or stored.connection.grant is None:
        return Outcome(asked.with_connection(None), error=ConnectorCredentialsError())
    subject = asked.holding(stored.connection)
    if not subject.connection.same_grant(asked.connection):
        return Outcome(subject)
    failure = subject.connection.failure
    if failure and cooling_down(subject.connection, subject.integration, now):
        return Outcome(subject, error=answer(failure, subject.connection.retained_until, now))
    return None


async def _under_lock(
    scope: ConsumerScope, vault: Vault, subject: Granted, stored: Stored, lock: Lock
) -> Outcome | None:
    """None if somebody else is at it all the same, or the row has changed: look again."""
    await failpoints.at("refresh.locked")
    left = [entry for entry in vault.spool.left(subject.connection.id) if entry.about.kind == "refresh"]
    for entry in left:
        await take_up(vault, entry)
    if left:
        return None
    # Under the lock: who waits for another process asks of the row alone, however often it looks.
    if refused := await circuit.refusal(scope, vault, subject):
        return await note_spared(scope, vault, subject, refused)
    begun, sender = vault.clock.monotonic(), vault.spool.sender()
    claim = await presentations.claim(
        scope, vault.store, subject.connection, _replay(vault, subject), vault.terms, sender, locked=vault.locks.exclude
    )
    if claim is None:
        return await _in_the_way(scope, vault, subject)
    return await attempt(scope, vault, subject, stored, claim, lock, begun)


async def _in_the_way(scope: ConsumerScope, vault: Vault, subject: Granted) -> Outcome | None:
    """What keeps this process from presenting the token, if that is more than a moment."""
    standing = await presentations.standing(scope, vault.store, subject.connection)
    silent = any(one.outcome is None for one in standing.past)
    if silent and vault.locks.exclude and not vault.terms.patience:
        # Whoever sent it is dead, or would have the lock, and has left no answer, or it would have been found.
        await presentations.bury(scope, vault.store, subject.connection, vault.terms)
        standing = await presentations.standing(scope, vault.store, subject.connection)
    elif standing.leased:
        return None
    if not standing.past:
        return None
    at = may_present_at(
        standing.past, _replay(vault, subject), subject.grant.expires_at, standing.now, patience=vault.terms.patience
    )
    if at == standing.now:
        return None
    return Outcome(subject, error=_not_before(subject.connection, at or standing.now + vault.terms.lease, standing.now))


def _not_before(connection: Connection, at: int, now: int) -> HoldfastError:
    """The last failure, where it was told; else that nobody knows what became of it."""
    if connection.failure is not None:
        return answer(replace(connection.failure, until=at), connection.retained_until, now)
    return Unavailable("It is not known what became of the last refresh.", retry_after=-(-(at - now) // 1000))


def _replay(vault: Vault, subject: Granted) -> Replay:
    oauth = subject.connector.auth.oauth
    assert oauth is not None  # it has a grant
    return Replay.of(oauth.refresh, vault.terms.lease)
