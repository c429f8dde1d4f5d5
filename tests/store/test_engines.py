"""What both engines promise: this file is the specification of an engine."""

from __future__ import annotations

import asyncio
import subprocess
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.errors import ConflictError, SettingsError, Unavailable
from holdfast.store.engine.database import Database
from holdfast.store.engine.opening import open_database
from holdfast.testing.clock import START, TestClock

Spawn = Callable[..., subprocess.Popen[str]]

ADD = "INSERT INTO notes (id, body, done, size) VALUES (:id, :body, :done, :size)"
ADD_EMPTY = "INSERT INTO notes (id) VALUES (:id)"
COUNT_UP = "UPDATE notes SET size = size + 1 WHERE id = :id RETURNING size"
IDS = "SELECT id FROM notes ORDER BY id"


async def ids(database: Database) -> list[str]:
    return [row["id"] for row in await database.all(IDS)]


async def test_a_transaction_keeps_all_it_wrote(notes: Database, neighbour: Database) -> None:
    """What was written inside the block is there for everybody after it."""
    async with notes.transaction() as q:
        await q.run(ADD_EMPTY, id="invoice-1")
        await q.run(ADD_EMPTY, id="invoice-2")

    assert await ids(notes) == await ids(neighbour) == ["invoice-1", "invoice-2"]


async def test_a_transaction_left_by_an_error_keeps_nothing(notes: Database) -> None:
    """An error of the block undoes its writes and comes out unchanged."""

    async def write_and_fail() -> None:
        async with notes.transaction() as q:
            await q.run(ADD_EMPTY, id="invoice-1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()

    assert await ids(notes) == []


async def test_a_transaction_reads_its_own_writes_and_nobody_else_does(notes: Database, neighbour: Database) -> None:
    """Readers see the last committed state while a transaction writes, and do not wait for it."""
    async with notes.transaction() as q:
        await q.run(ADD_EMPTY, id="invoice-1")
        inside = [row["id"] for row in await q.all(IDS)]
        outside = await asyncio.wait_for(ids(notes), 1), await asyncio.wait_for(ids(neighbour), 1)

    assert inside == ["invoice-1"]
    assert outside == ([], [])


async def test_a_swallowed_error_does_not_keep_half_of_a_transaction(notes: Database) -> None:
    """After a failed statement the transaction takes no other one and keeps nothing."""
    await notes.run(ADD_EMPTY, id="taken")

    async def swallow() -> None:
        async with notes.transaction() as q:
            await q.run(ADD_EMPTY, id="invoice-1")
            with pytest.raises(ConflictError):
                await q.run(ADD_EMPTY, id="taken")
            with pytest.raises(RuntimeError, match="has failed"):
                await q.run(ADD_EMPTY, id="invoice-2")

    with pytest.raises(RuntimeError, match="has failed"):
        await swallow()

    assert await ids(notes) == ["taken"]


async def test_a_transaction_takes_no_statement_after_its_end(notes: Database) -> None:
    """A statement that comes too late is refused: it would be kept outside of any transaction."""
    async with notes.transaction() as q:
        pass

    with pytest.raises(RuntimeError, match="has ended"):
        await q.run(ADD_EMPTY, id="late")


async def test_a_cancelled_task_leaves_nothing_behind(notes: Database) -> None:
    """A task that is cancelled inside its transaction leaves no row, no open transaction and no held lock."""
    inside = asyncio.Event()

    async def wait_inside() -> None:
        async with notes.transaction() as q:
            await q.run(ADD_EMPTY, id="abandoned")
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait_inside())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with notes.transaction(patience=1) as q:
        await q.run(ADD_EMPTY, id="next")

    assert await ids(notes) == ["next"]


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
async def test_cancelling_at_any_moment_keeps_all_or_nothing(notes: Database, again: bool) -> None:
    """Wherever the cancellation strikes, the transaction is whole or absent, and the next one works."""

    async def write(turn: int) -> None:
        async with notes.transaction() as q:
            await q.run(ADD_EMPTY, id=f"{turn}-first")
            await q.run(ADD_EMPTY, id=f"{turn}-second")

    turns = (0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100, 200, 400, 800, 1600)
    for turn in turns:
        task = asyncio.create_task(write(turn))
        for _ in range(turn):
            await asyncio.sleep(0)
        task.cancel()
        if again:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait([task])
        async with notes.transaction(patience=1) as q:
            await q.run(ADD_EMPTY, id=f"{turn}-after")

    kept = await ids(notes)
    for turn in turns:
        assert (f"{turn}-first" in kept) == (f"{turn}-second" in kept)
        assert f"{turn}-after" in kept


async def test_twenty_writers_at_once_lose_no_update(notes: Database) -> None:
    """Writers wait for one another, in transactions and with lone statements."""
    await notes.run(ADD_EMPTY, id="counter")

    async def count(alone: bool) -> int:
        if alone:
            row = await notes.one(COUNT_UP, id="counter")
        else:
            async with notes.transaction() as q:
                row = await q.one(COUNT_UP, id="counter")
        assert row is not None
        return int(row["size"])

    counted = await asyncio.gather(*(count(number % 2 == 0) for number in range(20)))

    assert sorted(counted) == list(range(1, 21))


async def test_two_databases_on_the_same_data_lose_no_update(notes: Database, neighbour: Database) -> None:
    """Two openings of one database take turns."""
    await notes.run(ADD_EMPTY, id="counter")

    async def count(database: Database) -> None:
        for _ in range(20):
            async with database.transaction() as q:
                await q.run(COUNT_UP, id="counter")

    await asyncio.gather(count(notes), count(neighbour))

    row = await notes.one("SELECT size FROM notes WHERE id = 'counter'")
    assert row is not None
    assert row["size"] == 40


COUNTING = """
import asyncio, sys
from holdfast.store.engine.opening import open_database

async def main(url):
    database = await open_database(url)
    for _ in range(30):
        async with database.transaction() as q:
            await q.run("UPDATE notes SET size = size + 1 WHERE id = 'counter'")
    await database.close()

asyncio.run(main(sys.argv[1]))
"""


async def test_two_processes_lose_no_update(notes: Database, database_url: str, spawn: Spawn) -> None:
    """Another process on the same database takes turns with this one."""
    await notes.run(ADD_EMPTY, id="counter")
    other = spawn(COUNTING, database_url)

    for _ in range(30):
        await notes.run("UPDATE notes SET size = size + 1 WHERE id = 'counter'")
    status = await asyncio.to_thread(other.wait, 60)

    row = await notes.one("SELECT size FROM notes WHERE id = 'counter'")
    assert status == 0
    assert row is not None
    assert row["size"] == 60


WRITING = """
import asyncio, sys
from holdfast.store.engine.opening import open_database

async def main(url):
    database = await open_database(url)
    for number in range(1_000_000):
        await database.run("INSERT INTO notes (id) VALUES (:id)", id=f"{number:06}")
        print(f"{number:06}", flush=True)

asyncio.run(main(sys.argv[1]))
"""


async def test_what_was_acknowledged_survives_kill_9(notes: Database, database_url: str, spawn: Spawn) -> None:
    """A process that is killed has lost nothing that it had been told is kept."""
    process = spawn(WRITING, database_url)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(50)]
    process.kill()
    acknowledged += process.stdout.read().split()

    reopened = await open_database(database_url)
    kept = await ids(reopened)
    await reopened.close()

    assert len(acknowledged) >= 50
    assert set(acknowledged) <= set(kept)


async def test_returning_is_written_and_given(notes: Database, neighbour: Database) -> None:
    """`one` and `all` with INSERT … RETURNING write, and give the rows."""
    first = await notes.one(f"{ADD_EMPTY} RETURNING id, size", id="invoice-1")
    second = await notes.all(f"{ADD_EMPTY} RETURNING id", id="invoice-2")

    assert first is not None
    assert (first["id"], first["size"]) == ("invoice-1", 0)
    assert [row["id"] for row in second] == ["invoice-2"]
    assert await ids(neighbour) == ["invoice-1", "invoice-2"]


@pytest.mark.parametrize("body", [b"", b"\x00\xff'\\", bytes(range(256)) * 8, None])
@pytest.mark.parametrize("done", [True, False, None])
async def test_values_come_back_as_they_went(notes: Database, body: bytes | None, done: bool | None) -> None:
    """Bytes are bytes and booleans are booleans, outside a transaction and inside, also from RETURNING."""
    returned = await notes.one(f"{ADD} RETURNING body, done, size", id="é", body=body, done=done, size=2**62)
    async with notes.transaction() as q:
        inside = await q.one("SELECT body, done, size FROM notes WHERE id = :id", id="é")
    outside = await notes.one("SELECT body, done, size FROM notes WHERE id = :id", id="é")

    for row in (returned, inside, outside):
        assert row is not None
        assert row["body"] == body
        assert row["done"] is done
        assert row["size"] == 2**62


async def test_run_counts_the_rows_it_changed(notes: Database) -> None:
    """Inserted, updated and deleted rows count; rows that stay, and statements on the schema, do not."""
    counts = [
        await notes.run(ADD_EMPTY, id="a"),
        await notes.run(ADD_EMPTY, id="b"),
        await notes.run("UPDATE notes SET size = 7"),
        await notes.run("CREATE INDEX notes_by_size ON notes (size)"),
        await notes.run("UPDATE notes SET size = 8 WHERE id = 'nobody'"),
        await notes.run(f"{ADD_EMPTY} ON CONFLICT (id) DO NOTHING", id="a"),
        await notes.run("DELETE FROM notes"),
    ]

    assert counts == [1, 1, 2, 0, 0, 0, 2]


async def test_the_common_sql_means_the_same(notes: Database) -> None:
    """Upserts, row values, repeated names, casts and quoted colons work on both engines from one text."""
    upsert = f"{ADD} ON CONFLICT (id) DO UPDATE SET size = notes.size + excluded.size RETURNING size"
    for _ in range(2):
        row = await notes.one(upsert, id="b", body=None, done=True, size=2)
    await notes.run(ADD_EMPTY, id="a")
    page = await notes.all("SELECT id FROM notes WHERE (size, id) > (:size, :id) ORDER BY size, id", size=0, id="a")
    quoted = await notes.one("SELECT ':id' AS a, 'it''s :id' AS b, CAST(:id AS TEXT) AS c, :id AS d", id="x")

    assert row is not None
    assert row["size"] == 4
    assert [r["id"] for r in page] == ["b"]
    assert quoted is not None
    assert [quoted[name] for name in "abcd"] == [":id", "it's :id", "x", "x"]


async def test_a_missing_parameter_is_an_error(notes: Database) -> None:
    """A name without a value is never taken for NULL."""
    with pytest.raises(KeyError, match="size"):
        await notes.run(ADD, id="a", body=None, done=None)


async def test_no_row_is_none_or_nothing(notes: Database) -> None:
    """A statement that finds nothing gives None, or an empty list."""
    assert await notes.one("SELECT id FROM notes WHERE id = :id", id="nobody") is None
    assert await notes.all(IDS) == []


async def test_a_second_row_of_a_unique_key_is_a_conflict(notes: Database) -> None:
    """A unique violation is ConflictError, alone and in a transaction."""
    await notes.run(ADD_EMPTY, id="taken")

    with pytest.raises(ConflictError):
        await notes.run(ADD_EMPTY, id="taken")
    with pytest.raises(ConflictError):
        async with notes.transaction() as q:
            await q.run(ADD_EMPTY, id="taken")


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        (ADD, {"id": "taken", "body": b"CNRY-body", "done": None, "size": 1}),
        (ADD, {"id": "CNRY-id", "body": b"CNRY-body", "done": None, "size": -1}),
        ("UPDATE notes SET size = NULL, body = :body", {"body": b"CNRY-body"}),
        (ADD, {"id": "CNRY-id", "body": b"CNRY-body", "done": None, "size": {"CNRY": 1}}),
        ("UPDATE notes SET size = CAST(CAST(:text AS TEXT) AS BIGINT) / 0 - 5", {"text": "CNRY-text"}),
    ],
    ids=["unique", "check", "not null", "type", "cast"],
)
async def test_an_error_quotes_no_value(notes: Database, sql: str, params: dict[str, Any]) -> None:
    """Whatever a statement fails with, neither the error nor its causes show a row or a parameter."""
    await notes.run(ADD, id="taken", body=b"CNRY-stored", done=True, size=1)

    with pytest.raises(Exception) as caught:
        await notes.run(sql, **params)

    text = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert "CNRY" not in text
    assert b"CNRY".hex() not in text


async def test_a_closed_database_is_unavailable(database_url: str) -> None:
    """After `close`, reading and writing are refused as a local fault; closing again does nothing."""
    database = await open_database(database_url)
    await database.close()
    await database.close()

    with pytest.raises(Unavailable):
        await database.one("SELECT 1")
    with pytest.raises(Unavailable):
        await database.run("CREATE TABLE t (id TEXT)")
    with pytest.raises(Unavailable):
        async with database.transaction():
            pass


async def test_close_waits_for_the_transaction_under_way(database_url: str) -> None:
    """Closing does not break off a transaction: it ends, and is kept, first."""
    database = await open_database(database_url)
    await database.run("CREATE TABLE t (id TEXT)")
    inside, closing = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with database.transaction() as q:
            inside.set()
            await closing.wait()
            await q.run("INSERT INTO t (id) VALUES ('kept')")

    writing = asyncio.create_task(write())
    await inside.wait()
    close = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    closing.set()
    await asyncio.gather(writing, close)

    reopened = await open_database(database_url)
    rows = await reopened.all("SELECT id FROM t")
    await reopened.close()
    assert [row["id"] for row in rows] == ["kept"]


@pytest.mark.parametrize("url", ["", "holdfast.db", "mysql://root:hunter2@db/holdfast", "sqlite://x.db", "sqlite:///"])
async def test_an_unknown_url_is_refused_with_the_forms_that_work(url: str) -> None:
    """The refusal names the accepted forms and does not repeat the URL, which may hold a password."""
    with pytest.raises(SettingsError, match=r"sqlite:///relative.*postgresql://") as refused:
        await open_database(url)

    assert "hunter2" not in str(refused.value)


async def test_the_database_tells_its_time(notes: Database) -> None:
    """`:db_now` is milliseconds since the epoch, for reading, writing and comparing, in and out of a transaction."""
    before = time.time_ns() // 1_000_000 - 2
    await notes.run("INSERT INTO notes (id, size) VALUES (:id, :db_now)", id="alone")
    async with notes.transaction() as q:
        await q.run("INSERT INTO notes (id, size) VALUES (:id, :db_now + :delay)", id="inside", delay=1000)
    row = await notes.one("SELECT :db_now AS now")
    due = await notes.all("SELECT id, size FROM notes WHERE size <= :db_now ORDER BY id")
    after = time.time_ns() // 1_000_000 + 2

    assert row is not None
    assert before <= due[0]["size"] <= row["now"] <= after
    assert [note["id"] for note in due] == ["alone"]


async def test_the_time_of_the_database_goes_on_within_a_transaction(notes: Database) -> None:
    """It is that of the statement: a transaction that waited for a lock does not write the time of its beginning."""
    async with notes.transaction() as q:
        first = await q.one("SELECT :db_now AS now")
        await asyncio.sleep(0.02)
        second = await q.one("SELECT :db_now AS now")

    assert first is not None
    assert second is not None
    assert first["now"] < second["now"]


async def test_a_clock_stands_in_for_that_of_the_database(database_url: str) -> None:
    """A database that was opened with one takes its time, and nothing else, from it."""
    clock = TestClock()
    database = await open_database(database_url, clock)
    await database.run("CREATE TABLE notes (id TEXT PRIMARY KEY, size BIGINT)")

    await database.run("INSERT INTO notes (id, size) VALUES (:id, :db_now + :delay)", id="due", delay=5)
    too_early = await database.all("SELECT id FROM notes WHERE size <= :db_now")
    clock.advance(0.005)
    due = await database.all("SELECT id, size FROM notes WHERE size <= :db_now")
    await database.close()

    assert too_early == []
    assert [(row["id"], row["size"]) for row in due] == [("due", START + 5)]
