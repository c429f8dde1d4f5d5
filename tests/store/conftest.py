"""A database with one table to try the engines on, a second way into it, and a store with two applications."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from holdfast.domain.masking import Masks
from holdfast.domain.tenancy import Application, Caller, ConsumerScope
from holdfast.store import Store, tenants
from holdfast.store.engine.database import Database
from holdfast.store.engine.migrate import migrate
from holdfast.store.engine.opening import open_database
from holdfast.store.journal import Journal
from holdfast.store.seal.keyring import Keyring
from holdfast.store.seal.masterkey import GivenKeys
from holdfast.testing.clock import TestClock

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


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
async def store(database_url: str, clock: TestClock, tmp_path: Path) -> AsyncIterator[Store]:
    """A store with the applications `app-1` and `app-2`, on a database whose clock the test moves."""
    database = await open_database(database_url, clock)
    await migrate(database)
    masters = GivenKeys.parse(base64.b64encode(os.urandom(32)).decode())
    keyring = await Keyring.open(database, masters, clock)
    journal = Journal(tmp_path / "journal", database, clock)
    opened = Store(database, keyring, clock, database, journal, Masks(keyring.derive("mask").current))
    for id in ("app-1", "app-2"):
        data_key = await keyring.new_data_key(id)
        async with opened.transaction() as tx:
            await tenants.add_application(tx, Application(id, "Acme"), data_key)
    yield opened
    await database.close()


@pytest.fixture
def scope() -> ConsumerScope:
    return ConsumerScope("app-1", Caller.own("test"), "user-1")
