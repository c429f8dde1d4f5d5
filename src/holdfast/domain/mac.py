"""HMAC-SHA-256 (RFC 2104) under a key that is used again and again.

Half of an HMAC's work is hashing the padded key, twice. A copy of an HMAC that has done that starts where the
message begins, which halves the cost of the MACs that every request needs.
"""

from __future__ import annotations

import hmac


class Mac:
    """One key's HMAC. It does not show its `key`."""

    __slots__ = ("_keyed", "key")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._keyed = hmac.new(key, digestmod="sha256")

    def digest(self, message: bytes) -> bytes:
        """The 32 bytes of the MAC of `message`."""
        mac = self._keyed.copy()
        mac.update(message)
        return mac.digest()

    def __repr__(self) -> str:
        return "Mac(***)"
