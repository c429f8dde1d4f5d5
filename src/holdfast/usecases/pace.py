"""Who asked to be left alone, and for how long: a call that would only be refused again is not made.

Kept for each connection and endpoint, in this process, and briefly: a limit of one endpoint says nothing of another,
and what a service asks for (RFC 9110 section 10.2.3) may be an hour, after which one call tells how things are.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

# How long it is heeded at most (ms), and of how many endpoints; those that asked first are forgotten first.
LONGEST: Final = 60_000
KNOWN: Final = 10_000


class Pace:
    """The memory of one process. Times are ms."""

    def __init__(self) -> None:
        self._until: dict[Hashable, int] = {}

    def __len__(self) -> int:
        """How many endpoints are remembered."""
        return len(self._until)

    def left(self, endpoint: Hashable, now: int) -> int:
        """How many ms `endpoint` wants to be left alone yet; 0 if it does not."""
        until = self._until.get(endpoint) if self._until else None
        if until is None:
            return 0
        if until <= now or until > now + LONGEST:  # it is over, or the clock was set back
            del self._until[endpoint]
            return 0
        return until - now

    def leave_alone(self, endpoint: Hashable, now: int, milliseconds: int) -> None:
        """`endpoint` has asked for so much time."""
        if milliseconds <= 0:
            return
        self._until.pop(endpoint, None)
        if len(self._until) >= KNOWN:
            del self._until[next(iter(self._until))]
        self._until[endpoint] = now + min(milliseconds, LONGEST)
