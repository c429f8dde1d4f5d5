"""A database with one table to try the engines on, and a second way into it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from holdfast.store.engine.database import Database
from holdfast.store.engine.opening import open_database

NOTES = """
CREATE TABLE notes (
  id TEXT PRIMARY KEY, body BYTEA, done BOOLEAN, size BIGINT NOT NULL DEFAULT 0 CHECK (size >= 0)
)"""


@pytest.fixture
async def notes(database_url: str) -> AsyncIterator[Database]:
    """An open database with the table `notes`, empty."""
    database = await open_database(database_url)
    await database.run(NOTES)
    yield database
    await database.close()


@pytest.fixture
async def neighbour(notes: Database, database_url: str) -> AsyncIterator[Database]:
    """The same database, opened once more, as another process has it open."""
    database = await open_database(database_url)
    yield database
    await database.close()


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `python -c program *args`, whose output is read from `stdout`; none outlives the test."""
    with ExitStack() as running:

        def start(program: str, *args: str) -> subprocess.Popen[str]:
            process = subprocess.Popen([sys.executable, "-c", program, *args], stdout=subprocess.PIPE, text=True)
            running.enter_context(process)
            running.callback(process.kill)
            return process

        yield start
