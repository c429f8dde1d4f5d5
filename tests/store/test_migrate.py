"""Bringing a database to the schema of a release."""

from __future__ import annotations

import ast
import asyncio
import subprocess
from collections.abc import Callable

import pytest

from holdfast.errors import HoldfastError, SettingsError
from holdfast.store.engine.database import Database
from holdfast.store.engine.migrate import Step, migrate, statements, steps
from holdfast.store.engine.opening import open_database

Spawn = Callable[..., subprocess.Popen[str]]

NAMES = [step.name for step in steps()]


async def applied(database: Database) -> list[str]:
    return [row["name"] for row in await database.all("SELECT name FROM schema_migrations ORDER BY version")]


async def test_an_empty_database_gets_every_step_once(database_url: str) -> None:
    """The first run applies all steps in order and says so; the second finds nothing to do."""
    database = await open_database(database_url)

    first, second = await migrate(database), await migrate(database)
    recorded = await applied(database)
    await database.close()

    assert first == recorded == NAMES
    assert second == []


def test_the_steps_are_numbered_from_one_without_a_gap() -> None:
    """A step's number is its place, so none is missing from the package and no two share a number."""
    assert [step.version for step in steps()] == list(range(1, len(steps()) + 1))
    assert NAMES[0] == "0001_keys"


async def test_only_what_is_missing_is_applied(database_url: str) -> None:
    """A database of an older release gets the steps that came after it, and keeps its rows."""
    database = await open_database(database_url)
    await migrate(database, steps()[:1])
    await database.run(
        "INSERT INTO data_keys (application_id, key_id, number, master_key_id, wrapped, active_from, created_at) "
        "VALUES ('a', 'k', 1, 'm', :wrapped, 0, 0)",
        wrapped=b"w",
    )

    later = await migrate(database)
    kept = await database.all("SELECT application_id FROM data_keys")
    await database.close()

    assert later == NAMES[1:]
    assert [row["application_id"] for row in kept] == ["a"]


async def test_a_newer_database_is_refused(database: Database) -> None:
    """A database with a step that this release does not know is left alone, and the step is named."""
    with pytest.raises(SettingsError, match=NAMES[-1]):
        await migrate(database, steps()[:-1])

    assert await applied(database) == NAMES


async def test_a_step_that_fails_leaves_nothing_of_itself(database: Database) -> None:
    """The steps before it are kept; its own statements are undone, and it is not recorded."""
    number = len(steps())
    broken = (
        *steps(),
        Step(number + 1, "good", ("CREATE TABLE good (id TEXT)",)),
        Step(number + 2, "broken", ("CREATE TABLE half (id TEXT)", "CREATE TABLE good (id TEXT)")),
    )

    with pytest.raises(Exception, match="already exists") as failed:
        await migrate(database, broken)

    assert not isinstance(failed.value, HoldfastError)
    assert await applied(database) == [*NAMES, "good"]
    assert await migrate(database, [*broken[:-1], Step(number + 2, "mended", ("CREATE TABLE half (id TEXT)",))]) == [
        "mended"
    ]


MIGRATING = """
import asyncio, sys
from holdfast.store.engine.opening import open_database
from holdfast.store.engine.migrate import migrate

async def main(url):
    database = await open_database(url)
    print(await migrate(database))
    await database.close()

asyncio.run(main(sys.argv[1]))
"""


async def test_processes_that_start_at_once_share_the_work(database_url: str, spawn: Spawn) -> None:
    """Of several processes on one empty database each step is applied by exactly one; all of them succeed."""
    processes = [spawn(MIGRATING, database_url) for _ in range(3)]
    outputs = [(await asyncio.to_thread(process.communicate, None, 60))[0] for process in processes]
    database = await open_database(database_url)
    recorded = await applied(database)
    await database.close()

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(name for output in outputs for name in ast.literal_eval(output)) == recorded == NAMES


def test_a_file_is_read_statement_by_statement() -> None:
    """A statement ends with a semicolon at the end of its line; comment lines are left out."""
    text = """
-- What this is for; and why.
CREATE TABLE a (
  id TEXT  -- the id
);
INSERT INTO a VALUES ('x; y');   \n
  -- the end;
CREATE INDEX a_by_id ON a (id)
"""

    assert statements(text) == (
        "CREATE TABLE a (\n  id TEXT  -- the id\n)",
        "INSERT INTO a VALUES ('x; y')",
        "CREATE INDEX a_by_id ON a (id)",
    )
