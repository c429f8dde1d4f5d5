"""Who opened which credential, and why. Written before the credential is used, so nothing is opened unseen."""

from __future__ import annotations

from holdfast.domain.tenancy import Scope
from holdfast.store import Store, new_id

_APPEND = """
INSERT INTO journal (id, application_id, consumer_id, connection_id, actor, reason, generation, at)
VALUES (:id, :application_id, :consumer_id, :connection_id, :actor, :reason, :generation, :at)"""


async def append(scope: Scope, store: Store, *, connection_id: str, reason: str, generation: int) -> None:
    """Records that `scope.actor` opens the credential of `connection_id` at `generation`, for `reason`."""
    await store.q.run(
        _APPEND,
        id=new_id(),
        application_id=scope.application_id,
        consumer_id=scope.consumer_id or "",
        connection_id=connection_id,
        actor=scope.actor,
        reason=reason,
        generation=generation,
        at=store.clock.now(),
    )
