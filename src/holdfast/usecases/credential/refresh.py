"""Renewing a credential: look, take the lease, look again, ask once, keep what comes.

Callers in this process join one flight, processes take a lease on the row, and the answer is kept only on the
very grant that was renewed. What the provider says is *rejected* (kept for 48 hours, then given up),
*misconfigured* (nothing is known against the connection) or *deferred* (the old token serves while it lives).
"""

from __future__ import annotations

import contextlib

import structlog

from holdfast.domain.connection import Connection, cooling_down, refresh_deferred, refresh_refused, refreshed
from holdfast.domain.credential import OAuthToken
from holdfast.domain.event import EventType
from holdfast.domain.tenancy import Scope
from holdfast.errors import (
    ConnectorCredentialsError,
    EgressRefused,
    GrantDeferred,
    GrantMisconfigured,
    GrantRejected,
    ProviderError,
    Unavailable,
)
from holdfast.grants.flow import Setup, drive
from holdfast.grants.token import GRANTS, Granted, TokenFlow, refresh
from holdfast.store import connections
from holdfast.store.connections import Change, Lease
from holdfast.usecases import revocations
from holdfast.usecases.credential.keep import believed, save
from holdfast.usecases.credential.setup import require_grant, setup
from holdfast.usecases.links import callback_context, callback_url
from holdfast.usecases.subject import Subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# A token is renewed when it has less than this to live (ms).
MIN_VALID = 30_000
# Longer than an outbound call and the tries to save its answer, so that a holder who is alive keeps its lease.
LEASE = 30_000
WAIT, WAIT_LIMIT = 0.025, 20.0


async def renew(scope: Scope, vault: Vault, subject: Subject, *, force: bool) -> Subject:
    """The subject with a renewed grant, or with the old one where that still serves.

    `force` asks the provider even if the token looks good, and raises what it answered. Raises a ProviderError,
    ConnectorCredentialsError if there is no grant any more, Unavailable if another process does not finish.
    """
    connection = require_grant(subject)
    key = (scope.application_id, connection.id)
    return await vault.flights.join(key, lambda: _renew(scope, vault, subject, connection, force))


def is_fresh(subject: Subject, now: int) -> bool:
    """Whether the grant needs no renewal yet. ConnectorCredentialsError if it has ended and cannot be renewed."""
    oauth, grant = subject.connector.auth.oauth, require_grant(subject).grant
    if oauth is None or grant is None:
        return True
    if not (grant.refreshable or oauth.grant in GRANTS):
        if grant.fresh(now, min_valid=1):
            return True
        raise ConnectorCredentialsError("The access token has expired, and there is none to renew it with.")
    # Some providers refuse a refresh until the token is nearly dead; one second in hand for the way there.
    earliest = oauth.refresh.not_before_expiry
    return grant.fresh(now, MIN_VALID if earliest is None else min(MIN_VALID, earliest * 1000 - 1000))


async def _renew(scope: Scope, vault: Vault, subject: Subject, asked: Connection, force: bool) -> Subject:
    """Whoever finds the work done by somebody else goes home."""
    waited = 0.0
    while True:
        subject = await _current(scope, vault, subject)
        connection, now = require_grant(subject), vault.clock.now()
        if not _same_grant(connection, asked) or (not force and is_fresh(subject, now)):
            return subject
        if not force and cooling_down(connection, now):
            return _while_cooling(subject, connection, now)
        lease = await connections.take_lease(scope, vault.store, connection, LEASE)
        if lease is not None:
            return await _renew_under(lease, scope, vault, subject, force)
        if waited >= WAIT_LIMIT:
            raise Unavailable("Another process is renewing this credential and has not finished.")
        await vault.clock.sleep(WAIT)
        waited += WAIT


async def _renew_under(lease: Lease, scope: Scope, vault: Vault, subject: Subject, force: bool) -> Subject:
    connection = require_grant(subject)
    try:
        token, generation = await connections.open_credential(scope, vault.store, connection, "refresh")
        if generation != connection.credential_generation:
            # Somebody reconnected after the lease was taken: that grant is new, and not ours to spend.
            return await _current(scope, vault, subject)
        granted = await drive(_flow(scope, vault, subject, token), vault.send)
        return await _keep_renewed(scope, vault, subject, believed(vault, subject, granted))
    except (ProviderError, EgressRefused) as error:
        served = await _note_failure(scope, vault, subject, error)
        if force and _same_grant(served.connection, connection):
            # Whoever asked for a renewal is told that there was none, even while the old token is good.
            raise
        return served
    finally:
        # A lease that cannot be given back runs out; that must not hide what happened under it.
        with contextlib.suppress(Unavailable):
            await connections.release_lease(scope, vault.store, connection, lease)


async def _keep_renewed(scope: Scope, vault: Vault, subject: Subject, granted: Granted) -> Subject:
    renewed_from = require_grant(subject)
    recovered: tuple[EventType, ...] = ()
    if renewed_from.last_refresh_failed_at:
        recovered = ("vault.connection.token_refresh.recovered",)

    def decide(before: Connection | None) -> Change | None:
        if before is None or not _same_grant(before, renewed_from):
            return None
        return Change(refreshed(before, granted.token, granted.captured), granted.token, recovered)

    before, after = await save(scope, vault, subject, decide)
    if after is before:
        # A newer grant, or a deletion, came first: what we just got must not live on unknown to anybody.
        await revocations.end_stray(scope, vault, subject, renewed_from, granted.token)
    return subject.holding(after)


async def _note_failure(scope: Scope, vault: Vault, subject: Subject, error: ProviderError | EgressRefused) -> Subject:
    """Writes down what a failed renewal means, then raises it, unless the old token is still good."""
    connection = require_grant(subject)
    now = vault.clock.now()
    log.warning(
        "refresh_failed", connection=connection.id, service=connection.service_id, outcome=type(error).__name__,
        status=getattr(error, "status", None), code=getattr(error, "code", None),
    )  # fmt: skip

    def decide(before: Connection | None) -> Change | None:
        if before is None or not _same_grant(before, connection):
            return None
        return _after_failure(before, error, now)

    _, after = await connections.change(scope, vault.store, subject.connector, subject.unified_api, decide)
    replaced = after is not None and after.grant is not None and not _same_grant(after, connection)
    serves = after is not None and connection.grant is not None and connection.grant.fresh(now, min_valid=1)
    if replaced or (serves and not isinstance(error, GrantRejected)):
        return subject.holding(after)
    raise error


def _after_failure(before: Connection, error: ProviderError | EgressRefused, now: int) -> Change | None:
    if isinstance(error, GrantMisconfigured | EgressRefused):
        return None
    if isinstance(error, GrantDeferred):
        return Change(refresh_deferred(before, now), announce=_first_failure(before))
    after = refresh_refused(before, now)
    if after.grant is None:
        return Change(after, None, ("vault.connection.token_refresh.failed",))
    return Change(after, announce=_first_failure(before))


def _first_failure(before: Connection) -> tuple[EventType, ...]:
    """A row of failures is announced once."""
    return () if before.last_refresh_failed_at else ("vault.connection.token_refresh.pending",)


def _flow(scope: Scope, vault: Vault, subject: Subject, token: OAuthToken) -> TokenFlow:
    known: Setup = setup(vault, subject)
    if token.refresh_token is None and known.oauth.grant in GRANTS:
        return GRANTS[known.oauth.grant](known, vault.clock.now())
    redirect_uri = callback_url(vault, callback_context(scope, vault, subject.connector.id))
    return refresh(known, token, redirect_uri=redirect_uri, now=vault.clock.now())


def _same_grant(connection: Connection | None, other: Connection) -> bool:
    """A connection that was deleted and made again counts its generations from the start, so its id counts too."""
    if connection is None:
        return False
    return (connection.id, connection.credential_generation) == (other.id, other.credential_generation)


def _while_cooling(subject: Subject, connection: Connection, now: int) -> Subject:
    """Between two attempts the old token serves while it lives, unless its grant was refused. GrantDeferred else."""
    if connection.grant and connection.grant.fresh(now, min_valid=1) and not connection.retained_until:
        return subject
    seconds = -(-cooling_down(connection, now) // 1000)
    raise GrantDeferred("The last refresh failed; the next attempt waits.", retry_after=seconds)


async def _current(scope: Scope, vault: Vault, subject: Subject) -> Subject:
    return subject.holding(await connections.one(scope, vault.store, subject.unified_api, subject.connector.id))
