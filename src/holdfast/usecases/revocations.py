"""Grants to be ended at their provider: tried at once, then again for a day, and never forgotten silently.

The local credential is gone before the provider is asked, so nothing that it answers, or does not, keeps a
deleted connection alive here.
"""

from __future__ import annotations

import structlog

from holdfast.domain.connection import Connection, state
from holdfast.domain.credential import Credential, OAuthToken
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import GrantDeferred, HoldfastError, Unavailable
from holdfast.grants.flow import drive
from holdfast.grants.revoke import revoke
from holdfast.store import Store, connections, outbox
from holdfast.store.connections import Decide, Stored
from holdfast.store.outbox import Revocation
from holdfast.usecases.credential.setup import setup_with
from holdfast.usecases.subject import Subject, find_subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# Seconds until each further try; after the last one the outcome is "unreachable".
DELAYS = (30, 120, 600, 3600, 4 * 3600, 18 * 3600)


async def drop_grant(scope: ConsumerScope, vault: Vault, about: Subject, decide: Decide) -> Connection | None:
    """Changes the connection by `decide`, which drops its grant, and ends that grant at the provider."""
    owed: list[Revocation] = []

    async def owe(tx: Store, held: Stored | None) -> None:
        owed[:] = [await _owe(scope, tx, held)] if held and _can_be_ended(held.connection, about.connector) else []

    _, after = await connections.change(scope, vault.store, about.connector, about.unified_api, decide, owe)
    for revocation in owed:
        await attempt(vault, revocation)
    return after


def _can_be_ended(connection: Connection, connector: Connector) -> bool:
    oauth = connector.auth.oauth
    return connection.grant is not None and oauth is not None and oauth.revoke is not None


async def _owe(scope: ConsumerScope, tx: Store, held: Stored) -> Revocation:
    credential = await connections.open_credential(scope, tx, held, "revoke")
    return await outbox.owe_revocation(scope, tx, held.connection, credential)


async def end_stray(
    scope: ConsumerScope, vault: Vault, subject: Subject, connection: Connection, token: OAuthToken
) -> None:
    """Ends a token that was obtained for `connection` and may not be kept: a newer grant or a deletion came first."""
    if _can_be_ended(connection, subject.connector):
        await outbox.owe_revocation(scope, vault.store, connection, Credential(token))


async def attempt(vault: Vault, revocation: Revocation) -> bool:
    """Asks the provider to end the grant; True if it did. What it answers is kept as evidence."""
    scope = revocation.scope
    try:
        accepted = await _ask(vault, revocation)
    except GrantDeferred as error:
        await _put_off(vault, revocation, error)
        return False
    except Unavailable:
        return False  # the lease runs out, and the next one tries
    except HoldfastError as error:
        log.warning("revocation_failed", service=revocation.connection.service_id, outcome=type(error).__name__)
        await outbox.settle(scope, vault.store, revocation, f"failed: {type(error).__name__}")
        return False
    await outbox.settle(scope, vault.store, revocation, "revoked" if accepted else "refused")
    if accepted:
        await _announce(vault, revocation)
    return accepted


async def attempt_due(vault: Vault) -> bool:
    """Tries the revocation that has waited longest; False if none is due."""
    revocation = await outbox.due_revocation(vault.store)
    if revocation is None:
        return False
    await attempt(vault, revocation)
    return True


async def _ask(vault: Vault, revocation: Revocation) -> bool:
    subject = await find_subject(
        revocation.scope, vault, revocation.connection.unified_api, revocation.connection.service_id
    )
    held = subject.holding(revocation.connection)
    token = revocation.credential.token
    assert token is not None  # without one there was nothing to end
    known = await setup_with(revocation.scope, vault, held, revocation.credential)
    return await drive(revoke(known, token), vault.send)


async def _put_off(vault: Vault, revocation: Revocation, error: GrantDeferred) -> None:
    if revocation.attempts >= len(DELAYS):
        await outbox.settle(revocation.scope, vault.store, revocation, "unreachable")
        return
    delay = error.retry_after or DELAYS[revocation.attempts]
    await outbox.postpone(revocation.scope, vault.store, revocation, vault.clock.now() + delay * 1000)


async def _announce(vault: Vault, revocation: Revocation) -> None:
    """Tells that the connection was revoked, if it is that connection and it has no other grant by now."""
    scope = revocation.scope
    held = await connections.one(
        scope, vault.store, revocation.connection.unified_api, revocation.connection.service_id
    )
    if held is None or held.id != revocation.connection.id or held.grant is not None:
        return
    connector = vault.catalog.get(revocation.connection.unified_api, revocation.connection.service_id)
    told = state(held, connector, vault.clock.now())
    await outbox.announce(scope, vault.store, held, ["vault.connection.revoked"], told)
