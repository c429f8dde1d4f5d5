"""HMAC-SHA-256 (RFC 2104) under a key that is used again and again.

Half of an HMAC's work is hashing the padded key, twice. A copy of an HMAC that has done that starts where the
message begins, which halves the cost of the MACs that every request needs.

A key of one purpose can be replaced: `Macs` makes with the current one and still recognises what the former ones made.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator


class Mac:
    """One key's HMAC, named by the key's `id` where the key may be replaced. It does not show its `key`."""

    __slots__ = ("_keyed", "id", "key")

    def __init__(self, key: bytes, id: str = "") -> None:
        self.key = key
        self.id = id
        self._keyed = hmac.new(key, digestmod="sha256")

    def digest(self, message: bytes) -> bytes:
        """The 32 bytes of the MAC of `message`."""
        mac = self._keyed.copy()
        mac.update(message)
        return mac.digest()

    def __repr__(self) -> str:
        return "Mac(***)"


class Macs:
    """The keys of one purpose: the current one, then the former ones, newest first. `turn` changes them in place."""

    __slots__ = ("_by_id", "current")

    def __init__(self, current: Mac, *former: Mac) -> None:
        self.turn(current, *former)

    def turn(self, current: Mac, *former: Mac) -> None:
        """From here on `current` makes the MACs."""
        self.current = current
        self._by_id = {mac.id: mac for mac in (current, *former)}

    def digest(self, message: bytes) -> bytes:
        """The 32 bytes of the MAC of `message` under the current key."""
        return self.current.digest(message)

    def find(self, id: str) -> Mac | None:
        """The key of this id; None for one that was never here, or is gone."""
        return self._by_id.get(id)

    def __iter__(self) -> Iterator[Mac]:
        return iter(self._by_id.values())
