"""What is SQLite's own: the file, its settings, its locks."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from holdfast.errors import SettingsError, Unavailable
from holdfast.store.engine.database import Database
from holdfast.store.engine.opening import open_database
from holdfast.store.engine.sqlite import sound

ADD = "INSERT INTO notes (id) VALUES (:id)"


@pytest.fixture
def engine() -> str:
    return "sqlite"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "holdfast.db"


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("SELECT * FROM pragma_journal_mode", "wal"),
        ("SELECT * FROM pragma_synchronous", 2),
        ("SELECT * FROM pragma_foreign_keys", 1),
        ("SELECT * FROM pragma_secure_delete", 1),
        ("SELECT * FROM pragma_trusted_schema", 0),
        ("SELECT * FROM pragma_temp_store", 2),
        ("SELECT * FROM pragma_busy_timeout", 10_000),
    ],
)
async def test_the_writer_is_set_up_as_promised(notes: Database, pragma: str, value: object) -> None:
    """The settings that durability, locking and erasure rest on are read back from the connection that writes."""
    async with notes.transaction() as q:
        row = await q.one(pragma)

    assert row is not None
    assert next(iter(row.values())) == value


async def test_the_reader_cannot_write(notes: Database) -> None:
    """A text that only looks as if it read changes nothing."""
    with pytest.raises(Unavailable):
        await notes.one("WITH new AS (SELECT 'x' AS id) INSERT INTO notes (id) SELECT id FROM new")

    assert await notes.all("SELECT id FROM notes") == []


@pytest.mark.usefixtures("open_umask")
async def test_the_files_are_the_owners_alone(notes: Database, path: Path) -> None:
    """The database, its log and its shared memory have mode 0600, whatever the umask."""
    files = [path, Path(f"{path}-wal"), Path(f"{path}-shm")]

    assert [mode(file) for file in files] == [0o600, 0o600, 0o600]


@pytest.mark.usefixtures("open_umask")
async def test_a_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    """Opening an existing file takes other users' permissions from it."""
    path.touch(0o644)

    database = await open_database(f"sqlite:///{path}")
    await database.close()

    assert mode(path) == 0o600


async def test_a_relative_url_is_relative(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three slashes and a name are a file in the working directory, even one that SQLite gives another meaning."""
    monkeypatch.chdir(tmp_path)

    for name in ("holdfast.db", ":memory:"):
        database = await open_database(f"sqlite:///{name}")
        await database.run("CREATE TABLE t (id TEXT)")
        assert await database.all("SELECT id FROM t") == []
        await database.close()

    assert sorted(os.listdir(tmp_path)) == [":memory:", "holdfast.db"]


async def test_a_file_that_cannot_be_made_or_opened_is_named(tmp_path: Path) -> None:
    """A directory that is missing, or stands where the file should, is an error of the settings."""
    with pytest.raises(SettingsError, match="missing"):
        await open_database(f"sqlite:///{tmp_path / 'missing' / 'holdfast.db'}")
    with pytest.raises(SettingsError, match="cannot be opened"):
        await open_database(f"sqlite:///{tmp_path}")


async def test_a_file_of_another_kind_is_refused(path: Path) -> None:
    """A file that is not a database is refused and left as it is."""
    path.write_bytes(b"not a database" * 100)

    with pytest.raises(SettingsError, match="not an SQLite database"):
        await open_database(f"sqlite:///{path}")
    assert path.read_bytes() == b"not a database" * 100


@pytest.mark.parametrize(
    ("version", "accepted"), [("3.40.1", False), ("3.51.2", False), ("3.51.3", True), ("3.54.1", True), ("4.0.0", True)]
)
def test_an_sqlite_that_can_corrupt_the_log_is_refused(version: str, accepted: bool) -> None:
    """Versions before the fix of the WAL-reset bug are not used."""
    assert sound(version) is accepted


async def test_a_lock_that_stays_is_unavailable(notes: Database, neighbour: Database) -> None:
    """While another process writes, a transaction waits as long as it may, then fails as a local fault."""
    async with neighbour.transaction() as q:
        await q.run(ADD, id="theirs")
        with pytest.raises(Unavailable) as refused:
            async with notes.transaction(patience=0.05):
                pass
    await notes.run(ADD, id="ours")

    assert refused.value.retryable
    assert len(await notes.all("SELECT id FROM notes")) == 2


async def test_a_full_disk_is_unavailable_and_passes(notes: Database) -> None:
    """Without room a write fails as a local fault and leaves nothing; with room again, writing goes on."""
    grow = "UPDATE notes SET body = zeroblob(1000000) WHERE id = 'a'"

    async def add_and_grow() -> None:
        async with notes.transaction() as q:
            await q.run(ADD, id="b")
            await q.run(grow)

    await notes.run(ADD, id="a")
    async with notes.transaction() as q:
        await q.all("PRAGMA max_page_count = 20")

    with pytest.raises(Unavailable):
        await notes.run(grow)
    with pytest.raises(Unavailable):
        await add_and_grow()
    async with notes.transaction() as q:
        await q.all("PRAGMA max_page_count = 4294967294")
    await notes.run(grow)

    assert [row["id"] for row in await notes.all("SELECT id FROM notes")] == ["a"]


async def test_a_write_that_would_wait_for_itself_is_refused(notes: Database) -> None:
    """Writing past one's own transaction is an error at once, not a deadlock."""
    with pytest.raises(RuntimeError, match="wait for itself"):
        async with notes.transaction():
            await notes.run(ADD, id="a")


async def test_a_task_cancelled_during_its_commit_has_committed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once keeping has begun it ends, though the task that asked for it does not wait."""
    committing, go_on, armed = threading.Event(), threading.Event(), threading.Event()

    def hold() -> bool:
        if armed.is_set():
            committing.set()
            go_on.wait(10)
        return False

    monkeypatch.setattr(apsw, "connection_hooks", [lambda connection: connection.set_commit_hook(hold)])
    database = await open_database(f"sqlite:///{path}")
    await database.run("CREATE TABLE t (id TEXT)")
    armed.set()

    async def write() -> None:
        async with database.transaction() as q:
            await q.run("INSERT INTO t (id) VALUES ('kept')")

    task = asyncio.create_task(write())
    await asyncio.to_thread(committing.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    armed.clear()
    go_on.set()
    async with database.transaction() as q:
        rows = await q.all("SELECT id FROM t")
    await database.close()

    assert [row["id"] for row in rows] == ["kept"]


async def test_a_task_cancelled_before_its_commit_had_its_turn_has_committed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer's thread is still busy with what came before: the commit is queued, and stays so."""
    go_on, left = threading.Event(), asyncio.Event()
    monkeypatch.setattr(
        apsw, "connection_hooks", [lambda connection: connection.create_scalar_function("hold", lambda: go_on.wait(10))]
    )
    database = await open_database(f"sqlite:///{path}")
    await database.run("CREATE TABLE t (id TEXT)")
    before = list[asyncio.Future[Any]]()

    async def write() -> None:
        async with database.transaction() as q:
            await q.run("INSERT INTO t (id) VALUES ('kept')")
            before.append(asyncio.ensure_future(q.one("SELECT hold() AS held")))
            await asyncio.sleep(0)  # so that it is in line
            left.set()

    task = asyncio.create_task(write())
    await left.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await asyncio.gather(*before)
    async with database.transaction() as q:
        rows = await q.all("SELECT id FROM t")
    await database.close()

    assert [row["id"] for row in rows] == ["kept"]
