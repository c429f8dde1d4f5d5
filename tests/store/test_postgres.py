"""What is PostgreSQL's own: names that become numbers, sessions, a server that goes away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from holdfast.errors import SettingsError, Unavailable
from holdfast.store.engine import postgres
from holdfast.store.engine.database import Database
from holdfast.store.engine.opening import open_database
from holdfast.store.engine.postgres import POOL, numbered

ADD = "INSERT INTO notes (id) VALUES (:id)"


@pytest.fixture
def engine() -> str:
    return "postgresql"


@pytest.fixture
def database_name(database_url: str) -> str:
    return urlsplit(database_url).path[1:]


@pytest.fixture
def administer(postgres_server: Any) -> Callable[..., Any]:
    return postgres_server.administer


TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"


@pytest.mark.parametrize(
    ("sql", "text", "names"),
    [
        ("SELECT 1", "SELECT 1", ()),
        ("a = :a AND b = :b_2 OR a = :a", "a = $1 AND b = $2 OR a = $1", ("a", "b_2")),
        ("x::text = :x", "x::text = $1", ("x",)),
        ("':a' || 'it''s :a' || :b", "':a' || 'it''s :a' || $1", ("b",)),
        ('"odd:name" = :a', '"odd:name" = $1', ("a",)),
        ("SELECT :a -- not :this\n, :b /* nor\n:that */", "SELECT $1 -- not :this\n, $2 /* nor\n:that */", ("a", "b")),
    ],
)
def test_names_become_numbers(sql: str, text: str, names: tuple[str, ...]) -> None:
    """Each name has one number; casts, strings, identifiers and comments stay as they are."""
    assert numbered(sql) == (text, names)


async def test_commits_are_durable_whatever_the_server_says(
    database_url: str, database_name: str, administer: Callable[..., Any]
) -> None:
    """`synchronous_commit` is on, in a transaction and for a lone statement, though the default is off."""
    await administer(f"ALTER DATABASE {database_name} SET synchronous_commit = off")
    database = await open_database(database_url)

    alone = await database.one("SELECT current_setting('synchronous_commit') AS it")
    async with database.transaction() as q:
        inside = await q.one("SELECT current_setting('synchronous_commit') AS it")
    await database.close()

    assert alone is not None
    assert inside is not None
    assert (alone["it"], inside["it"]) == ("on", "on")


async def test_a_connection_comes_back_without_a_transaction(notes: Database) -> None:
    """However a transaction ends, the pool's connections are free and idle afterwards."""

    async def write_and_fail() -> None:
        async with notes.transaction() as q:
            await q.run(ADD, id="never kept")
            raise ZeroDivisionError

    for _ in range(POOL + 1):
        with pytest.raises(ZeroDivisionError):
            await write_and_fail()

    open_ones = await notes.one(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()"
    )
    assert open_ones is not None
    assert open_ones["n"] == 0


async def test_a_server_that_does_not_answer_is_unavailable() -> None:
    """Nobody listening is a fault that may pass, and the refusal shows no password."""
    with pytest.raises(Unavailable) as refused:
        await open_database("postgresql://holdfast:hunter2@127.0.0.1:1/holdfast")

    assert "hunter2" not in repr(refused.value)


@pytest.mark.parametrize(
    ("part", "wrong"), [("/test_", "/absent_"), ("postgres:@", "nobody:hunter2@"), ("?host=", "?sslmode=hunter2&host=")]
)
async def test_what_will_never_work_is_an_error_of_the_settings(database_url: str, part: str, wrong: str) -> None:
    """A database, role or option that does not exist is refused without showing the URL."""
    with pytest.raises(SettingsError) as refused:
        await open_database(database_url.replace(part, wrong))

    assert "hunter2" not in repr(refused.value)


async def test_too_many_connections_are_unavailable(database_url: str, administer: Callable[..., Any]) -> None:
    """A server that has no connection left is a fault that may pass."""
    await administer("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")

    with pytest.raises(Unavailable):
        await open_database(database_url.replace("postgres:@", "crowded:@"))
    await administer("DROP ROLE crowded")


async def test_a_lost_connection_is_unavailable_and_replaced(
    notes: Database, database_name: str, administer: Callable[..., Any]
) -> None:
    """A transaction whose connection breaks is a local fault; the next one gets a new connection."""

    async def lose_connection() -> None:
        async with notes.transaction() as q:
            await q.run(ADD, id="lost")
            await administer(TERMINATE.format(database_name))
            await q.run(ADD, id="never")

    with pytest.raises(Unavailable):
        await lose_connection()
    await notes.run(ADD, id="kept")

    assert [row["id"] for row in await notes.all("SELECT id FROM notes")] == ["kept"]


async def test_a_database_that_is_closed_down_is_unavailable(
    notes: Database, database_name: str, administer: Callable[..., Any]
) -> None:
    """While the server takes no connections every statement is a local fault, and works again afterwards."""
    await administer(f"ALTER DATABASE {database_name} ALLOW_CONNECTIONS false", TERMINATE.format(database_name))

    for _ in range(2):
        with pytest.raises(Unavailable):
            await notes.run(ADD, id="a")
        with pytest.raises(Unavailable):
            async with notes.transaction():
                pass
    await administer(f"ALTER DATABASE {database_name} ALLOW_CONNECTIONS true")

    assert await notes.run(ADD, id="a") == 1


async def test_a_server_that_is_away_is_told_in_a_line(
    notes: Database, database_name: str, administer: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The pool tries by itself, again and again: what it says names the error and brings no traceback."""

    def told() -> list[logging.LogRecord]:
        return [record for record in caplog.records if record.name == "asyncpg.pool"]

    await administer(f"ALTER DATABASE {database_name} ALLOW_CONNECTIONS false", TERMINATE.format(database_name))
    with pytest.raises(Unavailable):
        await notes.run(ADD, id="a")
    async with asyncio.timeout(10):
        while not told():
            await administer("SELECT 1")
    await administer(f"ALTER DATABASE {database_name} ALLOW_CONNECTIONS true")

    assert "Error)" in told()[0].getMessage()
    assert {(record.exc_info, record.exc_text) for record in told()} == {(None, None)}
    assert "\n" not in logging.Formatter().format(told()[0])


async def test_a_standby_is_unavailable(
    notes: Database, database_name: str, administer: Callable[..., Any], database_url: str
) -> None:
    """A server that only reads, as after a failover to a standby, refuses writes as a local fault."""
    await administer(f"ALTER DATABASE {database_name} SET default_transaction_read_only = on")
    database = await open_database(database_url)

    with pytest.raises(Unavailable):
        await database.run(ADD, id="a")
    await database.close()


async def test_a_slow_statement_is_unavailable(notes: Database) -> None:
    """A statement has as long as the transaction's patience, and no longer."""

    async def sleep() -> None:
        async with asyncio.timeout(5), notes.transaction(patience=0.05) as q:
            await q.one("SELECT pg_sleep(30)")

    with pytest.raises(Unavailable):
        await sleep()

    assert await notes.run(ADD, id="a") == 1


async def test_a_patient_transaction_outlasts_the_usual_limit(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration's statement may take longer than any other one."""
    monkeypatch.setattr(postgres, "PATIENCE", 0.2)
    database = await open_database(database_url)

    async with database.transaction(patience=10) as q:
        row = await q.one("SELECT 1 AS done FROM (SELECT pg_sleep(0.5)) AS slept")
    await database.close()

    assert row is not None
    assert row["done"] == 1


async def test_an_exhausted_pool_is_unavailable(notes: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gets no connection in time is told so; the others are not disturbed."""
    full, leave = asyncio.Semaphore(0), asyncio.Event()

    async def hold() -> None:
        async with notes.transaction(patience=10):
            full.release()
            await leave.wait()

    holders = [asyncio.create_task(hold()) for _ in range(POOL)]
    for _ in range(POOL):
        await full.acquire()
    with monkeypatch.context() as hurried:
        hurried.setattr(postgres, "PATIENCE", 0.05)  # for nobody else: the others have what they need by now
        with pytest.raises(Unavailable):
            await notes.run(ADD, id="a")
    leave.set()
    await asyncio.gather(*holders)

    assert await notes.run(ADD, id="a") == 1


async def test_a_deadlock_is_unavailable(notes: Database) -> None:
    """Of two transactions that wait for one another one fails as a local fault and the other is kept."""
    await notes.run("INSERT INTO notes (id) VALUES ('a'), ('b')")
    started = asyncio.Barrier(2)

    async def lock(first: str, second: str) -> None:
        async with notes.transaction() as q:
            await q.run("UPDATE notes SET size = size + 1 WHERE id = :id", id=first)
            await started.wait()
            await q.run("UPDATE notes SET size = size + 1 WHERE id = :id", id=second)

    outcomes = await asyncio.gather(lock("a", "b"), lock("b", "a"), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "Unavailable"]


async def test_a_task_cancelled_during_its_commit_has_committed(notes: Database, database_url: str) -> None:
    """Once keeping has begun it ends, though the task that asked for it does not wait."""
    await notes.run(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$"
    )
    await notes.run(
        "CREATE CONSTRAINT TRIGGER held AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION hold()"
    )
    holder = await asyncpg.connect(database_url)
    await holder.execute("SELECT pg_advisory_lock(1)")

    async def write() -> None:
        async with notes.transaction() as q:
            await q.run(ADD, id="kept")

    async with asyncio.timeout(10):
        task = asyncio.create_task(write())
        while not await holder.fetchval(  # noqa: ASYNC110 - the server tells nobody that somebody waits
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await holder.close()
        while not await notes.all("SELECT id FROM notes"):  # noqa: ASYNC110 - nor that somebody committed
            await asyncio.sleep(0)


async def test_a_schema_changed_elsewhere_is_noticed(notes: Database, neighbour: Database) -> None:
    """A statement whose table another node has migrated works on the new schema, at once or when tried again."""
    await notes.run(ADD, id="a")
    await notes.all("SELECT * FROM notes")
    await neighbour.run("ALTER TABLE notes ADD COLUMN colour TEXT")

    rows = await notes.all("SELECT * FROM notes")

    assert rows[0]["colour"] is None


async def test_what_is_due_is_found_by_its_index(database: Database) -> None:
    """The time of the database is one value for a statement, so a poll does not walk through all that is not due."""
    due = """
        SELECT id FROM jobs WHERE kind = 'k' AND done_at IS NULL AND set_aside_at IS NULL AND due_at <= :db_now
        ORDER BY due_at LIMIT 8"""
    async with database.transaction() as q:
        await q.run("SET LOCAL enable_seqscan = off")
        await q.run("SET LOCAL enable_bitmapscan = off")
        await q.run("SET LOCAL enable_sort = off")
        plan = [row["QUERY PLAN"].strip() for row in await q.all(f"EXPLAIN {due}")]

    assert [line for line in plan if line.startswith("Index Cond") and "due_at" in line]


async def test_a_connection_that_was_idle_for_long_is_not_used_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firewall may have forgotten an idle session: the next statement goes through a new one."""
    first = await database.all("SELECT pg_backend_pid() AS pid")
    assert await database.all("SELECT pg_backend_pid() AS pid") == first

    monkeypatch.setattr(postgres, "SPARED", 0.0)

    assert await database.all("SELECT pg_backend_pid() AS pid") != first


async def test_more_statements_than_connections_are_all_answered(database: Database) -> None:
    """Whoever waits for a connection gets one as soon as another is done with it."""
    async with asyncio.timeout(20):
        found = await asyncio.gather(*[database.one("SELECT pg_sleep(0.01)") for _ in range(POOL * 6)])

    assert len(found) == POOL * 6
