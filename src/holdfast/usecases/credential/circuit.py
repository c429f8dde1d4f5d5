"""A circuit for each OAuth client: when the provider refuses the client, every refresh would fail alike, so one asks.

One connection that is refused may itself be to blame (its token may belong to a former client), so the second one opens
the circuit. From then on one probe at a time asks, and everybody else is told the same at once. It closes when the
provider takes the client, and when the operator changes the integration. It is a row of the database, so it holds for
every node.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from prometheus_client import Counter

from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import ClientRefused, GrantMisconfigured, GrantRejected, Unavailable
from holdfast.store import circuits
from holdfast.store.circuits import Circuit, Client
from holdfast.usecases.credential.obtain import Outcome
from holdfast.usecases.subject import Held
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# Codes that say that the request was wrong, and nothing of the client that made it (RFC 6749 section 5.2).
OF_THE_REQUEST: Final = frozenset(
    {"invalid_request", "invalid_scope", "unsupported_grant_type", "unsupported_response_type"}
)
CIRCUITS = Counter("holdfast_circuits", "Circuits of OAuth clients that opened, closed, or spared a request.", ["what"])


async def refusal(scope: ConsumerScope, vault: Vault, subject: Held) -> ClientRefused | None:
    """What everybody is told while the circuit is open and nobody may probe; None if the provider may be asked."""
    known = await _known(scope, vault, subject)
    if known is None or known.opened_at is None or known.waits <= 0:
        return None
    return _spared(known)


async def through(scope: ConsumerScope, vault: Vault, subject: Held, ask: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """What `ask` comes to, which asks the provider with the subject's client; or at once that the client is refused."""
    known = await _known(scope, vault, subject)
    if known and known.opened_at is not None and not await circuits.probe(scope, vault.store, known.client):
        return Outcome(subject, error=_spared(known))
    outcome = await ask()
    with contextlib.suppress(Unavailable):  # it is learned again; what was granted has been kept
        await _learn(scope, vault, subject, known, outcome)
    return outcome


async def _learn(scope: ConsumerScope, vault: Vault, subject: Held, known: Circuit | None, outcome: Outcome) -> None:
    error = outcome.error
    if isinstance(error, GrantMisconfigured) and error.code not in OF_THE_REQUEST:
        version, named = subject.integration.version, subject.connection.id
        now = await circuits.refused(scope, vault.store, _client(subject), version, named, error)
        if now.opened_at == now.refused_at:  # by this very refusal
            CIRCUITS.labels("opened").inc()
            log.error("client_refused", application=scope.application_id, service=subject.connector.id, code=error.code)
    # Whose grant is refused was known as a client (RFC 6749 section 5.2).
    elif known and (error is None or isinstance(error, GrantRejected)):
        closed = await circuits.close(scope, vault.store, known)
        if closed and known.opened_at is not None:
            CIRCUITS.labels("closed").inc()
            log.warning("client_accepted", application=scope.application_id, service=subject.connector.id)


async def _known(scope: ConsumerScope, vault: Vault, subject: Held) -> Circuit | None:
    """What is known against the client as the integration is now."""
    known = await circuits.find(scope, vault.store, _client(subject))
    return known if known and known.integration == subject.integration.version else None


def _client(subject: Held) -> Client:
    oauth, own = subject.connector.auth.oauth, ""
    if oauth is not None and oauth.client.source == "connection":
        own = hashlib.sha256(str(subject.connection.settings.get("client_id", "")).encode()).hexdigest()
    return Client(subject.unified_api, subject.connector.id, own)


def _spared(known: Circuit) -> ClientRefused:
    CIRCUITS.labels("spared").inc()
    seconds = max(1, -(-known.waits // 1000))
    return ClientRefused(known.said, code=known.code, status=known.status, retry_after=seconds)
