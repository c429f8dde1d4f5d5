"""Time that passes while work waits for it, where several tasks sleep on one clock and nobody knows how often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from holdfast.testing.clock import TestClock

T = TypeVar("T")


async def while_time_passes(clock: TestClock, work: Awaitable[T], step: float = 0.03) -> T:
    """The result of `work`; whenever somebody sleeps on `clock` meanwhile, it moves on by `step` seconds, a millisecond
    of this machine's own time after the last step: what others do meanwhile, a disk above all, takes some of that."""
    task = asyncio.ensure_future(work)
    while not task.done():
        asleep = asyncio.ensure_future(clock.asleep())
        await asyncio.wait({task, asleep}, return_when=asyncio.FIRST_COMPLETED)
        asleep.cancel()
        await asyncio.wait({task}, timeout=0.001)
        clock.advance(step)
    return await task
