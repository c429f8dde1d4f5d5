"""The right to refresh one connection, held by one process at a time.

`attempt` is its fencing token: it grows with each lease and never goes back.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from holdfast.domain.connection import Connection
from holdfast.domain.tenancy import ConsumerScope
from holdfast.store import Store, new_id
from holdfast.store.rows import KEY, key_of

_TAKE = f"""
UPDATE connections SET lease_owner = :owner, lease_until = :now + :duration, attempt = attempt + 1,
  attempt_state = 'claimed'
WHERE {KEY} AND id = :id AND credential_generation = :generation AND (lease_owner IS NULL OR lease_until < :now)
RETURNING attempt"""
_RELEASE = f"""
UPDATE connections SET lease_owner = NULL, lease_until = 0, attempt_state = NULL
WHERE {KEY} AND lease_owner = :owner AND attempt = :attempt"""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to refresh one connection at one generation."""

    owner: str
    attempt: int


async def take(scope: ConsumerScope, store: Store, connection: Connection, duration: int) -> Lease | None:
    """Takes the right to refresh `connection` at its generation for `duration` ms; None if another has it."""
    owner = f"{os.getpid()}-{new_id()}"
    row = await store.q.one(
        _TAKE,
        **key_of(scope, connection.unified_api, connection.service_id),
        owner=owner,
        duration=duration,
        now=store.clock.now(),
        id=connection.id,
        generation=connection.credential_generation,
    )
    return Lease(owner, row["attempt"]) if row else None


async def release(scope: ConsumerScope, store: Store, connection: Connection, lease: Lease) -> None:
    """Gives the lease back, if it is still this one's."""
    key = key_of(scope, connection.unified_api, connection.service_id)
    await store.q.run(_RELEASE, **key, owner=lease.owner, attempt=lease.attempt)
