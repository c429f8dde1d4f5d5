"""Sensitive settings leave as a mask, and the mask coming back means "unchanged".

Clients send back every value that they were given, so a mask must be told apart from a new secret. The mask is
the beginning of a keyed hash that is stored beside the sealed secret: it says nothing of the secret, showing it opens
nothing, and it cannot be made by somebody who does not have the secret's owner's answer in front of them.
"""

from __future__ import annotations

import hmac

from holdfast.domain.credential import Sealed
from holdfast.domain.mac import Mac
from holdfast.errors import ConnectionSettingsError

PREFIX = "__vault_masked__:"
_SHOWN, _KEPT = 8, 32


class Masks:
    """Makes the digests of secrets, under one key."""

    __slots__ = ("_key",)

    def __init__(self, key: Mac) -> None:
        self._key = key

    def digest(self, connection_id: str, setting_id: str, value: str) -> Sealed:
        """What is kept of a secret beside its sealed form."""
        mac = self._key.digest(f"{connection_id}\0{setting_id}\0{value}".encode("utf-8", "surrogatepass"))
        return Sealed(mac.hex()[:_KEPT])


def mask(secret: Sealed) -> str:
    """What is shown in the place of a stored secret."""
    return PREFIX + secret.digest[:_SHOWN]


def is_mask(sent: str) -> bool:
    return sent.startswith(PREFIX)


def unmask(sent: str, stored: object) -> Sealed:
    """The stored secret that the mask `sent` stands for.

    ConnectionSettingsError for a mask that is not that secret's: it was edited, or belongs elsewhere.
    """
    if isinstance(stored, Sealed) and hmac.compare_digest(sent.encode("utf-8", "replace"), mask(stored).encode()):
        return stored
    raise ConnectionSettingsError("A masked value was changed. Send it back as it was, or send the new value whole.")
