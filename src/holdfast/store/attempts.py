"""The right to refresh one connection, held by one process at a time.

It is a lease on the row, measured by the clock of the database: a node whose own clock is wrong neither takes what
another one holds nor holds it too long. Whoever holds it gives signs of life (`extend`), so that a provider may take
longer than a lease does. It keeps two from asking at once, and no more: what may be *kept* is decided by the
connection's generation (`connections.change`), which also holds for somebody whose lease ran out unnoticed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from holdfast.domain.connection import Connection
from holdfast.domain.tenancy import ConsumerScope
from holdfast.store import Store, new_id
from holdfast.store.rows import KEY, key_of

_TAKE = f"""
UPDATE connections SET lease_owner = :owner, lease_until = :db_now + :duration
WHERE {KEY} AND lease_until <= :db_now"""
_EXTEND = f"UPDATE connections SET lease_until = :db_now + :duration WHERE {KEY} AND lease_owner = :owner"
_RELEASE = f"UPDATE connections SET lease_owner = NULL, lease_until = 0 WHERE {KEY} AND lease_owner = :owner"


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a lease lasts without a sign of life (ms), and how often its holder gives one (seconds)."""

    duration: int = 30_000
    beat: float = 10.0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to refresh the connection of this key. `owner` is nobody else's."""

    unified_api: str
    service_id: str
    owner: str


async def take(scope: ConsumerScope, store: Store, connection: Connection, duration: int) -> Lease | None:
    """The right to refresh `connection` for `duration` ms; None if another has it, or the connection is gone.

    A statement that writes: call it when a read has shown no lease (`connections.Stored.leased`). Read again under it,
    for what is refreshed may have changed since.
    """
    lease = Lease(connection.unified_api, connection.service_id, f"{os.getpid()}-{new_id()}")
    taken = await store.q.run(_TAKE, **_key(scope, lease), duration=duration)
    return lease if taken else None


async def extend(scope: ConsumerScope, store: Store, lease: Lease, duration: int) -> bool:
    """Holds it for `duration` ms from now. False if it ran out and another has taken it."""
    return await store.q.run(_EXTEND, **_key(scope, lease), duration=duration) > 0


async def release(scope: ConsumerScope, store: Store, lease: Lease) -> None:
    """Gives the lease back, if it is still this one's."""
    await store.q.run(_RELEASE, **_key(scope, lease))


def _key(scope: ConsumerScope, lease: Lease) -> dict[str, str]:
    return {**key_of(scope, lease.unified_api, lease.service_id), "owner": lease.owner}
