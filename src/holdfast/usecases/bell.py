"""A bell for each kind of work: whoever queues a job rings it, and this process's worker need not wait for its poll.

It rings in one process only. What another node queues, or what falls due by itself, is found by the poll.
"""

from __future__ import annotations

import asyncio


class Bell:
    """Rings stay until they are heard; two before that are one."""

    def __init__(self) -> None:
        self._rung: dict[str, asyncio.Event] = {}

    def ring(self, kind: str) -> None:
        """There may be work of `kind`. Ring after the transaction that queues it, or it is heard too early."""
        self._of(kind).set()

    async def heard(self, kind: str) -> None:
        """Returns at the next ring, or at once if it has rung since the last time."""
        rung = self._of(kind)
        await rung.wait()
        rung.clear()

    def _of(self, kind: str) -> asyncio.Event:
        return self._rung.setdefault(kind, asyncio.Event())
