"""Sensitive settings leave as a mask, and the mask coming back means "unchanged".

Clients send back every value that they were given, so a mask must be told apart from a new secret. The mask is
a keyed hash: it says nothing of the secret and cannot be made by somebody who does not have the secret's owner's
answer in front of them.
"""

from __future__ import annotations

import hmac

from holdfast.errors import ConnectionSettingsError

PREFIX = "__vault_masked__:"


class Masks:
    """Makes and recognises masks under one key."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def mask(self, place: str, value: str) -> str:
        """The mask of `value`, a secret kept at `place` (connection and setting)."""
        return PREFIX + hmac.digest(self._key, f"{place}\0{value}".encode(), "sha256")[:4].hex()

    def unmask(self, place: str, sent: str, stored: str | None) -> str:
        """The value that `sent` stands for: itself, or the stored secret if it is that secret's mask.

        ConnectionSettingsError for a mask that is not the stored secret's: it was edited, or belongs elsewhere.
        """
        if not sent.startswith(PREFIX):
            return sent
        if stored is not None and hmac.compare_digest(sent, self.mask(place, stored)):
            return stored
        raise ConnectionSettingsError(
            "A masked value was changed. Send it back as it was, or send the new value whole."
        )
