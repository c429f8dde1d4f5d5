"""What seals and opens the values of one application, with all of its data keys in hand and no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from holdfast.store.seal.envelope import Key, Place, key_id, refusal

# How many ids of keys that do not exist are remembered of one application.
MISSING: Final = 1_000


class Box:
    """Seals with the active key and opens with the one that a blob names.

    Take it for one piece of work; do not keep it. `missing` are ids of keys that were looked for in vain.
    """

    __slots__ = ("_active", "_keys", "_missing", "application_id")

    def __init__(
        self, application_id: str, active: Key, former: Iterable[Key] = (), missing: frozenset[bytes] = frozenset()
    ) -> None:
        self.application_id = application_id
        self._active = active
        self._keys = {key.id: key for key in (active, *former)}
        self._missing = missing - self._keys.keys()

    def seal(self, place: Place, plaintext: bytes) -> bytes:
        """The blob to store at `place`. ValueError if the place is another application's."""
        self._check(place)
        return self._active.seal(place, plaintext)

    def open(self, place: Place, blob: bytes) -> bytes:
        """What was sealed for `place`; IntegrityError if the blob is not that, whole and unaltered."""
        self._check(place)
        key = self._keys.get(blob[3:11])
        if key is None:
            raise refusal(place)
        return key.open(place, blob)

    def has(self, blob: bytes) -> bool:
        """Whether the key that `blob` names is here."""
        return blob[3:11] in self._keys

    def lacks(self, blobs: Iterable[bytes]) -> frozenset[bytes]:
        """The ids of keys to look for before `blobs` can be opened, those that were missing before among them.

        Empty if there is nothing new to look for.
        """
        new = {id for id in map(key_id, blobs) if id and id not in self._keys and id not in self._missing}
        return frozenset(new | self._missing if len(self._missing) < MISSING else new) if new else frozenset()

    def _check(self, place: Place) -> None:
        if place.application_id != self.application_id:
            raise ValueError("the place is another application's")
