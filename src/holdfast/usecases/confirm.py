"""A provider's code that waits for its consumer: kept by the callback, redeemed once the product says who came back."""

from __future__ import annotations

from holdfast.domain.connection import Connection, awaiting_confirmation
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import EntityNotFoundError, HoldfastError, UnauthorizedError
from holdfast.store import Store, connections, flows
from holdfast.store.connections import Change, Stored
from holdfast.store.flows import Pending
from holdfast.usecases import states
from holdfast.usecases.credential.redeem import redeem
from holdfast.usecases.subject import Subject, find_enabled, require_reach, with_connection
from holdfast.usecases.vault import Vault


async def keep(scope: ConsumerScope, vault: Vault, about: Subject, pending: Pending) -> str:
    """Keeps the code that the provider gave; the token that confirms it, once, for as long as it is kept."""
    token = states.new_token(vault.keys.confirm)
    until = vault.clock.now() + flows.CONFIRMATION_LIFETIME

    async def wait(tx: Store, held: Stored | None) -> None:
        await flows.require_standing(scope, tx, pending.origin)
        await flows.await_confirmation(scope, tx, token.mac, pending)

    def decide(before: Connection | None) -> Change:
        connection = before or connections.blank(scope, pending.unified_api, pending.service_id)
        return Change(awaiting_confirmation(connection, until))

    await connections.change(scope, vault.store, about.connector, about.unified_api, decide, wait)
    return token.text


async def confirm(scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str, token: str) -> Subject:
    """Redeems the code that waits under `token`, for the consumer who began the authorization.

    EntityNotFoundError if the token is unknown, expired, used or tried too often; UnauthorizedError if it is
    somebody else's; OAuthCodeExchangeError if the provider does not take the code.
    """
    require_reach(scope, unified_api, service_id)  # before a try of the token is counted
    mac, owner, pending = await _tried(vault, token)
    asked = (scope.application_id, scope.consumer_id, unified_api, service_id)
    if asked != (owner.application_id, owner.consumer_id, pending.unified_api, pending.service_id):
        raise UnauthorizedError("The confirmation belongs to another consumer or connection.")
    about = await with_connection(scope, vault, await find_enabled(scope, vault, unified_api, service_id))
    if not await flows.spend_confirmation(scope, vault.store, mac):
        raise EntityNotFoundError("confirm_token", "***")
    try:
        return await redeem(scope, vault, about, pending)
    except HoldfastError:
        await _stop_waiting(scope, vault, about)
        raise


async def _tried(vault: Vault, token: str) -> tuple[bytes, ConsumerScope, Pending]:
    """The MAC of a confirm token, and what it stands for. EntityNotFoundError."""
    for key in vault.keys.confirm:
        mac = states.token_mac(key, token)
        if found := await flows.try_confirmation(vault.store, mac):
            return mac, *found
    raise EntityNotFoundError("confirm_token", "***")


async def _stop_waiting(scope: ConsumerScope, vault: Vault, about: Subject) -> None:
    """The code is spent and gave nothing: there is nothing left to confirm."""

    def decide(before: Connection | None) -> Change | None:
        return Change(awaiting_confirmation(before, until=0)) if before else None

    await connections.change(scope, vault.store, about.connector, about.unified_api, decide)
