"""Single flight inside one process: many callers, one piece of work, and nobody's leaving stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

import structlog

from holdfast.errors import Unavailable

log = structlog.get_logger()

T = TypeVar("T")

# Seconds that a caller waits for the work, which itself goes on; and that all of it may take when the process ends.
PATIENCE = 21.0
LANDING = 120.0


class Flights:
    """Work in progress, by key. The work runs in a task of its own: a caller that is cancelled only stops waiting."""

    def __init__(self, *, patience: float = PATIENCE, landing: float = LANDING) -> None:
        self._tasks: dict[Hashable, asyncio.Task[Any]] = {}
        self._patience = patience
        self._landing = landing
        self.closing = False

    async def join(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """The result of the work under `key`, started now unless it is already under way.

        Unavailable if it is still under way after `PATIENCE` seconds, or would begin while the process is ending.
        """
        task = self._tasks.get(key)
        if task is None:
            if self.closing:
                raise Unavailable("This process is ending; another one will answer.")
            task = asyncio.ensure_future(_run(work))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        await asyncio.wait({task}, timeout=self._patience)
        if not task.done():
            raise Unavailable("The provider has not answered yet; its answer will be kept when it comes.")
        return task.result()  # type: ignore[no-any-return]

    def close(self) -> None:
        """Nothing begins from here on, and what has not come to the point of no return turns back (`closing`)."""
        self.closing = True

    async def land(self) -> None:
        """Returns when everything in progress has ended, or was ended because it took longer than `LANDING` seconds.

        What failed is reported to whoever waits for it.
        """
        if not self._tasks:
            return
        _, late = await asyncio.wait(list(self._tasks.values()), timeout=self._landing)
        for task in late:
            task.cancel()
        if late:
            log.critical("work_given_up", count=len(late))
            await asyncio.wait(late)

    def _ended(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # every caller may have left; a failure that nobody waits for is not an error


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
