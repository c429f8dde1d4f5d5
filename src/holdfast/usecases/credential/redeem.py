"""From a code to a connection: the exchange, the grant that is kept, and the connector's own calls afterwards."""

from __future__ import annotations

from holdfast import failpoints
from holdfast.domain.connection import Connection, filled
from holdfast.domain.credential import Credential
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import IntegrityError, OAuthCodeExchangeError, ProviderError
from holdfast.grants.flow import Setup
from holdfast.grants.sent import Sent
from holdfast.grants.token import Granted as Answer
from holdfast.grants.token import TokenFlow, exchange_code
from holdfast.store import connections, tenants
from holdfast.store.flows import Pending
from holdfast.store.spool import About, Callback
from holdfast.usecases.credential.complete import complete
from holdfast.usecases.credential.keep import keep_redeemed
from holdfast.usecases.credential.obtain import Outcome, obtain
from holdfast.usecases.credential.once import Once
from holdfast.usecases.credential.setup import check_filled, setup_with
from holdfast.usecases.states import callback_url
from holdfast.usecases.subject import Subject
from holdfast.usecases.vault import Vault


async def redeem(scope: ConsumerScope, vault: Vault, subject: Subject, pending: Pending) -> Subject:
    """Exchanges the code, stores the grant, then lets the connector's own calls fill in what they can.

    OAuthCodeExchangeError if the provider does not take the code, InvalidStateError if the connection was
    deleted, disconnected or switched off since the authorization began, ConnectionSettingsError if what the callback
    brought leads to a host that is not the service's: then nothing is sent there.
    """
    check_filled(vault, subject, pending.captured)
    # A code alone names nothing: another provider may use the same text. The flow's MAC is its own.
    key = ("redeem", scope.application_id, *pending.origin)
    # In flight: a browser that goes away, or a server that is told to stop, must not part a code from its grant.
    outcome = await vault.flights.join(key, lambda: _redeem(scope, vault, subject, pending))
    if isinstance(outcome.error, ProviderError):
        error = outcome.error
        raise OAuthCodeExchangeError(str(error.detail), code=error.code, status=error.status) from error
    return outcome.or_raise()


async def _redeem(scope: ConsumerScope, vault: Vault, subject: Subject, pending: Pending) -> Outcome:
    before, credential = await _before(scope, vault, subject)
    held = subject.holding(filled(before, subject.connector, pending.captured))
    known = await setup_with(scope, vault, held, credential)
    consent = await tenants.number_consent(scope, vault.store)
    await failpoints.at("redeem.numbered")
    callback = Callback(pending.captured, pending.origin)
    about = _about(scope, before, consent, vault.clock.now())
    once = Once(vault, await vault.store.box(scope), about, callback=callback)

    async def keep(answer: Answer) -> Subject:
        kept = await keep_redeemed(scope, vault, subject, answer, callback, consent, credential)
        once.drop()
        return await complete(scope, vault, kept)

    sent = Sent((*known.secrets(), pending.code, pending.verifier or ""))
    outcome = await obtain(subject, _flow(vault, known, pending), once.send, sent, keep)
    once.drop()
    return outcome


def _about(scope: ConsumerScope, before: Connection, consent: int, now: int) -> About:
    return About(
        kind="redeem",
        application_id=scope.application_id,
        consumer_id=scope.consumer_id,
        unified_api=before.unified_api,
        service_id=before.service_id,
        connection_id=before.id,
        generation=before.credential_generation,
        number=consent,
        consent=consent,
        granted_at=now,
        asked_at=now,
    )


def _flow(vault: Vault, known: Setup, pending: Pending) -> TokenFlow:
    return exchange_code(
        known,
        pending.code,
        redirect_uri=callback_url(vault, pending.context),
        verifier=pending.verifier,
        now=vault.clock.now(),
    )


async def _before(scope: ConsumerScope, vault: Vault, subject: Subject) -> tuple[Connection, Credential]:
    """The connection so far, whose settings may hold the OAuth client."""
    stored = await connections.stored(scope, vault.store, subject.unified_api, subject.connector.id)
    if stored is None:
        return connections.blank(scope, subject.unified_api, subject.connector.id), Credential()
    try:
        return stored.connection, await connections.open_credential(scope, vault.store, stored, "redeem")
    except IntegrityError:
        return stored.connection, Credential()  # connecting again is how a damaged one is mended
