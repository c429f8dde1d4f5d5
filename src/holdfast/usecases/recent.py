"""What was read a moment ago: rows that every request needs and that hardly ever change.

An entry is used for at most `LIFETIME` ms, so a key that was taken away or a switch that was turned on another
node takes effect within a second; on this node it does at once, by `forget`. That nothing was found is never
remembered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, NoReturn, TypeVar

from holdfast.clock import Clock

LIFETIME = 1000
# Seconds between two times at which what is too old is dropped.
PAUSE = 5.0
ENTRIES = 10_000

T = TypeVar("T")


class Recent:
    """A bounded, short-lived memory of reads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._age = 0
        self._entries: dict[Hashable, tuple[int, Any]] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[T | None]]) -> T | None:
        """The remembered value of `key`, or what `read` gives now."""
        now = self._clock.now()
        entry = self._entries.get(key)
        if entry is not None and 0 <= now - entry[0] < LIFETIME:
            return entry[1]  # type: ignore[no-any-return]
        age = self._age
        value = await read()
        # What was read before something was written may be older than that.
        if value is not None and age == self._age:
            self._remember(key, now, value)
        return value

    def forget(self) -> None:
        """Drops everything: something that may be remembered was written."""
        self._age += 1
        self._entries.clear()

    async def keep_short(self) -> NoReturn:
        """Drops what is too old, now and again, until it is cancelled."""
        while True:
            await self._clock.sleep(PAUSE)
            self.expire()

    def expire(self) -> None:
        """Drops what is too old to be used; secrets stay in memory no longer than that."""
        now = self._clock.now()
        for key in [key for key, (read_at, _) in self._entries.items() if now - read_at >= LIFETIME]:
            del self._entries[key]

    def _remember(self, key: Hashable, now: int, value: Any) -> None:
        if len(self._entries) >= ENTRIES:
            self._entries.clear()
        self._entries[key] = (now, value)
