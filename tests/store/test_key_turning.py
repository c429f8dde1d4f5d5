"""Keys that are replaced while the vault runs, and master keys that are a machine away."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from turning import INSTANCE, add_data_key
from watched_queries import Watched

from holdfast.errors import ConflictError, IntegrityError, Unavailable
from holdfast.store.engine.database import Database
from holdfast.store.seal import box as boxes
from holdfast.store.seal.envelope import Place
from holdfast.store.seal.keyring import LIFETIME, Keyring
from holdfast.store.seal.masterkey import GivenKeys, Wrapped, new_master_key
from holdfast.testing.clock import TestClock

PLACE = Place("connections", "credential", "app_1", ("8b7d4f",), 1)


@pytest.fixture
def masters() -> GivenKeys:
    return GivenKeys.parse(new_master_key())


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
async def keyring(database: Database, masters: GivenKeys, clock: TestClock) -> Keyring:
    """A node's keyring, with the box of `app_1` in memory."""
    keyring = await Keyring.open(database, masters, clock)
    async with database.transaction() as q:
        await keyring.keep_data_key(q, await keyring.new_data_key("app_1"))
    return keyring


@pytest.fixture
async def neighbour(database: Database, masters: GivenKeys, clock: TestClock, keyring: Keyring) -> Keyring:
    """Another node's keyring, with nothing in memory."""
    return await Keyring.open(database, masters, clock)


def sealed_under(blob: bytes) -> str:
    return blob[3:11].hex()


async def test_the_newest_key_seals_and_every_key_opens(
    database: Database, keyring: Keyring, neighbour: Keyring, masters: GivenKeys, clock: TestClock
) -> None:
    """After a turn new values name the new key, and what the former one sealed still opens."""
    before = (await keyring.box("app_1")).seal(PLACE, b"before")
    added = [await add_data_key(database, masters, "app_1", clock.now()) for _ in range(2)]

    box = await neighbour.box("app_1")

    assert sealed_under(box.seal(PLACE, b"after")) == added[-1]
    assert box.open(PLACE, before) == b"before"
    assert (await neighbour.box("app_1", blobs=[before])) is box


async def test_a_key_waits_for_its_time(
    database: Database, neighbour: Keyring, masters: GivenKeys, clock: TestClock
) -> None:
    """A key that is to take over later opens at once and seals from then on, so that every node knows it before."""
    added = await add_data_key(database, masters, "app_1", clock.now() + LIFETIME)
    early = await neighbour.box("app_1")

    clock.advance(LIFETIME / 1000)
    late = await neighbour.box("app_1")

    assert sealed_under(early.seal(PLACE, b"x")) != added
    assert sealed_under(late.seal(PLACE, b"x")) == added
    assert early.open(PLACE, late.seal(PLACE, b"x")) == b"x"


async def test_the_only_key_seals_though_its_maker_s_clock_was_ahead(
    keyring: Keyring, database: Database, masters: GivenKeys, clock: TestClock
) -> None:
    """An application is not without a key for the seconds by which two clocks differ."""
    neighbour = await Keyring.open(database, masters, TestClock(clock.now() - 60_000))

    assert (await neighbour.box("app_1")).seal(PLACE, b"x")


async def test_a_key_of_another_node_is_read_when_a_blob_names_it(
    database: Database, keyring: Keyring, neighbour: Keyring, masters: GivenKeys, clock: TestClock
) -> None:
    """A node that has the application's keys in memory opens what another one sealed under a key it has just added."""
    watched = Watched(database)
    await add_data_key(database, masters, "app_1", clock.now())
    blob = (await neighbour.box("app_1")).seal(PLACE, b"new")

    old = await keyring.box("app_1", watched)
    new = await keyring.box("app_1", watched, [blob])

    with pytest.raises(IntegrityError):
        old.open(PLACE, blob)
    assert new.open(PLACE, blob) == b"new"
    assert watched.asked == 1


async def test_a_damaged_blob_costs_one_read(database: Database, keyring: Keyring) -> None:
    """What names a key that does not exist is looked for once, however often it is asked for, and among others."""
    watched = Watched(database)
    whole = (await keyring.box("app_1")).seal(PLACE, b"whole")
    damaged = [whole[:3] + bytes([n]) * 8 + whole[11:] for n in (1, 2)]

    for blob in (*damaged, *damaged, whole, whole[:40], b""):
        await keyring.box("app_1", watched, [blob, whole])

    assert watched.asked == 2


async def test_the_memory_of_missing_keys_is_bounded(
    database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write damaged blobs fills no memory with them."""
    monkeypatch.setattr(boxes, "MISSING", 3)
    whole = (await keyring.box("app_1")).seal(PLACE, b"whole")

    for n in range(10):
        await keyring.box("app_1", blobs=[whole[:3] + bytes([n]) * 8 + whole[11:]])

    assert len((await keyring.box("app_1")).lacks([whole[:3] + b"12345678" + whole[11:]])) <= 4


@pytest.mark.parametrize("column", ["number", "active_from"])
async def test_a_former_key_cannot_be_made_the_active_one(
    database: Database, neighbour: Keyring, masters: GivenKeys, clock: TestClock, column: str
) -> None:
    """Which key seals is part of what the master key wrapped: an edited row does not open."""
    await add_data_key(database, masters, "app_1", clock.now())
    later = f"UPDATE data_keys SET {column} = {column} + 5 WHERE application_id = 'app_1' AND number = 1"  # noqa: S608
    await database.run(later)

    with pytest.raises(IntegrityError):
        await neighbour.box("app_1")


async def test_two_nodes_do_not_add_the_same_key(database: Database, keyring: Keyring) -> None:
    """Of two keys with one number the second is refused, so that all nodes agree which is the newest."""
    with pytest.raises(ConflictError):
        async with database.transaction() as q:
            await keyring.keep_data_key(q, await keyring.new_data_key("app_1"))


async def test_macs_follow_the_instance_key(
    database: Database, keyring: Keyring, neighbour: Keyring, masters: GivenKeys, clock: TestClock
) -> None:
    """A running node learns of a new instance key, makes MACs with it in its time, and recognises its own old ones."""
    link = keyring.derive("link")
    former, made = link.current, link.digest(b"x")
    added = await add_data_key(database, masters, INSTANCE, clock.now() + 1000)

    await keyring.follow()
    known, still = link.find(added), link.current.id
    clock.advance(1)
    await keyring.follow()
    await neighbour.follow()

    assert known is not None
    assert still == former.id
    assert link.current.id == added
    assert [mac.digest(b"x") == made for mac in link] == [False, True]
    assert keyring.derive("link") is link
    assert neighbour.derive("link").digest(b"x") == link.digest(b"x")
    assert keyring.derive("flow").current.id == added


async def test_a_former_instance_key_can_be_taken_away(
    database: Database, keyring: Keyring, masters: GivenKeys, clock: TestClock
) -> None:
    """Once its row is gone nothing that it made is recognised any more, on a running node either."""
    former = keyring.derive("link").current.id
    added = await add_data_key(database, masters, INSTANCE, clock.now())
    await database.run("DELETE FROM data_keys WHERE key_id = :former", former=former)

    await keyring.follow()

    assert [mac.id for mac in keyring.derive("link")] == [added]


class DistantKeys:
    """Master keys a machine away: each call waits until the test lets it through, and may fail."""

    def __init__(self, keys: GivenKeys) -> None:
        self._keys = keys
        self.ids = keys.ids
        self.calls: list[str] = []
        self.reached = asyncio.Event()
        self.reached.set()
        self.away = False

    async def wrap(self, place: Place, secret: bytes) -> Wrapped:
        await self._cross("wrap")
        return await self._keys.wrap(place, secret)

    async def unwrap(self, place: Place, wrapped: Wrapped) -> bytes:
        await self._cross("unwrap")
        return await self._keys.unwrap(place, wrapped)

    async def _cross(self, verb: str) -> None:
        self.calls.append(verb)
        await self.reached.wait()
        if self.away:
            raise Unavailable("The master keys cannot be reached.")


@pytest.fixture
def distant(masters: GivenKeys) -> DistantKeys:
    return DistantKeys(masters)


@pytest.fixture
async def cold(database: Database, distant: DistantKeys, clock: TestClock, keyring: Keyring) -> Keyring:
    """A keyring under distant master keys, with nothing in memory and nothing asked for yet."""
    cold = await Keyring.open(database, distant, clock)
    distant.calls.clear()
    return cold


async def test_many_who_need_a_cold_key_ask_the_master_once(
    database: Database, cold: Keyring, distant: DistantKeys
) -> None:
    """Concurrent loads of one application share one unwrapping, and the next use needs none."""
    distant.reached.clear()
    watched = Watched(database)
    waiting = [asyncio.create_task(cold.box("app_1", watched)) for _ in range(20)]
    await watched.answered(20)
    distant.reached.set()

    found = await asyncio.gather(*waiting)
    blob = found[0].seal(PLACE, b"x")
    await cold.box("app_1")

    assert [box.open(PLACE, blob) for box in found] == [b"x"] * 20
    assert distant.calls == ["unwrap"]


async def test_whoever_leaves_takes_nothing_from_the_others(
    database: Database, cold: Keyring, distant: DistantKeys
) -> None:
    """The first of them is cancelled; the second gets its box from the same unwrapping."""
    distant.reached.clear()
    watched = Watched(database)
    first, second = (asyncio.create_task(cold.box("app_1", watched)) for _ in range(2))
    await watched.answered(2)
    first.cancel()
    await asyncio.wait([first])
    distant.reached.set()

    assert (await second).seal(PLACE, b"x")
    assert first.cancelled()
    assert distant.calls == ["unwrap"]


async def test_masters_out_of_reach_are_a_fault_that_passes(cold: Keyring, distant: DistantKeys) -> None:
    """Everybody who waits is told, nothing is remembered of it, and the next one asks again."""
    distant.away = True
    told = await asyncio.gather(*(cold.box("app_1") for _ in range(3)), return_exceptions=True)
    distant.away = False

    assert [type(error) for error in told] == [Unavailable] * 3
    assert (await cold.box("app_1")).seal(PLACE, b"x")


async def test_a_start_without_its_masters_is_refused(
    database: Database, keyring: Keyring, distant: DistantKeys
) -> None:
    """A vault that cannot open its instance key does not begin to serve."""
    distant.away = True

    with pytest.raises(Unavailable):
        await Keyring.open(database, distant, TestClock())


async def test_a_new_application_asks_nobody_inside_its_transaction(
    database: Database, cold: Keyring, distant: DistantKeys
) -> None:
    """Its key is wrapped before; sealing in the transaction that stores it needs no master key and no second read."""
    new = await cold.new_data_key("app_2")
    distant.calls.clear()

    async with database.transaction() as q:
        await cold.keep_data_key(q, new)
        blob = (await cold.box("app_2", q)).seal(replace(PLACE, application_id="app_2"), b"x")

    assert blob
    assert distant.calls == []
