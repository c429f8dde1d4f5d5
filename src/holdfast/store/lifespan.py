"""How long an access token lives, learned where its provider does not tell.

An unknown expiry counts as not expired until the service says that the token is dead. What is written here changes
nothing that anybody is told of, so it makes neither a version nor an event.
"""

from __future__ import annotations

from holdfast.domain.connection import Connection
from holdfast.domain.tenancy import ConsumerScope
from holdfast.store import Store
from holdfast.store.rows import KEY, key_of

_DIED = f"""
UPDATE connections SET expires_at = :db_now
WHERE {KEY} AND id = :id AND credential_generation = :generation AND expires_at IS NULL"""
# A dead token shows how long it lived at most: the shortest life that was seen counts.
_LEARN = f"""
UPDATE connections SET learned_life = :life, due_at = CAST(:due_at AS BIGINT)
WHERE {KEY} AND id = :id AND granted_at = :granted_at AND (learned_life = 0 OR learned_life > :life)"""


async def died(scope: ConsumerScope, store: Store, connection: Connection) -> None:
    """The service said that the access token of this generation is dead, and nobody knew when that would be."""
    key = key_of(scope, connection.unified_api, connection.service_id)
    await store.q.run(_DIED, **key, id=connection.id, generation=connection.credential_generation)


async def learn(scope: ConsumerScope, store: Store, connection: Connection, life: int, due_at: int | None) -> None:
    """Access tokens of this consent live `life` ms at most; the present one is due for a refresh at `due_at` (ms)."""
    assert connection.grant is not None
    key = key_of(scope, connection.unified_api, connection.service_id)
    await store.q.run(_LEARN, **key, id=connection.id, granted_at=connection.grant.granted_at, life=life, due_at=due_at)
