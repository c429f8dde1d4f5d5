"""What processes of this node have left behind that are no more: answers to be stored, and silence to be told.

At the start, before anybody is served, and then again and again, since a neighbour may die at any time. A database that
is away is waited for.
"""

from __future__ import annotations

import contextlib
from typing import NoReturn

import structlog

from holdfast import failpoints
from holdfast.domain.connection import Connection
from holdfast.domain.event import EventType
from holdfast.domain.manifest.connector import Connector
from holdfast.errors import ConflictError, Unavailable
from holdfast.store import Store, connections, due, events, silence
from holdfast.store.presentations import Sender
from holdfast.store.silence import Loss
from holdfast.store.spool import Entry
from holdfast.usecases.credential.complete import complete
from holdfast.usecases.credential.failure import LOST
from holdfast.usecases.credential.spooled import take_up
from holdfast.usecases.vault import Vault

log = structlog.get_logger()


async def keep_recovering(vault: Vault) -> NoReturn:
    """Recovers once in a while, until it is cancelled."""
    while True:
        await vault.clock.sleep(vault.terms.look)
        try:
            await recover(vault)
        except Unavailable as error:
            log.warning("recovery_waits", reason=str(error))


async def recover(vault: Vault) -> None:
    """Stores the answers that dead processes of this node have left, speaks for those that left none, and tells of
    every presentation that nobody answered in time. Unavailable if the database is away."""
    for entry in vault.spool.left():
        with contextlib.suppress(ConflictError):  # the row is being changed all the time: at the next look
            await _take_up_alone(vault, entry)
    node = vault.spool.sender().node
    silent = await silence.silent_processes(vault.store, node)
    for process in vault.spool.dead(silent):
        kept = vault.spool.kept(process)
        await silence.speak_for(vault.store, Sender(node, process), kept, vault.terms)
        await failpoints.at("recovery.spoken_for")
        if not kept:
            vault.spool.bury(process)
    for loss in await silence.untold(vault.store):
        await _tell(vault, loss)


async def _take_up_alone(vault: Vault, entry: Entry) -> None:
    lock = await vault.locks.take(entry.about.connection_id)
    if lock is None:  # whoever has it finds the entry too
        return
    try:
        kept = await take_up(vault, entry)
    finally:
        await lock.give_back()
    if kept is not None:
        await complete(entry.about.scope, vault, kept)


async def _tell(vault: Vault, loss: Loss) -> None:
    """Announces that a refresh came to nothing that anybody knows of, once; without an event if the connector has left
    the catalogue meanwhile."""
    connector = vault.catalog.find(loss.service_id)
    async with vault.store.transaction() as tx:
        held = await connections.one(loss.scope, tx, loss.unified_api, loss.service_id)
        if not await silence.tell(tx, loss) or held is None or held.id != loss.connection_id:
            return
        if connector is not None:
            await _announce(vault, loss, tx, connector, held)
    LOST.inc()
    log.warning("refresh_unanswered", connection=loss.connection_id, service=loss.service_id, attempt=loss.attempt)


async def _announce(vault: Vault, loss: Loss, tx: Store, connector: Connector, held: Connection) -> None:
    told: list[EventType] = [] if held.failure else ["vault.connection.token_refresh.pending"]
    await due.plan(loss.scope, tx, connector, None, held)
    await events.announce(loss.scope, tx, connector, held, held, told, vault.clock.now())
