"""Grants to be ended at their provider: tried at once, then again for a day, and never forgotten silently.

The local credential is gone before the provider is asked, so nothing that it answers, or does not, keeps a
deleted connection alive here.
"""

from __future__ import annotations

import structlog

from holdfast.domain.connection import Connection, state
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.tenancy import Scope
from holdfast.errors import GrantDeferred, HoldfastError, Unavailable
from holdfast.grants.flow import drive
from holdfast.grants.revoke import Ending, revoke
from holdfast.store import Store, connections, outbox
from holdfast.store.connections import Decide
from holdfast.store.outbox import Revocation
from holdfast.usecases.credential.setup import setup
from holdfast.usecases.subject import Subject, subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# Seconds until each further try; after the last one the outcome is "unreachable".
DELAYS = (30, 120, 600, 3600, 4 * 3600, 18 * 3600)


async def drop_grant(scope: Scope, vault: Vault, about: Subject, decide: Decide) -> Connection | None:
    """Changes the connection by `decide`, which drops its grant, and ends that grant at the provider."""
    owed: list[Revocation] = []

    async def owe(tx: Store, before: Connection | None) -> None:
        owed[:] = [await _owe(scope, tx, before)] if before and _can_be_ended(before, about.connector) else []

    _, after = await connections.change(scope, vault.store, about.connector, about.unified_api, decide, owe)
    for revocation in owed:
        await attempt(vault, revocation)
    return after


def _can_be_ended(connection: Connection, connector: Connector) -> bool:
    oauth = connector.auth.oauth
    return connection.grant is not None and oauth is not None and oauth.revoke is not None


async def _owe(scope: Scope, tx: Store, before: Connection) -> Revocation:
    token, _ = await connections.open_credential(scope, tx, before, "revoke")
    return await outbox.owe_revocation(scope, tx, before, token)


async def attempt(vault: Vault, revocation: Revocation) -> bool:
    """Asks the provider to end the grant; True if it did. What it answers is kept as evidence."""
    scope = revocation.scope
    try:
        ending = await _ask(vault, revocation)
    except GrantDeferred as error:
        await _put_off(vault, revocation, error)
        return False
    except Unavailable:
        return False  # the lease runs out, and the next one tries
    except HoldfastError as error:
        log.warning("revocation_failed", service=revocation.service_id, outcome=type(error).__name__)
        await outbox.settle(scope, vault.store, revocation, f"failed: {type(error).__name__}")
        return False
    log.info("revocation_answered", service=revocation.service_id, outcome=ending.outcome, code=ending.code)
    # A grant that the provider knows no more has ended, whoever ended it (RFC 7009 section 2.2).
    await outbox.settle(scope, vault.store, revocation, "revoked" if ending.ended else "refused")
    if ending.ended:
        await _announce(vault, revocation)
    return ending.ended


async def attempt_due(vault: Vault) -> bool:
    """Tries the revocation that has waited longest; False if none is due."""
    revocation = await outbox.due_revocation(vault.store)
    if revocation is None:
        return False
    await attempt(vault, revocation)
    return True


async def _ask(vault: Vault, revocation: Revocation) -> Ending:
    about = await subject(revocation.scope, vault, revocation.unified_api, revocation.service_id)
    flow = revoke(setup(vault, about, revocation.settings), revocation.token, now=vault.clock.now())
    return await drive(flow, vault.send)


async def _put_off(vault: Vault, revocation: Revocation, error: GrantDeferred) -> None:
    if revocation.attempts >= len(DELAYS):
        await outbox.settle(revocation.scope, vault.store, revocation, "unreachable")
        return
    delay = error.retry_after or DELAYS[revocation.attempts]
    await outbox.postpone(revocation.scope, vault.store, revocation, vault.clock.now() + delay * 1000)


async def _announce(vault: Vault, revocation: Revocation) -> None:
    """Tells that the connection was revoked, if it is that connection and it has no other grant by now."""
    scope = revocation.scope
    held = await connections.one(scope, vault.store, revocation.unified_api, revocation.service_id)
    if held is None or held.id != revocation.connection_id or held.grant is not None:
        return
    connector = vault.catalog.get(revocation.unified_api, revocation.service_id)
    told = state(held, connector, vault.clock.now())
    await outbox.announce(scope, vault.store, held, ["vault.connection.revoked"], told)
