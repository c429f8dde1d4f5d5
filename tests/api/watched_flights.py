"""Flights that tell who has come aboard, so that a test can wait for a second caller instead of for time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

from holdfast.usecases.flight import Flights

T = TypeVar("T")


class WatchedFlights(Flights):
    """`joined` is how many have asked for the result of some work."""

    def __init__(self) -> None:
        super().__init__()
        self.joined = 0
        self._came = asyncio.Event()

    async def join(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        self.joined += 1
        self._came.set()
        return await super().join(key, work)

    async def aboard(self, callers: int) -> None:
        """Returns once so many wait for their result."""
        async with asyncio.timeout(10):
            while self.joined < callers:
                self._came.clear()
                await self._came.wait()
