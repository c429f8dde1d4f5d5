"""Presentations that nobody has answered: by processes that are dead, and by nodes that will not come back.

They are everybody's: whoever finds one may say what became of it, whatever application it belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.store import Store
from holdfast.store.engine.database import Row
from holdfast.store.presentations import Sender, Terms

_SILENT = "SELECT DISTINCT process FROM presentations WHERE node = :node AND outcome IS NULL"
_SPEAK_FOR = """
UPDATE presentations SET outcome = 'none', settles_at = :db_now + :lease
WHERE node = :node AND process = :process AND connection_id = :id AND attempt = :attempt AND outcome IS NULL"""
_OF_PROCESS = """
SELECT connection_id, attempt FROM presentations WHERE node = :node AND process = :process AND outcome IS NULL"""
_FORGET_NODE = """
UPDATE presentations SET outcome = 'none', settles_at = :db_now + :lease WHERE node = :node AND outcome IS NULL"""
_NODES = """
SELECT node, COUNT(*) AS silent, MIN(presented_at) AS since FROM presentations WHERE outcome IS NULL
GROUP BY node ORDER BY node"""
_UNTOLD = """
SELECT p.connection_id, p.attempt, p.generation, c.application_id, c.consumer_id, c.unified_api, c.service_id
FROM presentations p JOIN connections c ON c.id = p.connection_id
WHERE p.told_at IS NULL AND (p.settles_at <= :db_now OR p.outcome IS NOT NULL) LIMIT 100"""
_TELL = """
UPDATE presentations SET told_at = :db_now WHERE connection_id = :id AND attempt = :attempt AND told_at IS NULL"""


@dataclass(frozen=True, slots=True)
class Loss:
    """A presentation that nobody has told about: what it would have brought may be lost."""

    scope: ConsumerScope
    unified_api: str
    service_id: str
    connection_id: str
    attempt: int
    generation: int


async def silent_processes(store: Store, node: str) -> list[str]:
    """The processes of `node` that have presented something and not said what came of it."""
    return [row["process"] for row in await store.q.all(_SILENT, node=node)]


async def speak_for(store: Store, dead: Sender, kept: frozenset[tuple[str, int]], terms: Terms) -> int:
    """As `presentations.bury`, for all that a dead process of this node presented; how many. What is `kept`, by
    (connection, attempt), are answers that are still to be stored."""
    found = await store.q.all(_OF_PROCESS, node=dead.node, process=dead.process)
    lost = [row for row in found if (row["connection_id"], row["attempt"]) not in kept]
    for row in lost:
        await store.q.run(
            _SPEAK_FOR, node=dead.node, process=dead.process, id=row["connection_id"], attempt=row["attempt"],
            lease=terms.lease,
        )  # fmt: skip
    return len(lost)


async def forget_node(store: Store, node: str, terms: Terms) -> int:
    """As `presentations.bury`, for a node that will not come back: an operator's word. How many that concerns."""
    return await store.q.run(_FORGET_NODE, node=node, lease=terms.lease)


async def nodes(store: Store) -> list[Row]:
    """Nodes with presentations that nobody has spoken for: `node`, how many are `silent`, and `since` when (ms)."""
    return await store.q.all(_NODES)


async def untold(store: Store) -> list[Loss]:
    """Presentations to which no answer will come, and whose end nobody has been told of; some at a time.

    To wait until one has settled of which it is known that its sender is dead would be to tell it late: a node that
    comes back shortly before that moment puts the moment off by a lease.
    """
    return [_loss(row) for row in await store.q.all(_UNTOLD)]


async def tell(tx: Store, loss: Loss) -> bool:
    """For the transaction that tells of it. False if another process was quicker."""
    return await tx.q.run(_TELL, id=loss.connection_id, attempt=loss.attempt) > 0


def _loss(row: Row) -> Loss:
    scope = ConsumerScope(row["application_id"], Caller.own("worker"), row["consumer_id"])
    return Loss(scope, row["unified_api"], row["service_id"], row["connection_id"], row["attempt"], row["generation"])
