"""Exchanging stored credentials for a token: client credentials and passwords (RFC 6749 sections 4.3 and 4.4)."""

from __future__ import annotations

from holdfast.domain.connection import missing_by_hand
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import (
    ConnectionNotFoundError,
    ConnectionSettingsError,
    InvalidStateError,
    OAuthCredentialsNotFoundError,
)
from holdfast.grants.sent import Sent
from holdfast.grants.token import GRANTS
from holdfast.grants.token import Granted as Answer
from holdfast.store import Store, connections, tenants
from holdfast.store.connections import Stored
from holdfast.usecases.credential.complete import complete
from holdfast.usecases.credential.keep import keep_new
from holdfast.usecases.credential.obtain import Outcome, asking, obtain
from holdfast.usecases.credential.setup import setup_with
from holdfast.usecases.subject import Held, Subject
from holdfast.usecases.vault import Vault


async def exchange(scope: ConsumerScope, vault: Vault, subject: Subject) -> Subject:
    """Obtains a token with the client's or the consumer's own credentials, and stores it.

    InvalidStateError if the connector's grant needs a browser, or if the connection was deleted or filled in anew
    meanwhile; ConnectionSettingsError or
    OAuthCredentialsNotFoundError if something to exchange is missing, a ProviderError if the provider refuses.
    """
    oauth = subject.connector.auth.oauth
    if oauth is None or oauth.grant not in GRANTS:
        raise InvalidStateError(
            "This connector does not exchange stored credentials for a token; authorize it instead."
        )
    stored = await connections.stored(scope, vault.store, subject.unified_api, subject.connector.id)
    if stored is None:
        raise ConnectionNotFoundError("connection", f"{subject.unified_api}+{subject.connector.id}")
    held = subject.holding(stored.connection)
    _require_settings(held)
    known = (held.connection.settings_generation, held.connection.secrets_generation)
    key = ("exchange", scope.application_id, held.connection.id, *known)
    outcome = await vault.flights.join(key, lambda: _exchange(scope, vault, held, stored))
    return outcome.or_raise()


async def _exchange(scope: ConsumerScope, vault: Vault, held: Held, stored: Stored) -> Outcome:
    assert held.connector.auth.oauth is not None
    credential = await connections.open_credential(scope, vault.store, stored, "exchange")
    known = await setup_with(scope, vault, held, credential)
    if known.client is None:
        return Outcome(
            held, error=OAuthCredentialsNotFoundError("The connection needs a client_id and a client_secret.")
        )

    async def stands(_: Store, now: Stored | None) -> None:
        # Deleted while the provider answered, or filled in anew: the token is nobody's, or another account's.
        same = now is not None and now.connection.id == held.connection.id
        if now is None or not same or not now.connection.same_settings(held.connection):
            raise InvalidStateError("The connection's settings were changed, or it was deleted, meanwhile.")

    consent = await tenants.number_consent(scope, vault.store)

    async def keep(answer: Answer) -> Subject:
        kept = await keep_new(scope, vault, held, answer, consent=consent, enable=False, while_=stands, used=credential)
        return await complete(scope, vault, kept)

    flow = GRANTS[held.connector.auth.oauth.grant](known, vault.clock.now())
    return await obtain(held, flow, asking(vault.door), Sent(known.secrets()), keep)


def _require_settings(held: Held) -> None:
    if absent := missing_by_hand(held.connector, held.connection):
        raise ConnectionSettingsError(f"Fill in {', '.join(absent)} first.")
