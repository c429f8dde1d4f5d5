"""How long is kept what only grows: one number for each table, and the purge that holds to it.

Rows go in small portions, each a transaction of its own, so that nobody waits for a purge; and a purge has an end, so
that one which finds millions goes on the next time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdfast.store import Store

DAY: Final = 24 * 3600 * 1000
PORTION: Final = 500
PORTIONS: Final = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of `table` go `for_days` after the moment in their column `since`; those without one stay."""

    table: str
    key: str
    since: str
    for_days: int

    @property
    def statement(self) -> str:
        old = f"SELECT {self.key} FROM {self.table} WHERE {self.since} < :db_now - :kept LIMIT :portion"
        return f"DELETE FROM {self.table} WHERE {self.key} IN ({old})"


KEPT: Final = (
    # Delivered or not: a subscriber that was away for a month reads the connections instead.
    Kept("events", "id", "occurred_at", 30),
    # A year of evidence, of what was opened and of what was ended.
    Kept("journal", "id", "at", 365),
    Kept("revocations", "id", "created_at", 365),
    # Done jobs hold nothing any more; those that were set aside wait for somebody to look.
    Kept("jobs", "id", "done_at", 7),
    Kept("jobs", "id", "set_aside_at", 90),
    # A key that comes again after that names a new write.
    Kept("kept_answers", "name", "expires_at", 0),
    # Of clients that nobody asks with any more; one that is asked with is refused again long before.
    Kept("circuits", "id", "refused_at", 30),
    # Spent or expired authorizations, for whoever asks the next day what went wrong.
    Kept("flows", "state_mac", "expires_at", 1),
    Kept("confirmations", "token_mac", "expires_at", 1),
)


async def purge(store: Store) -> dict[str, int]:
    """Deletes what has been kept long enough, of every tenant; how many rows of each table."""
    gone: dict[str, int] = {}
    for kept in KEPT:
        gone[kept.table] = gone.get(kept.table, 0) + await _purge(store, kept)
    return gone


async def _purge(store: Store, kept: Kept) -> int:
    gone = 0
    for _ in range(PORTIONS):
        deleted = await store.q.run(kept.statement, kept=kept.for_days * DAY, portion=PORTION)
        gone += deleted
        if deleted < PORTION:
            break
    return gone
