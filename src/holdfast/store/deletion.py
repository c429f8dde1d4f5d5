"""An application on its way out: unseen by everybody, and yet there until its grants have ended at their providers.

`begin` takes away what lets anybody in: the API keys, and authorizations under way. The row is then marked, so that no
read finds it; connections, integrations and data keys stay for the revocations, which are sealed under those keys.
`finish` deletes it all, when the work is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdfast.domain.tenancy import Caller, ConsumerScope, Scope
from holdfast.store import Store, flows, jobs, new_id, tenants
from holdfast.store import revocations as owed
from holdfast.store.jobs import Job
from holdfast.store.rows import key_of

KIND: Final = "delete-application"

_MARK = """
UPDATE applications SET deleting_at = :now, version = version + 1
WHERE id = :application_id AND deleting_at IS NULL"""
_SHUT = ("api_keys", "flows", "confirmations")
_MARKED = "SELECT id FROM applications WHERE deleting_at IS NOT NULL"
_COUNT = """
SELECT unified_api, service_id, COUNT(*) AS connections, COUNT(granted_at) AS grants
FROM connections WHERE application_id = :application_id
GROUP BY unified_api, service_id ORDER BY unified_api, service_id"""
_GRANTED = """
SELECT consumer_id, unified_api, service_id, id, granted_at FROM connections
WHERE application_id = :application_id AND granted_at IS NOT NULL
ORDER BY consumer_id, unified_api, service_id LIMIT :limit"""
_FORGET = """
DELETE FROM connections WHERE application_id = :application_id AND consumer_id = :consumer_id
  AND unified_api = :unified_api AND service_id = :service_id"""
_OPEN = """
SELECT id FROM jobs WHERE application_id = :application_id AND kind = :kind
  AND done_at IS NULL AND set_aside_at IS NULL LIMIT 1"""
# What may still bring a token: a code that is being redeemed, and whatever was asked for before the application was
# marked or the grant was given up.
_UNDER_WAY = """
SELECT 1 AS found FROM applications WHERE id = :application_id AND deleting_at > :since
UNION ALL SELECT 1 FROM flows WHERE application_id = :application_id AND spent_at > :since
UNION ALL SELECT 1 FROM confirmations WHERE application_id = :application_id AND spent_at > :since
UNION ALL SELECT 1 FROM revocations WHERE application_id = :application_id AND created_at > :since
LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Held:
    """How many connections to one service an application has, and how many of them with a grant."""

    unified_api: str
    service_id: str
    connections: int
    grants: int


@dataclass(frozen=True, slots=True)
class Named:
    """A connection with a grant, by its name alone."""

    scope: ConsumerScope
    unified_api: str
    service_id: str
    connection_id: str


async def held(scope: Scope, store: Store) -> list[Held]:
    """What the application holds, by service."""
    rows = await store.q.all(_COUNT, application_id=scope.application_id)
    return [Held(r["unified_api"], r["service_id"], r["connections"], r["grants"]) for r in rows]


async def begin(scope: Scope, tx: Store) -> bool:
    """Marks the application, lets nobody in any more, and queues the rest. False if there is none to be seen."""
    if not await tx.q.run(_MARK, application_id=scope.application_id, now=tx.clock.now()):
        return False
    for table in _SHUT:
        await tx.q.run(f"DELETE FROM {table} WHERE application_id = :id", id=scope.application_id)
    await _queue(scope, tx)
    return True


async def queue_forgotten(store: Store) -> None:
    """Queues the deletion of marked applications anew, whose job was set aside or lost: nothing stays for ever."""
    for row in await store.q.all(_MARKED):
        await _queue(Scope(row["id"], Caller.own("worker")), store)


async def granted(scope: Scope, store: Store, limit: int) -> list[Named]:
    """Some of the application's connections that have a grant."""
    rows = await store.q.all(_GRANTED, application_id=scope.application_id, limit=limit)
    return [Named(scope.of(r["consumer_id"]), r["unified_api"], r["service_id"], r["id"]) for r in rows]


async def forget(scope: ConsumerScope, tx: Store, named: Named) -> None:
    """Deletes a connection whose grant cannot be ended."""
    await tx.q.run(_FORGET, **key_of(scope, named.unified_api, named.service_id))


async def is_settled(scope: Scope, store: Store) -> bool:
    """Whether no grant of the application is left, none waits to be ended, and no token request is under way that
    could still bring one: what comes too late for its rows comes too late to be ended."""
    since = store.clock.now() - flows.REDEEMING
    for text, params in ((_OPEN, {"kind": owed.KIND}), (_UNDER_WAY, {"since": since})):
        if await store.q.one(text, application_id=scope.application_id, **params):
            return False
    return not await granted(scope, store, 1)


async def finish(scope: Scope, store: Store, job: Job) -> bool:
    """Deletes the application with everything that it owns. False if another worker has the job."""
    async with store.transaction() as tx:
        held = await jobs.finish(tx, job, "deleted")
        if held:
            await tenants.delete_application(scope, tx)
    return held


async def _queue(scope: Scope, tx: Store) -> None:
    await jobs.queue(scope, tx, KIND, id=new_id(), lane="", subject=scope.application_id)
