"""Single flight inside one process: many callers, one piece of work, and nobody's leaving stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Flights:
    """Work in progress, by key. The work runs in a task of its own: a caller that is cancelled only stops waiting."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[Any]] = {}

    async def join(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """The result of the work under `key`, started now unless it is already under way."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.ensure_future(_run(work))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    async def land(self) -> None:
        """Returns when everything in progress has ended; what failed is reported to whoever waits for it."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def _ended(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # every caller may have left; a failure that nobody waits for is not an error


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
