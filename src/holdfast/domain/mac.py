"""HMAC (RFC 2104), with SHA-256 unless told otherwise, under a key that is used again and again.

Half of an HMAC's work is hashing the padded key, twice. Copies of two hashes that have done that start where the
message begins. They are kept here and not in an object of `hmac`, whose copy costs as much as the rest of it, because
every request needs several MACs.

A key of one purpose can be replaced: `Macs` makes with the current one and still recognises what the former ones made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final, Literal

# The two ways in which a key is padded (RFC 2104 section 2), as tables for `translate`.
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class Mac:
    """One key's HMAC, named by the key's `id` where the key may be replaced. It does not show its `key`."""

    __slots__ = ("_inner", "_outer", "id", "key")

    def __init__(self, key: bytes, id: str = "", hash: Literal["sha256", "sha512"] = "sha256") -> None:
        self.key = key
        self.id = id
        start = hashlib.new(hash)
        short = key if len(key) <= start.block_size else hashlib.new(hash, key).digest()
        block = short.ljust(start.block_size, b"\0")
        self._inner = hashlib.new(hash, block.translate(_INNER))
        self._outer = hashlib.new(hash, block.translate(_OUTER))

    def digest(self, message: bytes) -> bytes:
        """The MAC of `message`: as many bytes as the hash has, 32 unless it is another one."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

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
