"""A deadline ends a wait, unless the process was stopped past it and is given a moment more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from holdfast.outbound.deadline import STOPPED, Deadline


async def is_late(work: Awaitable[object], seconds: float, spare: Callable[[float], float | None]) -> bool:
    try:
        async with Deadline(asyncio.get_running_loop().time() + seconds, spare):
            await work
    except TimeoutError:
        return True
    return False


async def stopped() -> None:
    """As of a process that is stopped for longer than any deadline here, and has something to do afterwards."""
    threading.Event().wait(STOPPED + 0.2)
    await asyncio.sleep(0.2)


async def test_a_wait_ends_at_its_deadline() -> None:
    """Nobody is asked for more."""
    asked: list[float] = []

    assert await is_late(asyncio.Event().wait(), 0.05, asked.append)
    assert asked == []


async def test_a_process_that_was_stopped_is_given_a_moment() -> None:
    """Whoever may give one gives it, and what comes within it is in time."""
    assert not await is_late(stopped(), 0.05, lambda now: now + 5)


async def test_who_gives_no_moment_ends_the_wait() -> None:
    """Stopped or not."""
    assert await is_late(stopped(), 0.05, lambda _: None)


@pytest.mark.parametrize("to", [None, 5.0])
async def test_a_deadline_is_moved(to: float | None) -> None:
    """To another moment, or away."""
    now = asyncio.get_running_loop().time()
    async with Deadline(now + 0.05, lambda _: None) as deadline:
        deadline.reschedule(None if to is None else now + to)
        await asyncio.sleep(0.1)

    assert asyncio.get_running_loop().time() - now > 0.05
