"""When a wait ends, of a process that may be stopped while it waits.

A process that is stopped (SIGSTOP, a frozen container) past its deadline wakes up with two things at once: the deadline
is over, and the answer has been lying in its socket. `asyncio.timeout` would throw that answer away, and what may be in
it is the only copy of a token. So whoever finds the deadline well over when it looks may be given a moment more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final

# Seconds: who looks at a deadline so long after it was stopped.
STOPPED: Final = 1.0


class Deadline:
    """`async with Deadline(when, spare)`: TimeoutError if the block lasts until then by the loop's clock (None: never).

    `spare` is asked where the process was stopped; it is given the time and gives another end, or None for none.
    """

    def __init__(self, when: float | None, spare: Callable[[float], float | None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = asyncio.timeout(None)
        self._when = when
        self._spare = spare
        self._due: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Deadline:
        await self._timeout.__aenter__()
        self.reschedule(self._when)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._disarm()
        await self._timeout.__aexit__(kind, error, trace)

    def reschedule(self, when: float | None) -> None:
        """Ends then instead."""
        self._disarm()
        self._when = when
        if when is not None:
            self._due = self._loop.call_at(when, self._ends, when)

    def _ends(self, when: float) -> None:
        now = self._loop.time()
        if now - when > STOPPED and (later := self._spare(now)) is not None:
            self.reschedule(later)
        else:
            self._timeout.reschedule(now)

    def _disarm(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
