"""One attempt to refresh a token, from the claim to the stored answer, and every way in which it can end.

    claimed ── mark, guard, send ──▶ sent ── answer ──▶ spooled ──▶ stored
       │ too late, or taken over      │ no answer, refused
       ◀──────── taken back ──────────┴──▶ told, and the claim is free

The order is the protection (docs/explanation/refresh.md): the connection to the provider stands before the token is
marked as sent, and nothing but the guard is between the mark and the first byte; the answer is on disk before anybody
looks at it; and what a failure means is written in the transaction that frees the claim.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from holdfast import failpoints
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import (
    ClientRefused,
    ConflictError,
    ConnectorCredentialsError,
    GrantRejected,
    HoldfastError,
    Unavailable,
)
from holdfast.grants.sent import Sent
from holdfast.grants.token import GRANTS
from holdfast.grants.token import Granted as Answer
from holdfast.grants.token import refresh as refresh_flow
from holdfast.store import connections, presentations
from holdfast.store.connections import Stored
from holdfast.store.engine.locks import Lock
from holdfast.store.presentations import Claim
from holdfast.store.spool import About
from holdfast.usecases.credential import circuit
from holdfast.usecases.credential.failure import REFRESHES, note
from holdfast.usecases.credential.insist import insist
from holdfast.usecases.credential.keep import keep_refreshed
from holdfast.usecases.credential.obtain import Outcome, asking, obtain
from holdfast.usecases.credential.once import Once
from holdfast.usecases.credential.setup import setup_with
from holdfast.usecases.states import callback_context, callback_url
from holdfast.usecases.subject import Granted, Subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()


class NotSent(HoldfastError):
    """The attempt is not this process's to make any more; nothing has left."""


class Attempt:
    """One claim, and how far it has come. `presented`: the token may have left."""

    def __init__(
        self, scope: ConsumerScope, vault: Vault, subject: Granted, claim: Claim, lock: Lock, begun: float
    ) -> None:
        self.scope, self.vault, self.subject, self.claim = scope, vault, subject, claim
        self._lock = lock
        self._begun = begun
        self.presented = False

    async def present(self) -> None:
        """The connection to the provider stands, and the token is about to leave. NotSent if it may not."""
        self._guard()
        # From here on it may be written down as sent, whatever becomes of this process or of the acknowledgement.
        self.presented = True
        try:
            marked = await presentations.mark(self.scope, self.vault.store, self.claim, self.vault.terms)
            await failpoints.at("refresh.marked")
        except Unavailable:
            raise NotSent("It is not known whether the attempt was written down.") from None
        if not marked:
            raise NotSent("Another process has taken over.")
        self._guard()
        await failpoints.at("refresh.guarded")

    def _guard(self) -> None:
        late = self.vault.clock.monotonic() - self._begun >= self.vault.terms.guard
        if late or self._lock.lost or self.vault.flights.closing:
            raise NotSent("Too late to send.")

    def about(self) -> About:
        """What an answer is kept under."""
        connection = self.subject.connection
        return About(
            kind="refresh",
            application_id=self.scope.application_id,
            consumer_id=self.scope.consumer_id,
            unified_api=connection.unified_api,
            service_id=connection.service_id,
            connection_id=connection.id,
            generation=connection.credential_generation,
            number=self.claim.attempt,
            consent=connection.consent,
            granted_at=self.subject.grant.granted_at,
            asked_at=self.vault.clock.now(),
        )


async def attempt(
    scope: ConsumerScope, vault: Vault, subject: Granted, stored: Stored, claim: Claim, lock: Lock, begun: float
) -> Outcome | None:
    """Refreshes the subject's token under `claim`, which is free afterwards. None if nothing was sent after all, and
    whoever still wants a token looks again. `begun`: before the claim was asked for, by the monotonic clock."""
    one = Attempt(scope, vault, subject, claim, lock, begun)
    await failpoints.at("refresh.claimed")
    once = Once(vault, await vault.store.box(scope), one.about(), ready=one.present)
    async with _alive(one):
        outcome = await circuit.through(scope, vault, subject, lambda: _ask(one, stored, once))
        if isinstance(outcome.error, NotSent | ClientRefused):
            await _take_back(one)
            return None if isinstance(outcome.error, NotSent) else outcome
        if outcome.error is not None:
            outcome = await _end(one, outcome.error)
    once.drop()
    await failpoints.at("refresh.cleaned")
    return outcome


async def _ask(one: Attempt, stored: Stored, once: Once) -> Outcome:
    scope, vault, subject = one.scope, one.vault, one.subject
    credential = await connections.open_credential(scope, vault.store, stored, "refresh")
    known, token, now = await setup_with(scope, vault, subject, credential), credential.token, vault.clock.now()
    again = GRANTS.get(known.oauth.grant)

    async def keep(answer: Answer) -> Subject:
        kept = await keep_refreshed(scope, vault, subject, credential, answer, attempt=one.claim.attempt)
        REFRESHES.labels("refreshed").inc()
        log.info("refreshed", connection=subject.connection.id, service=subject.connector.id)
        return kept

    outcome = Outcome(subject, error=ConnectorCredentialsError("The connection has no refresh token."))
    if token is not None and token.refresh_token is not None:
        redirect_uri = callback_url(vault, callback_context(scope, vault, subject.connector.id))
        flow = refresh_flow(known, token, redirect_uri=redirect_uri, now=now)
        outcome = await obtain(subject, flow, once.send, Sent(known.secrets()), keep)
    if again and isinstance(outcome.error, GrantRejected | ConnectorCredentialsError):
        # These grants need no refresh token (RFC 6749 section 4.4.3): what was given once is given again.
        outcome = await obtain(subject, again(known, now), asking(vault.door), Sent(known.secrets()), keep)
    return outcome


async def _end(one: Attempt, error: HoldfastError) -> Outcome:
    """Writes down what a failure means, for the connection and for whoever wants to present the token again."""

    async def noted() -> Outcome:
        return await note(one.scope, one.vault, one.subject, one.claim, error, presented=one.presented)

    return await insist(one.vault, one.subject.connector.id, noted)


async def _take_back(one: Attempt) -> None:
    """It is told to nobody: the token is where it was."""

    async def take_back() -> None:
        async with one.vault.store.transaction() as tx:
            await presentations.take_back(one.scope, tx, one.claim)
        await failpoints.at("refresh.taken_back")

    await insist(one.vault, one.subject.connector.id, take_back)


@contextlib.asynccontextmanager
async def _alive(one: Attempt) -> AsyncIterator[None]:
    """Gives signs of life while the block lasts.

    They follow this machine's own time and not the vault's clock: a test that moves that clock far ahead must not make
    a holder who is alive look dead.
    """
    beating = asyncio.create_task(_beat(one))
    try:
        yield
    finally:
        beating.cancel()


async def _beat(one: Attempt) -> None:
    """A database that is away is asked again at the next beat. Losing the claim ends nothing: the provider has been
    asked by then, and its answer is kept if the grant is still the same."""
    while True:
        await asyncio.sleep(one.vault.terms.beat)
        with contextlib.suppress(Unavailable, ConflictError):
            if not await presentations.beat(one.scope, one.vault.store, one.claim, one.vault.terms):
                log.warning("refresh_claim_lost", service=one.claim.service_id)
                return
