"""What was read a moment ago: rows that every request needs and that hardly ever change.

An entry is used for at most `LIFETIME` ms, so a key that was taken away or a switch that was turned on another
node takes effect within a second; on this node it does at once, by `forget`. That nothing was found is never
remembered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, NamedTuple, NoReturn, TypeVar

from holdfast.clock import Clock

LIFETIME = 1000
# Seconds between two times at which what is too old is dropped.
PAUSE = 5.0
ENTRIES = 10_000

T = TypeVar("T")


class _Entry(NamedTuple):
    read_at: int
    owner: str
    value: Any


class Recent:
    """A bounded, short-lived memory of reads, of at most `capacity` values. Each belongs to an application."""

    def __init__(self, clock: Clock, capacity: int = ENTRIES) -> None:
        self._clock = clock
        self._capacity = capacity
        self._entries: dict[Hashable, _Entry] = {}
        # For each read that is under way, whose rows were written since it began.
        self._reading: list[set[str]] = []

    def fresh(self, key: Hashable) -> Any | None:
        """The remembered value of `key`, or None. For those whom the way through `get` would cost more than that."""
        entry = self._entries.get(key)
        if entry is not None and 0 <= self._clock.now() - entry.read_at < LIFETIME:
            return entry.value
        return None

    async def get(
        self, key: Hashable, read: Callable[[], Awaitable[T | None]], owner: str | Callable[[T], str]
    ) -> T | None:
        """The remembered value of `key`, or what `read` gives now.

        `owner` is the application that the value belongs to, or tells it where only the value does.
        """
        remembered: T | None = self.fresh(key)
        if remembered is not None:
            return remembered
        now = self._clock.now()
        written: set[str] = set()
        self._reading.append(written)
        try:
            value = await read()
        finally:
            self._reading = [other for other in self._reading if other is not written]
        if value is not None:
            whose = owner if isinstance(owner, str) else owner(value)
            # What was read before something was written may be older than that.
            if whose not in written:
                self._remember(key, _Entry(now, whose, value))
        return value

    def forget(self, owner: str) -> None:
        """Drops all that belongs to an application: something of it was written."""
        for written in self._reading:
            written.add(owner)
        for key in [key for key, entry in self._entries.items() if entry.owner == owner]:
            del self._entries[key]

    async def keep_short(self) -> NoReturn:
        """Drops what is too old, now and again, until it is cancelled."""
        while True:
            await self._clock.sleep(PAUSE)
            self.expire()

    def expire(self) -> None:
        """Drops what is too old to be used; secrets stay in memory no longer than that."""
        now = self._clock.now()
        for key in [key for key, entry in self._entries.items() if now - entry.read_at >= LIFETIME]:
            del self._entries[key]

    def _remember(self, key: Hashable, entry: _Entry) -> None:
        self._entries.pop(key, None)  # the newest stands last
        if len(self._entries) >= self._capacity:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = entry
