"""PostgreSQL as an engine: an asyncpg pool.

It does two things to our SQL, once per text: `:name` becomes `$1`, and `:db_now` the time of the statement.

A connection is used again without asyncpg's reset query, a third of a read's cost: no code here leaves anything in a
session. Whoever needs session state (an advisory lock that outlives its transaction, LISTEN, a temporary table)
opens a connection of their own. A connection given back with an open transaction is rolled back all the same.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import lru_cache, partial
from time import monotonic as _moment
from typing import Any, Final, Literal

import asyncpg

from holdfast.clock import Clock
from holdfast.errors import ConflictError, SettingsError, Unavailable
from holdfast.store.engine.database import PATIENCE, DatabaseClock, Queries, Row, Transaction, Verb

POOL: Final = 10
# Seconds for which a connection may be idle and still be used again; a firewall may have forgotten it by then.
SPARED: Final = 60.0
# `:db_now`. Not now(), which stands still for a whole transaction, and not clock_timestamp(), which changes within a
# statement, so that no index can be used to compare with it.
NOW: Final = "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)"

# For each new session. An acknowledged commit is on disk, whatever the server's default says, also that of a lone
# statement. A transaction that its process has forgotten (paused, lost) gives its locks back.
SESSION: Final = """
SET synchronous_commit = on;
SET idle_in_transaction_session_timeout = '60s'"""

_DRIVER = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
_UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,  # the connection or the pool is closed
    asyncpg.InternalClientError,  # the protocol broke off; or the schema changed under a cached statement
    asyncpg.PostgresConnectionError,
    asyncpg.TransactionRollbackError,  # deadlock
    asyncpg.InsufficientResourcesError,  # too many connections, full disk
    asyncpg.OperatorInterventionError,  # shutting down, starting up, cancelled
    asyncpg.PostgresSystemError,  # disk
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby
    asyncpg.InvalidCachedStatementError,  # the schema changed inside a transaction
    asyncpg.DataCorruptedError,
    asyncpg.IndexCorruptedError,
)
_MISCONFIGURED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
    ValueError,
)

_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | ::  # left alone
      | :(?P<name>[A-Za-z_]\w*)""",
    re.VERBOSE | re.DOTALL,
)


class _InOneLine(logging.Filter):
    """What the pool says of each attempt to reach a server that is away: the kind of error, without its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[0]:
            record.msg, record.args = f"{record.getMessage()} ({record.exc_info[0].__name__})", ()
            record.exc_info = None
        return True


logging.getLogger("asyncpg.pool").addFilter(_InOneLine())


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    def get_reset_query(self) -> str:
        return ""


class PostgreSQL:
    """One database of a server, behind at most `POOL` connections."""

    kind: Literal["sqlite", "postgresql"] = "postgresql"

    def __init__(self, pool: Any, clock: Clock | None = None) -> None:
        self._pool = pool
        self._time = DatabaseClock(NOW, clock)
        # Connections between two statements, each with the moment of its last one. The pool itself would spend two
        # tasks on each of them, one to take it and one to give it back.
        self._spare: list[tuple[Any, float]] = []
        self._waiting = 0

    @classmethod
    async def open(cls, url: str, clock: Clock | None = None) -> PostgreSQL:
        """Connects once, to find out now what is wrong."""
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=POOL,
                connection_class=_Connection,
                init=_prepare_session,
                timeout=PATIENCE,
                command_timeout=PATIENCE,
                statement_cache_size=512,
                server_settings={"application_name": "holdfast"},
            )
        except _MISCONFIGURED as error:
            raise SettingsError(f"PostgreSQL cannot be used as configured ({_reason(error)}).") from None
        except _DRIVER as error:
            raise Unavailable(f"PostgreSQL does not answer ({_reason(error)}).") from None
        return cls(pool, clock)

    async def all(self, sql: str, /, **params: Any) -> list[Row]:
        rows: list[Row] = await self._alone("all", sql, params)
        return rows

    async def one(self, sql: str, /, **params: Any) -> Row | None:
        row: Row | None = await self._alone("one", sql, params)
        return row

    async def run(self, sql: str, /, **params: Any) -> int:
        changed: int = await self._alone("run", sql, params)
        return changed

    @asynccontextmanager
    async def transaction(self, *, patience: float = PATIENCE) -> AsyncIterator[Queries]:
        connection = await self._acquire()
        execute = partial(_execute, connection, self._time, patience)
        transaction = Transaction(execute)
        try:
            await execute("run", "BEGIN", {})
            yield transaction
            transaction.end()
        except BaseException:
            await asyncio.shield(self._abandon(connection))
            raise
        # From here the commit owns the connection: if this task is cancelled, it ends without us and gives it back.
        await asyncio.shield(self._commit(connection, execute))

    async def close(self) -> None:
        self._waiting += 1  # from here on nothing is spared
        spare, self._spare = self._spare, []
        for connection, _ in spare:
            await self._pool.release(connection)
        await self._pool.close()

    async def _acquire(self) -> Any:
        while self._spare:
            connection, used_at = self._spare.pop()
            if not _is_open(connection):
                continue
            if _moment() - used_at < SPARED:
                return connection
            connection.terminate()  # of which the pool takes notice
        return await self._acquire_from_pool()

    async def _acquire_from_pool(self) -> Any:
        self._waiting += 1
        try:
            return await self._pool.acquire(timeout=PATIENCE)
        except _DRIVER as error:
            raise Unavailable(f"PostgreSQL gives no connection right now ({type(error).__name__}).") from error
        finally:
            self._waiting -= 1

    async def _release(self, connection: Any) -> None:
        """Gives back a connection whose statements went well: to whoever waits at the pool, else to the spare ones."""
        if self._waiting or not _is_open(connection) or connection.is_in_transaction():
            await self._pool.release(connection)
        else:
            self._spare.append((connection, _moment()))

    async def _alone(self, verb: Verb, sql: str, params: Mapping[str, Any]) -> Any:
        connection = await self._acquire()
        try:
            found = await _execute(connection, self._time, PATIENCE, verb, sql, params)
        except BaseException:
            # The pool knows what to do with a statement that is being cancelled, or left a transaction behind.
            await self._pool.release(connection)
            raise
        await self._release(connection)
        return found

    async def _commit(self, connection: Any, execute: Callable[..., Awaitable[Any]]) -> None:
        try:
            await execute("run", "COMMIT", {})
        except BaseException:
            await self._pool.release(connection)
            raise
        await self._release(connection)

    async def _abandon(self, connection: Any) -> None:
        """Rolls back if that is still possible; the error that brought us here matters more than one from this."""
        with suppress(*_DRIVER):
            if connection.is_in_transaction():
                await connection.execute("ROLLBACK")
        with suppress(*_DRIVER):
            await self._pool.release(connection)


def _is_open(connection: Any) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # the connection has gone, and the pool has taken it back
        return False


async def _prepare_session(connection: Any) -> None:
    await connection.execute(SESSION)


def _reason(error: Exception) -> str:
    """The server's own words, which hold no password; what the client says of a malformed URL may quote one."""
    return str(error.args[0]) if isinstance(error, asyncpg.PostgresError) else type(error).__name__


async def _execute(
    connection: Any, time: DatabaseClock, patience: float, verb: Verb, sql: str, params: Mapping[str, Any]
) -> Any:
    sql, params = time.fill(sql, params)
    text, names = numbered(sql)
    return await _through_the_door(_VERBS[verb](connection, text, [params[name] for name in names], patience))


async def _all(connection: Any, text: str, values: list[Any], patience: float) -> list[Row]:
    rows: list[Row] = await connection.fetch(text, *values, timeout=patience)
    return rows


async def _one(connection: Any, text: str, values: list[Any], patience: float) -> Row | None:
    row: Row | None = await connection.fetchrow(text, *values, timeout=patience)
    return row


async def _run(connection: Any, text: str, values: list[Any], patience: float) -> int:
    """The count is the last word of the command tag, where it has one: `INSERT 0 1`, `DELETE 3`, but `BEGIN`."""
    tag: str = await connection.execute(text, *values, timeout=patience)
    verb, _, count = tag.rpartition(" ")
    return int(count) if verb and count.isdigit() and not verb.startswith("SELECT") else 0


_VERBS: Final[dict[Verb, Callable[[Any, str, list[Any], float], Awaitable[Any]]]] = {
    "all": _all, "one": _one, "run": _run,
}  # fmt: skip


@lru_cache(maxsize=4096)
def numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """The text with `$1`, `$2`, … for its names, and the names in that order."""
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        name = match["name"]
        return f"${numbers.setdefault(name, len(numbers) + 1)}" if name else match[0]

    return _TOKEN.sub(number, sql), tuple(numbers)


async def _through_the_door(call: Awaitable[Any]) -> Any:
    """The one door through which the driver's errors come."""
    try:
        return await call
    except _DRIVER as error:
        _withhold_values(error)
        if isinstance(error, asyncpg.UniqueViolationError):
            raise ConflictError() from error
        if isinstance(error, _UNAVAILABLE) and not isinstance(error, ValueError):
            raise Unavailable(f"The database cannot be used right now ({type(error).__name__}).") from error
        raise


def _withhold_values(error: BaseException) -> None:
    """Takes out of an error what may quote a row or a parameter: DETAIL, CONTEXT, and the text of a data error."""
    withheld = ["detail", "context", "internal_query"]
    if isinstance(error, (asyncpg.DataError, ValueError)):
        code = getattr(error, "sqlstate", None)
        error.args = (f"invalid value (SQLSTATE {code})" if code else str(error.args[0]).partition(":")[0],)
        withheld.append("message")
    for name in withheld:
        if getattr(error, name, None):
            setattr(error, name, None)
