"""Time, as something that is handed in. The only module that reads the system's clocks.

The rest of the house asks a `Clock`; tests hand in `holdfast.testing.clock.TestClock` and move it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time in milliseconds since the epoch, time that only goes on, and the means to wait."""

    def now(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, which nobody sets back or forward. What is measured with it is a duration."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...


# A machine that was asleep has not stood still for the others, so the time of its sleep counts where it can be had.
_RUNNING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.clock_gettime(_RUNNING)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
