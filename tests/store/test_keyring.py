"""The keyring: data keys that come and go with their application, under master keys that must be there."""

from __future__ import annotations

import asyncio
import base64
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.errors import ConflictError, IntegrityError, SettingsError
from holdfast.store.engine.database import Database
from holdfast.store.engine.migrate import migrate
from holdfast.store.engine.opening import open_database
from holdfast.store.seal import keyring as keyrings
from holdfast.store.seal.keyring import LIFETIME, Keyring, Place
from holdfast.store.seal.masterkey import GivenKeys
from holdfast.testing.clock import TestClock

Spawn = Callable[..., subprocess.Popen[str]]

REFRESH_TOKEN = b'{"refresh_token":"CNRY-5Aep861TSESvWeug_xvFHRBTTbf_YrTWgEyjBJrVZtkDfpNn"}'


def master_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def place(application_id: str, generation: int = 1) -> Place:
    return Place("connections", "credential", application_id, ("8b7d4f",), generation)


@pytest.fixture
def masters() -> GivenKeys:
    return GivenKeys.parse(master_key())


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
async def keyring(database: Database, masters: GivenKeys, clock: TestClock) -> Keyring:
    return await Keyring.open(database, masters, clock)


async def add(database: Database, keyring: Keyring, *application_ids: str) -> None:
    async with database.transaction() as q:
        for application_id in application_ids:
            await keyring.keep_data_key(q, await keyring.new_data_key(application_id))


async def test_each_application_has_a_box_of_its_own(database: Database, keyring: Keyring) -> None:
    """What one application's box sealed it opens again, and no other application's box does."""
    await add(database, keyring, "app_1", "app_2")
    mine, theirs = await keyring.box("app_1"), await keyring.box("app_2")

    blob = mine.seal(place("app_1"), REFRESH_TOKEN)

    assert mine.open(place("app_1"), blob) == REFRESH_TOKEN
    with pytest.raises(IntegrityError):
        theirs.open(place("app_2"), blob)
    with pytest.raises(IntegrityError):
        mine.open(place("app_1", generation=2), blob)


async def test_a_box_works_for_its_own_application_alone(database: Database, keyring: Keyring) -> None:
    """A place of another application is a mistake of the caller, noticed before anything is sealed or opened."""
    await add(database, keyring, "app_1")
    box = await keyring.box("app_1")

    with pytest.raises(ValueError, match="another application"):
        box.seal(place("app_2"), REFRESH_TOKEN)
    with pytest.raises(ValueError, match="another application"):
        box.open(place("app_2"), box.seal(place("app_1"), REFRESH_TOKEN))


async def test_a_restart_opens_what_was_sealed(
    database: Database, keyring: Keyring, masters: GivenKeys, clock: TestClock
) -> None:
    """Another keyring on the same database opens the same blobs and derives the same keys."""
    await add(database, keyring, "app_1")
    blob = (await keyring.box("app_1")).seal(place("app_1"), REFRESH_TOKEN)

    restarted = await Keyring.open(database, masters, clock)

    assert (await restarted.box("app_1")).open(place("app_1"), blob) == REFRESH_TOKEN
    assert restarted.derive("link").current.key == keyring.derive("link").current.key


async def test_purposes_have_unrelated_keys(keyring: Keyring) -> None:
    """Each purpose has its own key of 32 bytes, so a MAC of one is never one of another."""
    purposes = ("link", "flow", "confirm", "cookie", "apikey", "session")

    derived = {keyring.derive(purpose).current.key for purpose in purposes}

    assert len(derived) == len(purposes)
    assert {len(key) for key in derived} == {32}


async def test_an_application_gets_one_data_key(database: Database, keyring: Keyring) -> None:
    """A second data key would make everything sealed under the first unreadable."""
    await add(database, keyring, "app_1")

    with pytest.raises(ConflictError):
        await add(database, keyring, "app_1")


async def test_a_data_key_is_kept_with_its_transaction(
    database: Database, keyring: Keyring, masters: GivenKeys, clock: TestClock
) -> None:
    """An application that is not kept has no data key."""

    async def create_and_fail() -> None:
        async with database.transaction() as q:
            await keyring.keep_data_key(q, await keyring.new_data_key("app_1"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await create_and_fail()
    restarted = await Keyring.open(database, masters, clock)
    with pytest.raises(IntegrityError, match="no data key"):
        await restarted.box("app_1")


async def test_a_destroyed_data_key_opens_nothing_more(database: Database, keyring: Keyring) -> None:
    """After it nothing the application sealed opens, not even with a new data key of the same application."""
    await add(database, keyring, "app_1")
    blob = (await keyring.box("app_1")).seal(place("app_1"), REFRESH_TOKEN)
    async with database.transaction() as q:
        await keyring.destroy_data_keys(q, "app_1")

    with pytest.raises(IntegrityError, match="no data key"):
        await keyring.box("app_1")
    await add(database, keyring, "app_1")
    with pytest.raises(IntegrityError):
        (await keyring.box("app_1")).open(place("app_1"), blob)


async def test_the_instance_key_is_no_applications(database: Database, keyring: Keyring) -> None:
    """The key that MACs rest on can be neither used as a box nor destroyed by an empty application id."""
    async with database.transaction() as q:
        with pytest.raises(ValueError, match="has an id"):
            await keyring.destroy_data_keys(q, "")
        with pytest.raises(ValueError, match="has an id"):
            await keyring.new_data_key("")
    with pytest.raises(ValueError, match="has an id"):
        await keyring.box("")


async def test_an_opened_key_stays_in_memory_for_a_while(
    database: Database, keyring: Keyring, clock: TestClock
) -> None:
    """Within its lifetime a box needs no read, so that a key destroyed elsewhere is gone after it."""
    await add(database, keyring, "app_1")
    first = await keyring.box("app_1")
    await database.run("DELETE FROM data_keys WHERE application_id = 'app_1'")

    clock.advance(LIFETIME / 1000 - 1)
    assert await keyring.box("app_1") is first
    clock.advance(1)
    with pytest.raises(IntegrityError):
        await keyring.box("app_1")


async def test_memory_holds_the_boxes_used_last(
    database: Database, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond its capacity the keyring forgets the box that was not used for longest."""
    monkeypatch.setattr(keyrings, "CAPACITY", 2)
    await add(database, keyring, "app_1", "app_2", "app_3")
    first, second = await keyring.box("app_1"), await keyring.box("app_2")
    await keyring.box("app_1")
    await keyring.box("app_3")

    assert await keyring.box("app_1") is first
    assert await keyring.box("app_2") is not second


async def test_keys_under_a_former_master_key_stay_usable(
    database: Database, keyring: Keyring, masters: GivenKeys, clock: TestClock
) -> None:
    """With a new primary and the former key beside it old applications open, and new ones use the new key."""
    await add(database, keyring, "app_1")
    new = GivenKeys.parse(master_key())
    both = GivenKeys(new.primary, masters.primary)

    rotated = await Keyring.open(database, both, clock)
    await add(database, rotated, "app_2")

    assert rotated.derive("link").current.key == keyring.derive("link").current.key
    await rotated.box("app_1")
    row = await database.one("SELECT master_key_id FROM data_keys WHERE application_id = 'app_2'")
    assert row is not None
    assert row["master_key_id"] == new.ids[0]


async def test_a_master_key_that_is_missing_is_named(
    database: Database, keyring: Keyring, masters: GivenKeys, clock: TestClock
) -> None:
    """With another key, or without one that a single application needs, the vault refuses to start and says which."""
    other = GivenKeys.parse(master_key())
    both = await Keyring.open(database, GivenKeys(other.primary, masters.primary), clock)
    await add(database, both, "app_1")

    with pytest.raises(SettingsError) as wrong:
        await Keyring.open(database, GivenKeys.parse(master_key()), clock)
    with pytest.raises(SettingsError) as missing:
        await Keyring.open(database, masters, clock)

    assert masters.ids[0] in str(wrong.value)
    assert other.ids[0] in str(wrong.value)
    assert other.ids[0] in str(missing.value)


async def test_a_tampered_instance_key_stops_the_start(
    database: Database, keyring: Keyring, masters: GivenKeys, clock: TestClock
) -> None:
    """The instance key must open under its master key: altered, or another one's, it is refused."""
    await add(database, keyring, "app_1")
    await database.run(
        "UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE application_id = 'app_1')"
        " WHERE application_id = ''"
    )

    with pytest.raises(IntegrityError):
        await Keyring.open(database, masters, clock)


async def test_data_keys_cannot_be_swapped(
    database: Database, keyring: Keyring, masters: GivenKeys, clock: TestClock
) -> None:
    """One application's data key under another's name does not open, whole row or not."""
    await add(database, keyring, "app_1", "app_2")
    await database.run(
        "UPDATE data_keys SET key_id = other.key_id, wrapped = other.wrapped FROM data_keys AS other"
        " WHERE data_keys.application_id = 'app_2' AND other.application_id = 'app_1'"
    )

    restarted = await Keyring.open(database, masters, clock)
    with pytest.raises(IntegrityError):
        await restarted.box("app_2")
    await restarted.box("app_1")


STARTING = """
import asyncio, hashlib, sys
from holdfast.clock import SystemClock
from holdfast.store.engine.opening import open_database
from holdfast.store.seal.keyring import Keyring
from holdfast.store.seal.masterkey import GivenKeys
from holdfast.store.engine.migrate import migrate

async def main(url, key_file):
    database = await open_database(url)
    await migrate(database)
    keyring = await Keyring.open(database, GivenKeys.parse(open(key_file).read()), SystemClock())
    print(hashlib.sha256(keyring.derive("link").current.key).hexdigest())
    await database.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_processes_that_start_at_once_agree(database_url: str, spawn: Spawn, tmp_path: Path) -> None:
    """Of several first starts on one database one makes the instance key, and all of them use it."""
    key_file = tmp_path / "master.key"
    key_file.write_text(master_key())

    processes = [spawn(STARTING, database_url, str(key_file)) for _ in range(3)]
    outputs = [(await asyncio.to_thread(process.communicate, None, 60))[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(set(outputs)) == 1
    assert len(outputs[0].strip()) == 64


async def test_the_files_hold_no_plaintext(tmp_path: Path, clock: TestClock) -> None:
    """Neither a sealed value nor a key is found in the bytes of the database, its log or its shared memory."""
    secret = os.urandom(32)
    database = await open_database(f"sqlite:///{tmp_path / 'holdfast.db'}")
    await migrate(database)
    keyring = await Keyring.open(database, GivenKeys.parse(base64.b64encode(secret).decode()), clock)
    await add(database, keyring, "app_1")
    await database.run("CREATE TABLE kept (sealed BYTEA)")
    for generation in range(50):
        blob = (await keyring.box("app_1")).seal(place("app_1", generation), REFRESH_TOKEN)
        await database.run("INSERT INTO kept (sealed) VALUES (:blob)", blob=blob)

    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    await database.close()
    closed = (tmp_path / "holdfast.db").read_bytes()

    assert set(files) == {"holdfast.db", "holdfast.db-wal", "holdfast.db-shm"}
    for content in (*files.values(), closed):
        assert b"CNRY" not in content
        assert secret not in content
        assert keyring.derive("link").current.key not in content
    assert b"app_1" in closed


async def test_the_keyring_and_its_boxes_show_nothing(database: Database, keyring: Keyring) -> None:
    """Printing them shows no key, and neither can be pickled."""
    await add(database, keyring, "app_1")
    box = await keyring.box("app_1")

    assert repr(keyring).startswith("<holdfast.store.seal.keyring.Keyring object")
    assert repr(box).startswith("<holdfast.store.seal.box.Box object")
    for holder in (keyring, box):
        with pytest.raises(TypeError):
            pickle.dumps(holder)
