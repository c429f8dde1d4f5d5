"""Who has which key: one data key per application, each wrapped by a master key and kept in `data_keys`.

    master key (operator) ── wraps ──> data key of an application ── seals ──> its rows      `Keyring.box`
                          └─ wraps ──> instance key ── derives ──> keys of MACs              `Keyring.derive`

Everything secret in the database went through a `Box`; how it is sealed is `envelope`'s, where master keys come from
`masterkey`'s. Deleting an application deletes its data key, and with it every copy of its secrets, backups included
as far as they do not hold that key.

Opened data keys stay in memory for at most `LIFETIME`; what they opened does not stay at all.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from holdfast.clock import Clock
from holdfast.errors import IntegrityError, SettingsError
from holdfast.store.engine.database import Database, Queries, Row
from holdfast.store.seal.envelope import Key, Place
from holdfast.store.seal.masterkey import MasterKeys

__all__ = ["Box", "Keyring", "Place"]

CAPACITY: Final = 10_000
LIFETIME: Final = 10 * 60 * 1000
# The row of `data_keys` that belongs to no application.
INSTANCE: Final = ""

_SELECT = "SELECT key_id, master_key_id, wrapped FROM data_keys WHERE application_id = :application_id"
_ALL = "SELECT application_id, key_id, master_key_id, wrapped FROM data_keys"
_INSERT = """
INSERT INTO data_keys (application_id, key_id, master_key_id, wrapped, created_at)
VALUES (:application_id, :key_id, :master_key_id, :wrapped, :now)"""
_INSERT_ONCE = f"{_INSERT} ON CONFLICT (application_id) DO NOTHING"
_DELETE = "DELETE FROM data_keys WHERE application_id = :application_id"
_MASTERS = "SELECT DISTINCT master_key_id FROM data_keys ORDER BY master_key_id"


class Box:
    """Seals and opens one application's values. Take it for one piece of work; do not keep it."""

    __slots__ = ("_key", "application_id")

    def __init__(self, application_id: str, key: Key) -> None:
        self.application_id = application_id
        self._key = key

    def seal(self, place: Place, plaintext: bytes) -> bytes:
        """The blob to store at `place`. ValueError if the place is another application's."""
        self._check(place)
        return self._key.seal(place, plaintext)

    def open(self, place: Place, blob: bytes) -> bytes:
        """What was sealed for `place`; IntegrityError if the blob is not that, whole and unaltered."""
        self._check(place)
        return self._key.open(place, blob)

    def _check(self, place: Place) -> None:
        if place.application_id != self.application_id:
            raise ValueError("the place is another application's")


class Keyring:
    """The data keys of this vault, opened as they are needed."""

    def __init__(self, db: Database, masters: MasterKeys, clock: Clock, instance: Key) -> None:
        self._db = db
        self._masters = masters
        self._clock = clock
        self._instance = instance
        self._boxes: OrderedDict[str, tuple[int, Box]] = OrderedDict()

    @classmethod
    async def open(cls, db: Database, masters: MasterKeys, clock: Clock) -> Keyring:
        """The keyring of a migrated database; the first start makes the instance key.

        SettingsError if a data key needs a master key that is not given, IntegrityError if the instance key does not
        open under the one that is.
        """
        row = await db.one(_SELECT, application_id=INSTANCE)
        if row is None:
            # Several processes may start at once: one insert wins, and all of them read what it left.
            await db.run(_INSERT_ONCE, **_new_row(INSTANCE, masters, clock))
            row = await db.one(_SELECT, application_id=INSTANCE)
        _refuse_unknown([found["master_key_id"] for found in await db.all(_MASTERS)], masters)
        return cls(db, masters, clock, _unwrap(INSTANCE, row, masters))

    async def box(self, application_id: str, q: Queries | None = None) -> Box:
        """The application's box: from memory, or with one read. IntegrityError if its data key is gone or altered."""
        opened_at, box = self._boxes.get(application_id, (0, None))
        if box is not None and self._clock.now() - opened_at < LIFETIME:
            self._boxes.move_to_end(application_id)
            return box
        return await self._load(application_id, q or self._db)

    async def create_data_key(self, q: Queries, application_id: str) -> None:
        """Gives the application its data key, in the caller's transaction. ConflictError if it has one."""
        await q.run(_INSERT, **_new_row(_named(application_id), self._masters, self._clock))

    async def destroy_data_key(self, q: Queries, application_id: str) -> None:
        """Takes the application's data key away for good, in the caller's transaction.

        Other processes may have it in memory for up to `LIFETIME`; from then on nothing it sealed ever opens.
        """
        await q.run(_DELETE, application_id=_named(application_id))
        self._boxes.pop(application_id, None)

    async def check(self) -> dict[str, int]:
        """Opens every data key. How many each master key wraps, by its id, the primary one first.

        IntegrityError if a data key does not open, SettingsError if its master key is not given.
        """
        wrapped = dict.fromkeys(self._masters.ids, 0)
        for row in await self._db.all(_ALL):
            _unwrap(row["application_id"], row, self._masters)
            wrapped[row["master_key_id"]] += 1
        return wrapped

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for the MACs of one purpose ("link", "apikey", …), the same on every node."""
        return self._instance.subkey(purpose)

    async def _load(self, application_id: str, q: Queries) -> Box:
        row = await q.one(_SELECT, application_id=_named(application_id))
        box = Box(application_id, _unwrap(application_id, row, self._masters))
        self._boxes[application_id] = self._clock.now(), box
        self._boxes.move_to_end(application_id)
        if len(self._boxes) > CAPACITY:
            self._boxes.popitem(last=False)
        return box


def _new_row(application_id: str, masters: MasterKeys, clock: Clock) -> dict[str, object]:
    key = Key.generate()
    return {
        "application_id": application_id,
        "key_id": key.id.hex(),
        "master_key_id": masters.primary.id.hex(),
        "wrapped": masters.primary.wrap(_place(application_id, key.id.hex()), key),
        "now": clock.now(),
    }


def _unwrap(application_id: str, row: Row | None, masters: MasterKeys) -> Key:
    if row is None:
        raise IntegrityError("The application has no data key.")
    master = masters.find(row["master_key_id"])
    if master is None:
        raise SettingsError(f"A data key needs the master key {row['master_key_id']}, which is not given.")
    return master.unwrap(_place(application_id, row["key_id"]), row["wrapped"])


def _place(application_id: str, key_id: str) -> Place:
    return Place("data_keys", "wrapped", application_id, (key_id,))


def _named(application_id: str) -> str:
    if application_id == INSTANCE:
        raise ValueError("an application has an id")
    return application_id


def _refuse_unknown(found: list[str], masters: MasterKeys) -> None:
    unknown = [id for id in found if masters.find(id) is None]
    if unknown:
        raise SettingsError(
            f"The database is sealed under master keys that are not given: {', '.join(unknown)}. "
            f"Given: {', '.join(masters.ids)}. Needed: {', '.join(found)}."
        )
