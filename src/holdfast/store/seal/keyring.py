"""Who has which keys: data keys for each application, each wrapped by a master key and kept in `data_keys`.

    master key (operator) ── wraps ──> data keys of an application ── seal ──> its rows      `Keyring.box`
                          └─ wraps ──> instance keys ── derive ──> keys of MACs              `Keyring.derive`

Everything secret in the database went through a `Box`; how it is sealed is `envelope`'s, where master keys come from
`masterkey`'s. Deleting an application deletes its data keys, and with them every copy of its secrets, backups included
as far as they do not hold those keys.

Keys can be replaced while the vault runs. An application, and the instance, has one key that is active and any number
of former ones, and what was made under a key names it: a blob holds its key's id, and a row with a MAC that lasts
holds that of the MAC's key. A key is added, then everything is made anew under it, then the former one is deleted.

Opened data keys stay in memory for at most `LIFETIME`; what they opened does not stay at all.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, NoReturn

import structlog

from holdfast.clock import Clock
from holdfast.domain.mac import Mac, Macs
from holdfast.errors import IntegrityError, SettingsError, Unavailable
from holdfast.store.engine.database import Database, Queries, Row
from holdfast.store.seal.box import Box
from holdfast.store.seal.envelope import KEY_SIZE, Key, Place
from holdfast.store.seal.masterkey import MasterKeys, Wrapped

log = structlog.get_logger()

__all__ = ["Box", "DataKey", "Keyring", "Place"]

# Seconds between two looks for a new instance key.
FOLLOW_EVERY: Final = 60.0
CAPACITY: Final = 10_000
LIFETIME: Final = 10 * 60 * 1000
# The rows of `data_keys` that belong to no application.
INSTANCE: Final = ""

_SELECT = """
SELECT application_id, key_id, number, master_key_id, wrapped, active_from FROM data_keys
WHERE application_id = :application_id ORDER BY number"""
_ALL = """
SELECT application_id, key_id, number, master_key_id, wrapped, active_from FROM data_keys
ORDER BY application_id, number"""
_INSERT = """
INSERT INTO data_keys (application_id, key_id, number, master_key_id, wrapped, active_from, created_at)
VALUES (:application_id, :key_id, :number, :master_key_id, :wrapped, :active_from, :now)"""
_INSERT_ONCE = f"{_INSERT} ON CONFLICT (application_id, number) DO NOTHING"
_DELETE = "DELETE FROM data_keys WHERE application_id = :application_id"
_MASTERS = "SELECT DISTINCT master_key_id FROM data_keys ORDER BY master_key_id"


class DataKey(NamedTuple):
    """A new data key, wrapped and not yet stored: its row, and the box of an application that has no other."""

    row: Mapping[str, Any]
    box: Box


class Keyring:
    """The keys of one database. It belongs to the event loop that opened it."""

    def __init__(self, db: Database, masters: MasterKeys, clock: Clock) -> None:
        self._db = db
        self._masters = masters
        self._clock = clock
        self._boxes: OrderedDict[str, tuple[int, Box]] = OrderedDict()
        self._unwrapping: dict[tuple[str, str], asyncio.Future[bytes]] = {}
        self._instance: dict[str, Key] = {}
        self._macs: dict[str, Macs] = {}

    @classmethod
    async def open(cls, db: Database, masters: MasterKeys, clock: Clock) -> Keyring:
        """The keyring of a migrated database; the first start makes the instance key.

        SettingsError if a data key needs a master key that is not given, IntegrityError if an instance key does not
        open under the one that is, Unavailable if the master keys are out of reach.
        """
        keyring = cls(db, masters, clock)
        if not await db.all(_SELECT, application_id=INSTANCE):
            # Several processes may start at once: one insert wins, and all of them read what it left.
            row, _ = await keyring._new(INSTANCE)
            await db.run(_INSERT_ONCE, **row)
        _refuse_unknown([found["master_key_id"] for found in await db.all(_MASTERS)], masters)
        await keyring.follow()
        return keyring

    async def box(self, application_id: str, q: Queries | None = None, blobs: Iterable[bytes] = ()) -> Box:
        """The application's box: from memory, or with one read. IntegrityError if its data keys are gone or altered.

        Give the `blobs` that are to be opened: another node may have sealed them under a key that it has just added,
        and then the application's keys are read once more.
        """
        box = self._remembered(application_id)
        if box is None:
            return await self._load(application_id, q or self._db)
        if blobs and (lacking := box.lacks(blobs)):
            return await self._load(application_id, q or self._db, lacking)
        return box

    def at_hand(self, application_id: str, blob: bytes) -> Box | None:
        """The application's box if it is in memory and has the key of `blob`, where there is one; else ask `box`."""
        box = self._remembered(application_id)
        return box if box is not None and (not blob or box.has(blob)) else None

    def _remembered(self, application_id: str) -> Box | None:
        opened_at, box = self._boxes.get(application_id, (0, None))
        if box is None or self._clock.now() - opened_at >= LIFETIME:
            return None
        self._boxes.move_to_end(application_id)
        return box

    async def new_data_key(self, application_id: str) -> DataKey:
        """The first data key of a new application, for `keep_data_key`.

        Apart from it, because a master key may be a machine away and nobody waits for that inside a transaction.
        """
        row, key = await self._new(_named(application_id))
        return DataKey(row, Box(application_id, key))

    async def keep_data_key(self, q: Queries, new: DataKey) -> None:
        """Stores the data key, in the caller's transaction. ConflictError if the application has one."""
        await q.run(_INSERT, **new.row)
        # Remembered before it is certain to be kept, so that the same transaction can seal: if it fails there is no
        # such application, and its id, which is random, never comes again.
        self._remember(new.box)

    async def destroy_data_keys(self, q: Queries, application_id: str) -> None:
        """Takes the application's data keys away for good, in the caller's transaction.

        Other processes may have them in memory for up to `LIFETIME`; from then on nothing they sealed ever opens.
        """
        await q.run(_DELETE, application_id=_named(application_id))
        self._boxes.pop(application_id, None)

    async def check(self) -> dict[str, int]:
        """Opens every data key. How many each master key wraps, by its id, the primary one first.

        IntegrityError if a data key does not open, SettingsError if its master key is not given.
        """
        wrapped = dict.fromkeys(self._masters.ids, 0)
        for row in await self._db.all(_ALL):
            await self._unwrap(row)
            wrapped[row["master_key_id"]] += 1
        return wrapped

    def derive(self, purpose: str) -> Macs:
        """The keys for the MACs of one purpose ("link", "api_key", …), the same on every node.

        A MAC that is stored for longer than the instance key may be has its key's id beside it; one that is gone
        within an hour is compared under each key. What this gives follows the instance key when that is replaced.
        """
        if purpose not in self._macs:
            self._macs[purpose] = Macs(*self._derived(purpose))
        return self._macs[purpose]

    async def follow(self) -> None:
        """Reads the instance keys again: another node may have added one. Ask for it every few minutes.

        A key that takes over no sooner than that after it was added is known everywhere when its first MAC is made.
        """
        rows = await self._db.all(_SELECT, application_id=INSTANCE)
        if not rows:
            raise IntegrityError("The instance key is gone.")
        opened = {row["key_id"]: self._instance.get(row["key_id"]) or await self._unwrap(row) for row in rows}
        active = self._active(rows)
        newest_first = [active, *(row["key_id"] for row in reversed(rows) if row["key_id"] != active)]
        self._instance = {id: opened[id] for id in newest_first}
        for purpose, macs in self._macs.items():
            macs.turn(*self._derived(purpose))

    async def keep_following(self) -> NoReturn:
        """Follows, until it is cancelled; a database that is away is waited for."""
        while True:
            await self._clock.sleep(FOLLOW_EVERY)
            try:
                await self.follow()
            except Unavailable as error:
                log.warning("instance_key_not_read", reason=str(error))

    def _derived(self, purpose: str) -> list[Mac]:
        return [Mac(key.subkey(purpose), id) for id, key in self._instance.items()]

    async def _load(self, application_id: str, q: Queries, lacking: frozenset[bytes] = frozenset()) -> Box:
        rows = await q.all(_SELECT, application_id=_named(application_id))
        if not rows:
            self._boxes.pop(application_id, None)
            raise IntegrityError("The application has no data key.")
        keys = {row["key_id"]: await self._unwrap(row) for row in rows}
        # What nobody has now, nobody will have: a key is stored before the first blob names it. A damaged blob
        # therefore costs one read, not one each time.
        return self._remember(Box(application_id, keys[self._active(rows)], keys.values(), missing=lacking))

    def _remember(self, box: Box) -> Box:
        self._boxes[box.application_id] = self._clock.now(), box
        self._boxes.move_to_end(box.application_id)
        if len(self._boxes) > CAPACITY:
            self._boxes.popitem(last=False)
        return box

    async def _unwrap(self, row: Row) -> Key:
        """The key of a row. Callers that meet ask the master key once, and one that leaves ends nobody's asking.

        Rows are read by each caller for itself: a key that its own transaction has stored is seen by no other.
        """
        name = row["application_id"], row["key_id"]
        asking = self._unwrapping.get(name)
        if asking is None:
            wrapped = Wrapped(row["master_key_id"], row["wrapped"])
            asking = asyncio.ensure_future(self._masters.unwrap(_place(row), wrapped))
            self._unwrapping[name] = asking
            asking.add_done_callback(lambda answered: self._answered(name, answered))
        return Key(await asyncio.shield(asking))

    def _answered(self, name: tuple[str, str], answered: asyncio.Future[bytes]) -> None:
        del self._unwrapping[name]
        if not answered.cancelled():
            answered.exception()  # looked at, so that nobody complains when all who asked have left

    async def _new(self, application_id: str) -> tuple[dict[str, Any], Key]:
        secret = os.urandom(KEY_SIZE)
        key, now = Key(secret), self._clock.now()
        row = {"application_id": application_id, "key_id": key.id.hex(), "number": 1, "active_from": now}
        wrapped = await self._masters.wrap(_place(row), secret)
        return {**row, "master_key_id": wrapped.master_key_id, "wrapped": wrapped.blob, "now": now}, key

    def _active(self, rows: list[Row]) -> str:
        """The id of the key that makes new things: the newest one whose time has come."""
        now = self._clock.now()
        # An only key is used though the clock of whoever made it goes before.
        come = [row["key_id"] for row in rows if row["active_from"] <= now] or [rows[0]["key_id"]]
        return str(come[-1])


def _place(row: Row) -> Place:
    said = row["key_id"], str(row["number"]), str(row["active_from"])
    return Place("data_keys", "wrapped", row["application_id"], said)


def _named(application_id: str) -> str:
    if application_id == INSTANCE:
        raise ValueError("an application has an id")
    return application_id


def _refuse_unknown(found: list[str], masters: MasterKeys) -> None:
    unknown = [id for id in found if id not in masters.ids]
    if unknown:
        raise SettingsError(
            f"The database is sealed under master keys that are not given: {', '.join(unknown)}. "
            f"Given: {', '.join(masters.ids)}. Needed: {', '.join(found)}."
        )
