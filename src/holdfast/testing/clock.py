"""Time for tests: it stands still until `advance`, so nothing waits for real and nothing depends on speed."""

from __future__ import annotations

import asyncio
import heapq
import itertools

START = 1_767_225_600_000  # 2026-01-01T00:00:00Z


class TestClock:
    """A `holdfast.clock.Clock` that the test moves.

    >>> clock = TestClock()
    >>> clock.advance(3600)
    >>> clock.now() - START
    3600000
    """

    __test__ = False  # the name begins with Test, but pytest must not collect it

    def __init__(self, now: int = START) -> None:
        self._now = now
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._fell_asleep = asyncio.Event()

    def now(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z."""
        return self._now

    def monotonic(self) -> float:
        """Seconds; it moves with the wall time."""
        return self._now / 1000

    async def sleep(self, seconds: float) -> None:
        """Return once `advance` has moved the time `seconds` on; at once, but not before others ran, for 0 or less."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + round(seconds * 1000), next(self._order), woken))
        self._fell_asleep.set()
        await woken

    def advance(self, seconds: float) -> None:
        """Move the time on and wake whoever's time has come, in the order of their waking times."""
        self._now += round(seconds * 1000)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)

    @property
    def sleepers(self) -> int:
        """How many tasks are asleep on this clock."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def asleep(self, tasks: int = 1) -> None:
        """Return when at least `tasks` tasks are asleep: the moment from which `advance` reaches them."""
        while self.sleepers < tasks:
            self._fell_asleep.clear()
            await self._fell_asleep.wait()
