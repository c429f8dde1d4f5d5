"""The sealed form of everything secret at rest.

     offset  0     2    3         11         27               59          71
    blob = | "HF" | 01 | key id 8 | salt 16  | commitment 32  | nonce 12  | AES-256-GCM ciphertext, then its tag 16 |

    (record key 32, commitment 32) = HKDF-SHA-512(key, info = "hf1|" + key id + salt)        RFC 5869
    associated data                = "hf1|" + key id + place

- The salt stands in `info`: the key is random, so its extraction, the same each time, is done once (section 3.1).
- SHA-512, because both halves then come from one block of the expansion: one HMAC for each blob, not two.
- Each blob has a record key of its own, so no key ever comes near the number of messages that GCM allows it.
- GCM alone lets somebody make one blob that opens under two keys; the commitment rules that out.
- The *place* is the table, column, application and generation that the blob was written for, and what its row says:
  whose it is, and whatever else of the row is believed once the blob has opened. It is written as a JSON array. A
  blob that somebody copied elsewhere, or put back after it was replaced, does not open, nor does one whose row was
  made to say something else.
- Putting a whole row back, its generation included, is not something that a blob can notice.

A change of the format is a new third byte; the old one stays readable. Knows no database and no application's key:
`keyring` does.
"""

from __future__ import annotations

import hmac
import os
from hashlib import sha256
from typing import Final, NoReturn

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.domain.mac import Mac
from holdfast.errors import IntegrityError

KEY_SIZE: Final = 32
OVERHEAD: Final = 87
_FORMAT: Final = b"HF\x01"
_encode = msgspec.json.Encoder().encode


class Place(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a sealed value belongs. `ids` name the row within its application, and hold what the row says."""

    table: str
    column: str
    application_id: str
    ids: tuple[str, ...]
    generation: int = 0

    def encode(self) -> bytes:
        """A JSON array of its parts: no two places have the same."""
        return _encode(self)


class Key:
    """A key that seals and opens. It prints as its id, and its bytes are not to be had."""

    __slots__ = ("_expand", "_info", "_secret", "id")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_SIZE:
            raise ValueError(f"a key is {KEY_SIZE} bytes")
        self._secret = secret
        self.id = sha256(b"kid|" + secret).digest()[:8]
        self._info = b"hf1|" + self.id
        self._expand = Mac(hmac.digest(bytes(64), secret, "sha512"), hash="sha512")

    def seal(self, place: Place, plaintext: bytes) -> bytes:
        """The blob that opens to `plaintext` under this key at this place."""
        salt, nonce = os.urandom(16), os.urandom(12)
        record_key, commitment = self._derive(salt)
        ciphertext = AESGCM(record_key).encrypt(nonce, plaintext, self._info + place.encode())
        return b"".join((_FORMAT, self.id, salt, commitment, nonce, ciphertext))

    def open(self, place: Place, blob: bytes) -> bytes:
        """What was sealed; IntegrityError if this is not the very blob, place and key."""
        if len(blob) < OVERHEAD or blob[:3] != _FORMAT or blob[3:11] != self.id:
            raise refusal(place)
        record_key, commitment = self._derive(blob[11:27])
        if not hmac.compare_digest(commitment, blob[27:59]):
            raise refusal(place)
        try:
            return AESGCM(record_key).decrypt(blob[59:71], blob[71:], self._info + place.encode())
        except InvalidTag:
            raise refusal(place) from None

    def subkey(self, purpose: str) -> bytes:
        """32 bytes for a use other than sealing, unrelated to those of any other purpose."""
        return self._expand.digest(b"hf1|subkey|" + purpose.encode() + b"\x01")[:32]

    def _derive(self, salt: bytes) -> tuple[bytes, bytes]:
        """HKDF-SHA-512 (RFC 5869) to 64 bytes, the one block of its expansion: record key and commitment."""
        both = self._expand.digest(self._info + salt + b"\x01")
        return both[:32], both[32:]

    def __repr__(self) -> str:
        return f"Key({self.id.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Key is not pickled or copied")


def key_id(blob: bytes) -> bytes:
    """The id of the key that a blob says it was sealed under; b"" if it is too short to say."""
    return blob[3:11] if len(blob) >= OVERHEAD else b""


def refusal(place: Place) -> IntegrityError:
    """What is raised for a value that does not open."""
    return IntegrityError(f"A sealed value of {place.table}.{place.column} did not open under its key and place.")
