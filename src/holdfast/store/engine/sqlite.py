"""SQLite as an engine: apsw, write-ahead log, one writer.

Two connections. The *reader* answers in the event loop: an indexed read takes microseconds, less than handing it to
a thread would. The *writer* belongs to one thread, because a commit waits for the disk; `_turn` gives it to one
transaction or one lone statement at a time. The thread takes its calls in order, and that is what makes cancellation
safe: the ROLLBACK of a task that went away is queued before the turn passes on, so it comes before the next BEGIN.

Other processes may have the same file open (several workers, the CLI beside the server): SQLite's own locks keep
them apart, and a transaction starts with BEGIN IMMEDIATE so that it waits at its start and not in its middle.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Literal, TypeVar, TypeVarTuple

import apsw

from holdfast.clock import Clock
from holdfast.errors import ConflictError, SettingsError, Unavailable
from holdfast.store.engine.database import PATIENCE, DatabaseClock, Queries, Row, Transaction, Verb, reads

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Before it, two connections could corrupt the database when the log was started over: sqlite.org/wal.html#walresetbug
OLDEST: Final = (3, 51, 3)

# synchronous=FULL: an acknowledged commit survives a power cut. secure_delete: freed pages are overwritten.
# trusted_schema=OFF: a schema that somebody planted cannot call functions. journal_size_limit: a burst of writes does
# not leave a large log behind for good.
PRAGMAS: Final = {
    "journal_mode": "wal",
    "synchronous": "FULL",
    "foreign_keys": "ON",
    "secure_delete": "ON",
    "trusted_schema": "OFF",
    "temp_store": "MEMORY",
    "journal_size_limit": "67108864",
}
# `:db_now`. SQLite reads its clock once a statement.
NOW: Final = "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
# The reader waits in the event loop, so not for long; with a write-ahead log it only ever waits for crash recovery.
READER_PATIENCE: Final = 0.25

_UNAVAILABLE = (
    apsw.BusyError, apsw.LockedError, apsw.FullError, apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError,
    apsw.CorruptError, apsw.NotADBError, apsw.ProtocolError, apsw.NoMemError, apsw.PermissionsError,
    apsw.InterruptError, apsw.ConnectionClosedError,
)  # fmt: skip
_TAKEN = (apsw.SQLITE_CONSTRAINT_UNIQUE, apsw.SQLITE_CONSTRAINT_PRIMARYKEY, apsw.SQLITE_CONSTRAINT_ROWID)


class SQLite:
    """One database file."""

    kind: Literal["sqlite", "postgresql"] = "sqlite"

    def __init__(self, reader: _Connection, writer: _Connection) -> None:
        self._reader = reader
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="holdfast-writer")
        self._turn = asyncio.Lock()
        self._holder: asyncio.Task[Any] | None = None
        self._closed = False

    @classmethod
    async def open(cls, path: str, clock: Clock | None = None) -> SQLite:
        """The database in the file `path`, which is made if it is not there, for the owner's eyes only (0600)."""
        if not sound(apsw.sqlite_lib_version()):
            raise SettingsError(
                f"SQLite {apsw.sqlite_lib_version()} can lose data; install apsw with SQLite "
                f"{'.'.join(map(str, OLDEST))} or newer."
            )
        path = os.path.abspath(path)
        _keep_private(path)
        time = DatabaseClock(NOW, clock)
        writer, reader = _connect(path, PATIENCE, time), _connect(path, READER_PATIENCE, time)
        reader.pragma("query_only", True)
        return cls(reader, writer)

    async def all(self, sql: str, /, **params: Any) -> list[Row]:
        if reads(sql):
            rows: list[Row] = _execute(self._reader, "all", sql, params)
            return rows
        written: list[Row] = await self._alone("all", sql, params)
        return written

    async def one(self, sql: str, /, **params: Any) -> Row | None:
        if reads(sql):
            row: Row | None = _execute(self._reader, "one", sql, params)
            return row
        written: Row | None = await self._alone("one", sql, params)
        return written

    async def run(self, sql: str, /, **params: Any) -> int:
        changed: int = await self._alone("run", sql, params)
        return changed

    @asynccontextmanager
    async def transaction(self, *, patience: float = PATIENCE) -> AsyncIterator[Queries]:
        async with self._my_turn():
            transaction = Transaction(self._on_thread)
            try:
                await self._submit(_begin, patience)
                yield transaction
                transaction.end()
                await asyncio.shield(self._submit(_commit))
            except BaseException:
                self._thread.submit(_roll_back, self._writer)
                raise

    async def close(self) -> None:
        if self._closed:
            return
        async with self._my_turn():
            self._closed = True
            self._reader.close()
            await asyncio.shield(self._submit(_Connection.close))
            self._thread.shutdown(wait=False)

    async def _alone(self, verb: Verb, sql: str, params: Mapping[str, Any]) -> Any:
        async with self._my_turn():
            return await self._on_thread(verb, sql, params)

    async def _on_thread(self, verb: Verb, sql: str, params: Mapping[str, Any]) -> Any:
        return await self._submit(_execute, verb, sql, params)

    def _submit(self, call: Callable[[_Connection, *Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Queues `call` on the writer's thread at once, before anything is awaited: its order is its place in line."""
        return asyncio.get_running_loop().run_in_executor(self._thread, call, self._writer, *args)

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        task = asyncio.current_task()
        if self._holder is task:
            raise RuntimeError("inside a transaction, write through what it yields: this would wait for itself")
        async with self._turn:
            if self._closed:
                raise Unavailable("The database is closed.")
            self._holder = task
            try:
                yield
            finally:
                self._holder = None


def sound(version: str) -> bool:
    """Whether an SQLite of this version may be given data."""
    return tuple(map(int, version.split("."))) >= OLDEST


def _keep_private(path: str) -> None:
    """Makes the file, or takes other users' permissions from it; SQLite gives the -wal and -shm files the same.

    A file that exists is not opened: closing it would drop the locks of this process's other connections to it
    (sqlite.org/howtocorrupt.html, section 2.2).
    """
    try:
        if not os.path.exists(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        for name in (path, f"{path}-wal", f"{path}-shm"):
            _take_from_others(name)
    except FileExistsError:  # another process made it in this moment, and made it private
        return
    except OSError as error:
        raise SettingsError(f"The database file {path} cannot be opened: {error.strerror}.") from None


def _take_from_others(path: str) -> None:
    with suppress(FileNotFoundError):
        if stat.S_IMODE(os.stat(path).st_mode) & 0o077:
            os.chmod(path, 0o600)


class _Connection(apsw.Connection):
    """Knows the shapes of rows by SQL text: asking the driver each time would cost half as much as the read itself."""

    def __init__(self, path: str, patience: float, time: DatabaseClock) -> None:
        super().__init__(path, statementcachesize=512)
        self.set_patience(patience)
        self.time = time
        self.shapes: dict[str, _Shape] = {}

    def set_patience(self, seconds: float) -> None:
        self.set_busy_timeout(int(seconds * 1000))


def _connect(path: str, patience: float, time: DatabaseClock) -> _Connection:
    try:
        return _configured(_Connection(path, patience, time), path)
    except apsw.NotADBError:
        raise SettingsError(f"{path} is not an SQLite database.") from None
    except apsw.CantOpenError:
        raise SettingsError(f"The database file {path} cannot be opened.") from None
    except apsw.Error as error:
        raise Unavailable(f"{path} cannot be opened right now ({type(error).__name__}).") from error


def _configured(connection: _Connection, path: str) -> _Connection:
    # A misspelt "column" is an error, as on PostgreSQL, and not a string.
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    for name, value in PRAGMAS.items():
        connection.pragma(name, value)
    if connection.pragma("journal_mode") != "wal":
        raise SettingsError(f"{path} is on a file system that does not support SQLite's write-ahead log.")
    return connection


def _begin(connection: _Connection, patience: float) -> None:
    connection.set_patience(patience)
    try:
        _execute(connection, "run", "BEGIN IMMEDIATE", {})
    finally:
        connection.set_patience(PATIENCE)


def _commit(connection: _Connection) -> None:
    _execute(connection, "run", "COMMIT", {})


def _roll_back(connection: _Connection) -> None:
    """Ends the transaction if there is one: SQLite has already done so after some errors, such as a full disk."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _execute(connection: _Connection, verb: Verb, sql: str, params: Mapping[str, Any]) -> Any:
    """The one door through which statements go and the driver's errors come."""
    try:
        return _VERBS[verb](connection, *connection.time.fill(sql, params))
    except apsw.Error as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error


def _all(connection: _Connection, sql: str, params: Mapping[str, Any]) -> list[Row]:
    cursor = connection.execute(sql, params)
    shape = connection.shapes.get(sql) or _shape(connection, sql, cursor)
    return [shape.row(values) for values in cursor.fetchall()] if shape else []


def _one(connection: _Connection, sql: str, params: Mapping[str, Any]) -> Row | None:
    cursor = connection.execute(sql, params)
    shape = connection.shapes.get(sql) or _shape(connection, sql, cursor)
    rows = cursor.fetchall()
    return shape.row(rows[0]) if shape and rows else None


def _run(connection: _Connection, sql: str, params: Mapping[str, Any]) -> int:
    before = connection.total_changes()
    connection.execute(sql, params).fetchall()
    # changes() speaks of the last statement that could change rows, which need not be this one.
    return connection.changes() if connection.total_changes() != before else 0


_VERBS: Final[dict[Verb, Callable[[_Connection, str, Mapping[str, Any]], Any]]] = {
    "all": _all, "one": _one, "run": _run,
}  # fmt: skip


class _Shape:
    """The columns of a statement's rows, and which of them are BOOLEAN: SQLite keeps those as 0 and 1."""

    __slots__ = ("_booleans", "_names")

    def __init__(self, description: tuple[tuple[str, str | None], ...]) -> None:
        self._names = tuple(name for name, _ in description)
        self._booleans = tuple(name for name, declared in description if declared == "BOOLEAN")

    def row(self, values: tuple[Any, ...]) -> Row:
        row = dict(zip(self._names, values))  # noqa: B905 - a column added by a newer release is left out
        for name in self._booleans:
            if row[name] is not None:
                row[name] = row[name] != 0
        return row


def _shape(connection: _Connection, sql: str, cursor: apsw.Cursor) -> _Shape | None:
    try:
        shape = _Shape(cursor.get_description())
    except apsw.ExecutionCompleteError:  # no row, so no columns to ask for
        return None
    connection.shapes[sql] = shape
    return shape


def _refusal(error: apsw.Error) -> Unavailable | ConflictError | None:
    if isinstance(error, _UNAVAILABLE):
        return Unavailable(f"The database cannot be used right now ({type(error).__name__}).")
    if getattr(error, "extendedresult", None) in _TAKEN:
        return ConflictError()
    return None
