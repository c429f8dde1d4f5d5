"""The gate: whoever uses a connection's credential, of whatever kind, comes through `use`.

It asks, in this order: may this caller; is the integration switched on; is the connection; is it in a state that
allows this use; did its consumer consent. Then it makes sure that the credential is fresh, opens it, journals that,
and hands it out. There is no other way to a consumer's secret: an API key, a password and a token leave the same line
in the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal, TypeVar

from holdfast.domain.connection import Connection, has_credentials, state, unreadable
from holdfast.domain.consent import allows_use
from holdfast.domain.credential import Credential, Sealed
from holdfast.domain.exchange import Request, Response
from holdfast.domain.tenancy import Action, ConsumerScope
from holdfast.errors import ConnectorCredentialsError, GrantRejected, IntegrityError, InvalidStateError
from holdfast.grants.call import DEAD_TOKEN
from holdfast.grants.flow import Setup, drive
from holdfast.grants.sent import Sent
from holdfast.store import connections
from holdfast.store.connections import Change, Stored
from holdfast.usecases.credential.downstream import Watch, note
from holdfast.usecases.credential.lifespan import learn, tell_dead
from holdfast.usecases.credential.refresh import can_be_refreshed, is_fresh, refresh
from holdfast.usecases.credential.setup import setup_with
from holdfast.usecases.subject import Held, Subject, require_enabled
from holdfast.usecases.vault import Vault

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a credential is wanted for. `reason` is the journal's word, `action` what the caller must be allowed.

    `needs`: a `callable` connection; one that is `authorized`, whatever else is missing; or one that is `connecting`,
    which its consumer may be doing while it is still switched off.
    """

    reason: str
    action: Action = "connections"
    needs: Literal["callable", "authorized", "connecting"] = "callable"


CUSTOM_FIELDS = Purpose("custom_fields")
OPTIONS = Purpose("options", needs="authorized")
VALIDATE = Purpose("validate", needs="authorized")
PROXY = Purpose("proxy", action="proxy")
AFTER_CONNECT = Purpose("after_connect", needs="connecting")
CHOICES = Purpose("options", needs="connecting")


async def use(
    scope: ConsumerScope, vault: Vault, subject: Subject, purpose: Purpose, *, force: bool = False
) -> tuple[Held, Credential]:
    """The subject as it is now, and its credential, good at this moment.

    `force` refreshes a token that looks good, where the provider does that. UnauthorizedError,
    ConnectorDisabledError, InvalidStateError if the gate is shut; ConnectorCredentialsError if there is nothing that
    can be used; a ProviderError if the provider gave nothing and the old token is not good any more.
    """
    held, stored = await ready(scope, vault, subject, purpose, force=force)
    return held, await opened(scope, vault, held, stored, purpose)


async def ready(
    scope: ConsumerScope, vault: Vault, subject: Subject, purpose: Purpose, *, force: bool = False
) -> tuple[Held, Stored]:
    """As `use`, for whoever decides then whether to open what is stored (`opened`). Errors as there."""
    held, stored = await _admitted(scope, vault, subject, purpose)
    if held.connection.grant is not None and (force or not is_fresh(held.granted(), vault.clock.now())):
        await refresh(scope, vault, held.granted(), force=force)
        held, stored = await _admitted(scope, vault, subject, purpose)  # whoever ended it meanwhile is heeded
    return held, stored


async def use_again(scope: ConsumerScope, vault: Vault, used: Held, purpose: Purpose) -> tuple[Held, Credential]:
    """As `use`, after the service refused the token of `used`, which is refreshed first.

    Many calls are refused with one token: who finds that it has been refreshed meanwhile takes the new one.
    """
    await tell_dead(scope, vault, used)
    await refresh(scope, vault, used.granted(), force=True)
    held, stored = await _admitted(scope, vault, used, purpose)
    return held, await opened(scope, vault, held, stored, purpose)


async def call(
    scope: ConsumerScope,
    vault: Vault,
    subject: Subject,
    purpose: Purpose,
    flow: Callable[[Setup], Generator[Request, Response, T]],
) -> T:
    """Runs a flow of requests to the service with the connection's credential, refreshing it once if the service says
    that the token is dead."""
    held, credential = await use(scope, vault, subject, purpose)
    try:
        return await _run(scope, vault, held, credential, flow)
    except GrantRejected as error:
        grant = held.connection.grant
        if grant is None or error.code != DEAD_TOKEN or not can_be_refreshed(held.granted()):
            raise
    dead, died_at = held, vault.clock.now()
    held, credential = await use_again(scope, vault, dead, purpose)
    answer = await _run(scope, vault, held, credential, flow)
    await learn(scope, vault, dead, held, died_at)
    return answer


async def _run(
    scope: ConsumerScope,
    vault: Vault,
    held: Held,
    credential: Credential,
    flow: Callable[[Setup], Generator[Request, Response, T]],
) -> T:
    """Drives the flow, and notes what it showed of the service, whatever it came to."""
    watch, known = Watch(vault.door), await setup_with(scope, vault, held, credential)
    try:
        return await drive(flow(known), watch.send, Sent(known.secrets()))
    finally:
        await note(scope, vault, held, down=watch.down)


async def try_out(
    scope: ConsumerScope,
    vault: Vault,
    subject: Subject,
    tried: Connection,
    flow: Callable[[Setup], Generator[Request, Response, T]],
) -> T:
    """Runs a flow with a connection as it would be, before it is stored; what it keeps of its secrets is opened."""
    scope.require(VALIDATE.action)
    require_enabled(subject)
    held = subject.holding(tried)
    _admit(vault, held, VALIDATE)
    credential = Credential()
    if any(isinstance(secret, Sealed) for secret in tried.secrets.values()):
        credential = await opened(scope, vault, *await _stored(scope, vault, subject), VALIDATE)
    known = await setup_with(scope, vault, held, credential)
    return await drive(flow(known), vault.door.send, Sent(known.secrets()))


async def admitted(scope: ConsumerScope, vault: Vault, subject: Subject, purpose: Purpose) -> Held:
    """The subject as it is now, if the gate is open for this purpose; nothing is opened."""
    held, _ = await _admitted(scope, vault, subject, purpose)
    return held


async def _admitted(scope: ConsumerScope, vault: Vault, subject: Subject, purpose: Purpose) -> tuple[Held, Stored]:
    scope.require(purpose.action)
    require_enabled(subject)
    held, stored = await _stored(scope, vault, subject)
    _admit(vault, held, purpose)
    return held, stored


async def _stored(scope: ConsumerScope, vault: Vault, subject: Subject) -> tuple[Held, Stored]:
    stored = await connections.stored(scope, vault.store, subject.unified_api, subject.connector.id)
    if stored is None:
        raise InvalidStateError("The connection is not authorized yet.")
    return subject.holding(stored.connection), stored


def _admit(vault: Vault, held: Held, purpose: Purpose) -> None:
    connection, connector = held.connection, held.connector
    if not connection.enabled and purpose.needs != "connecting":
        raise InvalidStateError("The connection is switched off.")
    if connection.unreadable_at:
        raise ConnectorCredentialsError("What is stored of the connection cannot be read. Authorize it again.")
    if not has_credentials(connection, connector):
        raise InvalidStateError("The connection is not authorized yet.")
    if not allows_use(connection.consent_state):
        raise InvalidStateError("The consumer has not consented to the use of this connection.")
    if purpose.needs == "callable" and state(connection, connector, vault.clock.now()) != "callable":
        raise InvalidStateError("The connection is not callable: it lacks a setting, or its credentials are invalid.")


async def opened(scope: ConsumerScope, vault: Vault, held: Held, stored: Stored, purpose: Purpose) -> Credential:
    """What `ready` found, opened and journalled. ConnectorCredentialsError if it does not open."""
    try:
        return await connections.open_credential(scope, vault.store, stored, purpose.reason)
    except IntegrityError:
        await _tell_unreadable(scope, vault, held)
        raise ConnectorCredentialsError(
            "The stored credential cannot be read. Authorize the connection again."
        ) from None


async def _tell_unreadable(scope: ConsumerScope, vault: Vault, held: Held) -> None:
    tried = held.connection

    def decide(before: Connection | None) -> Change | None:
        if before is None or not tried.same_secrets(before):
            return None
        return Change(unreadable(before, vault.clock.now()))

    await connections.change(scope, vault.store, held.connector, held.unified_api, decide)
