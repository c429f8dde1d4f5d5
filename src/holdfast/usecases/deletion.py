"""Deleting an application: its grants end at their providers first, then it goes, with its data keys.

For everybody it is gone at once. The rest is work of the queue, in portions: each connection's grant becomes a
revocation, which is tried for about a day as any other is; when none is left, settled or given up, the rows and the
keys are deleted. A provider that is down delays that, and prevents nothing; so does a token request that was under way
when it began, for the few minutes that one can take.
"""

from __future__ import annotations

from typing import Final

import structlog

from holdfast.domain.connection import Connection
from holdfast.domain.tenancy import Scope
from holdfast.errors import ConflictError, EntityNotFoundError, HoldfastError, Unavailable
from holdfast.store import Store, deletion, jobs, revocations, tenants
from holdfast.store.connections import Change
from holdfast.store.deletion import Held, Named
from holdfast.store.jobs import Job
from holdfast.usecases.revocations import can_end, leave_grant
from holdfast.usecases.subject import find_subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# Connections whose grants are given up in one go, and the pause (ms) before the next look at what is still open.
PORTION: Final = 100
PAUSE: Final = 60_000


async def endings(scope: Scope, vault: Vault) -> list[Held]:
    """What a deletion would end, by service; `grants` counts those that their provider can end.

    EntityNotFoundError if there is no such application.
    """
    await tenants.application(scope, vault.store)
    return [_endable(vault, found) for found in await deletion.held(scope, vault.store)]


async def delete(scope: Scope, vault: Vault, *, keep_grants: bool = False) -> bool:
    """Deletes the application with everything it owns; its grants end at their providers unless they are kept.

    False if a worker has to finish it. EntityNotFoundError if there is no such application.
    """
    async with vault.store.transaction() as tx:
        await tenants.application(scope, tx)
        at_once = keep_grants or await _is_idle(scope, vault, tx)
        if at_once:
            await tenants.delete_application(scope, tx)
        elif not await deletion.begin(scope, tx):
            raise EntityNotFoundError("application", scope.application_id)
    vault.recent.forget(scope.application_id)
    vault.bell.ring(deletion.KIND)
    return at_once


async def work(vault: Vault, job: Job) -> None:
    """One portion of a deletion; the last one ends it."""
    assert job.scope is not None  # it is an application's
    portion = await deletion.granted(job.scope, vault.store, PORTION)
    for named in portion:
        await _give_up(vault, named)
    vault.bell.ring(revocations.KIND)
    if portion:
        await jobs.rearm(vault.store, job, 0)
    elif not await deletion.is_settled(job.scope, vault.store):
        await jobs.rearm(vault.store, job, PAUSE)
    elif await deletion.finish(job.scope, vault.store, job):
        vault.recent.forget(job.scope.application_id)
        log.info("application_deleted", application=job.scope.application_id)


async def _is_idle(scope: Scope, vault: Vault, tx: Store) -> bool:
    """Whether the application can go at once. A connection to an OAuth service may be getting its first token."""
    held = await deletion.held(scope, tx)
    return not any(_uses_oauth(vault, found) for found in held) and await deletion.is_settled(scope, tx)


def _uses_oauth(vault: Vault, found: Held) -> bool:
    try:
        return vault.catalog.get(found.unified_api, found.service_id).auth.oauth is not None
    except HoldfastError:  # no such connector any more
        return True


async def _give_up(vault: Vault, named: Named) -> None:
    """Deletes a connection, and leaves its grant to the queue. What cannot be ended is deleted all the same, and the
    evidence says so: no row may keep an application from going."""
    try:
        about = await find_subject(named.scope, vault, named.unified_api, named.service_id)
        await leave_grant(named.scope, vault, about, lambda before: Change(None, None) if before else None)
    except (Unavailable, ConflictError):
        raise  # a fault of ours says nothing about the grant
    except HoldfastError as error:
        log.warning("revocation_impossible", service=named.service_id, outcome=type(error).__name__)
        async with vault.store.transaction() as tx:
            await revocations.give_up(named.scope, tx, _blank(named), f"failed: {type(error).__name__}")
            await deletion.forget(named.scope, tx, named)


def _blank(named: Named) -> Connection:
    return Connection(named.connection_id, named.scope.consumer_id, named.unified_api, named.service_id)


def _endable(vault: Vault, found: Held) -> Held:
    try:
        endable = can_end(vault.catalog.get(found.unified_api, found.service_id))
    except HoldfastError:  # no such connector any more
        endable = False
    return found if endable else Held(found.unified_api, found.service_id, found.connections, 0)
