"""A URL becomes an open database, and the locks that go with it."""

from __future__ import annotations

import fcntl
from pathlib import Path

from holdfast.clock import Clock
from holdfast.errors import SettingsError
from holdfast.store.engine.database import Database
from holdfast.store.engine.locks import FileLocks, Locks, NoLocks


async def open_database(url: str, clock: Clock | None = None) -> Database:
    """The database at `url`, ready for use but not migrated. `clock` stands in for the database's own (`:db_now`).

    SettingsError if the URL or what it names cannot be right, Unavailable if it may be right a little later.
    """
    # Imported here so that a vault on SQLite neither needs nor loads PostgreSQL's driver, and the reverse.
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and rest != "/":
        from holdfast.store.engine.sqlite import SQLite

        return await SQLite.open(rest[1:], clock)
    if scheme in ("postgresql", "postgres"):
        from holdfast.store.engine.postgres import PostgreSQL

        return await PostgreSQL.open(url, clock)
    raise SettingsError(
        "The database URL must be sqlite:///relative/path.db, sqlite:////absolute/path.db "
        "or postgresql://user:password@host:port/database."
    )


def locks_of(url: str, directory: Path, *, wanted: bool = True) -> Locks:
    """The locks of the processes that use the database at `url` and, where it is a file, its data `directory`.

    No lock where none is `wanted`, or where the system has none that end with their holder. Nothing is opened yet.
    """
    if url.startswith("sqlite:"):
        return FileLocks(directory / "refresh.lock") if wanted and hasattr(fcntl, "F_OFD_SETLK") else NoLocks()
    from holdfast.store.engine.postgres_locks import SessionLocks

    return SessionLocks(url) if wanted else NoLocks()
