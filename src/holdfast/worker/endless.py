"""What every process does for itself for as long as it lives, whatever happens to it once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import structlog

from holdfast.clock import Clock

log = structlog.get_logger()

# Seconds until what has failed is begun anew.
AGAIN: Final = 5.0


async def without_end(clock: Clock, name: str, work: Callable[[], Awaitable[NoReturn]]) -> NoReturn:
    """Begins `work` anew when something that nobody foresaw has ended it; `name` is what the log calls it.

    Nobody would miss it: secrets would stay in memory, and the journal in a file.
    """
    while True:
        try:
            await work()
        except Exception as error:
            # Without a traceback, which would quote what the work holds.
            log.critical("housekeeping_failed", of=name, error=type(error).__name__)
        await clock.sleep(AGAIN)
