"""Grants that end soon. Asked for by an operator once in a while, so it reads through the application's connections."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.domain.connection import Grant
from holdfast.domain.tenancy import Scope
from holdfast.store import Store
from holdfast.store.engine.database import Row

_END = "CASE WHEN refreshable THEN refresh_expires_at ELSE expires_at END"
_EXPIRING = f"""
SELECT consumer_id, unified_api, service_id, id, granted_at, issued_at, expires_at, refreshable, refresh_expires_at
FROM connections
WHERE application_id = :application_id AND granted_at IS NOT NULL AND {_END} > :db_now AND {_END} <= :db_now + :within
ORDER BY {_END}, id LIMIT :limit"""


@dataclass(frozen=True, slots=True)
class Expiring:
    """A connection whose grant has an end."""

    consumer_id: str
    unified_api: str
    service_id: str
    id: str
    grant: Grant


async def soon(scope: Scope, store: Store, within: int, limit: int) -> list[Expiring]:
    """Those of the application that end within `within` ms unless they are renewed, the first of them first."""
    rows = await store.q.all(_EXPIRING, application_id=scope.application_id, within=within, limit=limit)
    return [_expiring(row) for row in rows]


def _expiring(row: Row) -> Expiring:
    grant = Grant(
        granted_at=row["granted_at"],
        issued_at=row["issued_at"],
        expires_at=row["expires_at"],
        refreshable=bool(row["refreshable"]),
        refresh_expires_at=row["refresh_expires_at"],
    )
    return Expiring(row["consumer_id"], row["unified_api"], row["service_id"], row["id"], grant)
