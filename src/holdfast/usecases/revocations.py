"""Grants to be ended at their provider: tried at once, then again for about a day, and never forgotten silently.

The local credential is gone before the provider is asked, so nothing that it answers, or does not, keeps a deleted
connection alive here. Whether the request may be sent at all is asked when it is sent: by then the consumer may have
connected again, and many providers end whatever the client holds of an account (`revoke.ends`), the new grant too.
Where the request rests on an access token that has expired, the token is refreshed first.
"""

from __future__ import annotations

import contextlib
from functools import partial

import structlog

from holdfast.domain.connection import Connection
from holdfast.domain.credential import Credential
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import ConflictError, GrantDeferred, GrantRejected, HoldfastError, IntegrityError, Unavailable
from holdfast.grants.flow import drive
from holdfast.grants.revoke import Ending, needs_refresh, revoke
from holdfast.grants.sent import Sent
from holdfast.grants.token import refresh
from holdfast.store import Store, connections, events, flows, revocations, tenants
from holdfast.store.connections import Change, Decide, Stored
from holdfast.store.jobs import Job
from holdfast.store.revocations import Revocation
from holdfast.usecases.credential.insist import insist
from holdfast.usecases.credential.obtain import TOKEN_REQUEST
from holdfast.usecases.credential.setup import setup_with
from holdfast.usecases.states import callback_context, callback_url
from holdfast.usecases.steps import Ended
from holdfast.usecases.subject import Held, Subject, find_subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# Seconds until each further try; after the last one the outcome is "unreachable". A day, together.
DELAYS = (30, 120, 600, 3600, 4 * 3600, 18 * 3600)


async def drop_grant(scope: ConsumerScope, vault: Vault, about: Subject, decide: Decide) -> Ended:
    """Changes the connection by `decide`, which drops its grant, and ends that grant at the provider.

    With it ends every authorization of the connection that is under way: none that was begun before connects after.
    """
    owed = await _give_up(scope, vault, about, decide, at_once=True)
    if owed is None:
        return "here"
    if not owed.job.attempts:
        vault.bell.ring(revocations.KIND)
        return "pending"
    with contextlib.suppress(Unavailable, ConflictError):  # the lease runs out, and the next one tries
        return "ended" if await attempt(vault, owed) else "pending"
    return "pending"


async def leave_grant(scope: ConsumerScope, vault: Vault, about: Subject, decide: Decide) -> None:
    """As `drop_grant`, for many at once: whoever works on the queue asks the provider."""
    await _give_up(scope, vault, about, decide, at_once=False)


async def _give_up(
    scope: ConsumerScope, vault: Vault, about: Subject, decide: Decide, *, at_once: bool
) -> Revocation | None:
    """What is owed to the connection's provider."""
    owed: list[Revocation | None] = []

    def deciding(before: Connection | None) -> Change | None:
        owed.clear()  # what was owed to an earlier decision was rolled back with it
        return decide(before)

    async def owe(tx: Store, held: Stored | None) -> None:
        await flows.end(scope, tx, about.unified_api, about.connector.id)
        ends = held is not None and _can_be_ended(held.connection, about.connector)
        owed.append(await _owe(scope, tx, held, about.connector, at_once=at_once) if held and ends else None)

    await connections.change(scope, vault.store, about.connector, about.unified_api, deciding, owe)
    return owed[0] if owed else None


async def end_stray(
    scope: ConsumerScope, vault: Vault, about: Subject, connection: Connection, credential: Credential
) -> None:
    """Ends a token that was obtained for `connection` and may not be kept: a newer grant or a deletion came first.

    Nobody waits for it. `connection` is as it was when the token was asked for, and `credential` is what was opened for
    that, with the token in it: the client that ends a token is the one that got it. Unavailable or ConflictError if it
    could not be written down.
    """
    if not _can_be_ended(connection, about.connector):
        return
    async with vault.store.transaction() as tx:
        if await tenants.is_there(scope, tx):
            await revocations.owe(scope, tx, connection, credential)
        else:  # it was deleted with the wish that its grants live on
            log.critical("granted_token_lost", service=about.connector.id, reason="application deleted")
    vault.bell.ring(revocations.KIND)


def can_end(connector: Connector) -> bool:
    """Whether the provider has a way to end a grant."""
    return connector.auth.oauth is not None and connector.auth.oauth.revoke is not None


def _can_be_ended(connection: Connection, connector: Connector) -> bool:
    return connection.grant is not None and can_end(connector)


async def _owe(
    scope: ConsumerScope, tx: Store, held: Stored, connector: Connector, *, at_once: bool
) -> Revocation | None:
    """None if the credential does not open: it is dropped all the same, and the evidence says so.

    What has to be refreshed first takes its time, and must not end with the request: it is left to the worker.
    """
    before = held.connection
    try:
        credential = await connections.open_credential(scope, tx, held, "revoke")
    except IntegrityError:
        log.warning("revocation_impossible", connection=before.id, service=before.service_id, outcome="unreadable")
        await revocations.give_up(scope, tx, before, "unreadable")
        return None
    leased = at_once and not _needs_refresh(connector, credential, tx.clock.now())
    return await revocations.owe(scope, tx, before, credential, leased=leased)


def _needs_refresh(connector: Connector, credential: Credential, now: int) -> bool:
    oauth, token = connector.auth.oauth, credential.token
    if oauth is None or oauth.revoke is None or token is None:
        return False
    return needs_refresh(oauth.revoke, token, now)


async def work(vault: Vault, job: Job) -> None:
    """One try of a leased job. What does not open is set aside and told: trying again would help nobody."""
    assert job.scope is not None  # a revocation is an application's
    try:
        revocation = await revocations.opened(job.scope, vault.store, job)
    except IntegrityError:
        log.warning("job_set_aside", kind=job.kind, job=job.id, reason="unreadable")
        await revocations.set_aside(job.scope, vault.store, job, "unreadable")
        return
    await attempt(vault, revocation)


async def attempt(vault: Vault, revocation: Revocation) -> bool:
    """Asks the provider to end the grant; True if it did. What it answers is kept as evidence.

    Unavailable or ConflictError, and nothing is settled, if the fault is ours.
    """
    try:
        if await _superseded(vault, revocation):
            return await _settle(vault, revocation, "superseded")
        ending = await _ask(vault, revocation)
    except GrantDeferred as error:
        await _put_off(vault, revocation, error)
        return False
    except (Unavailable, ConflictError):
        raise  # a fault of ours says nothing about the grant
    except HoldfastError as error:
        return await _settle(vault, revocation, f"failed: {type(error).__name__}", getattr(error, "status", None))
    # A grant that the provider knows no more has ended, whoever ended it (RFC 7009 section 2.2).
    return await _settle(vault, revocation, "revoked" if ending.ended else "refused", ending.status)


async def _superseded(vault: Vault, revocation: Revocation) -> bool:
    """Whether the request could end a grant that is in use.

    A grant that came after this one, where the provider ends them together; and the very grant, where the token is a
    stray of it: to end a refresh token is to end its grant (RFC 7009 section 2.1).
    """
    held = await revocations.held_consent(revocation.scope, vault.store, revocation)
    if held is None:
        return False
    oauth = vault.catalog.get(revocation.unified_api, revocation.service_id).auth.oauth
    ends = oauth.revoke.ends if oauth and oauth.revoke else "grant"
    return ends == "grant" or held == (revocation.connection_id, revocation.granted_at)


async def _ask(vault: Vault, revocation: Revocation) -> Ending:
    subject = await find_subject(revocation.scope, vault, revocation.unified_api, revocation.service_id)
    held = subject.holding(revocation.connection)
    if _needs_refresh(held.connector, revocation.credential, vault.clock.now()):
        try:
            revocation = await _refreshed(vault, held, revocation)
        except GrantRejected as error:
            return Ending("gone", error.code, error.status)  # the provider says itself that there is no such grant
    token = revocation.credential.token
    assert token is not None  # without one there was nothing to end
    known = await setup_with(revocation.scope, vault, held, revocation.credential)
    return await drive(revoke(known, token, now=vault.clock.now()), vault.door.send, Sent(known.secrets()))


async def _refreshed(vault: Vault, held: Held, revocation: Revocation) -> Revocation:
    """The revocation with a living token. It is kept before it is used, in flight: a worker that stops in between
    would leave behind a token that the provider has replaced."""

    async def refresh_and_keep() -> Revocation:
        scope, service_id = revocation.scope, held.connector.id
        known = await setup_with(scope, vault, held, revocation.credential)
        redirect_uri = callback_url(vault, callback_context(scope, vault, service_id))
        assert revocation.credential.token is not None
        flow = refresh(known, revocation.credential.token, redirect_uri=redirect_uri, now=vault.clock.now())
        send = partial(vault.door.send, limits=TOKEN_REQUEST)
        granted = await drive(flow, send, Sent(known.secrets()))
        return await insist(
            vault, service_id, lambda: revocations.reseal(scope, vault.store, revocation, granted.token)
        )

    return await vault.flights.join(("revoke", revocation.job.id), refresh_and_keep)


async def _put_off(vault: Vault, revocation: Revocation, error: GrantDeferred) -> None:
    tried = revocation.job.attempts
    if tried > len(DELAYS):
        await _settle(vault, revocation, "unreachable", error.status)
        return
    # A provider may ask for more time than we give it, not for less: it would use up the tries of a day in a minute.
    # How long at most, is decided where it is read (`grants.lifetime.WAIT_LIMIT`): a careless one is no way out.
    seconds = max(DELAYS[tried - 1], error.retry_after or 0)
    reason = type(error).__name__ if error.status is None else f"status {error.status}"
    await revocations.postpone(revocation.scope, vault.store, revocation, seconds * 1000, reason, error.status)


async def _settle(vault: Vault, revocation: Revocation, outcome: str, status: int | None = None) -> bool:
    """Keeps the evidence, and tells what is worth telling; True if the provider accepted."""
    if outcome not in ("revoked", "superseded"):
        log.warning("revocation_failed", service=revocation.service_id, outcome=outcome)
    held = await revocations.settle(revocation.scope, vault.store, revocation, outcome, status)
    if held and outcome == "revoked":
        await _announce(vault, revocation)
    return outcome == "revoked"


async def _announce(vault: Vault, revocation: Revocation) -> None:
    """Tells that the connection was revoked, if it is that connection and it has no other grant by now."""
    scope = revocation.scope
    held = await connections.one(scope, vault.store, revocation.unified_api, revocation.service_id)
    if held is None or held.id != revocation.connection_id or held.grant is not None:
        return
    connector = vault.catalog.get(revocation.unified_api, revocation.service_id)
    async with vault.store.transaction() as tx:
        await events.announce(scope, tx, connector, held, held, ["vault.connection.revoked"], vault.clock.now())
