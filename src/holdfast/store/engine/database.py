"""What an engine must do. The engines are `sqlite` and `postgres`; `opening` opens one.

There is one SQL text for both. It names its parameters `:like_this` and keeps to what both understand:

- types BIGINT, TEXT, BYTEA and BOOLEAN; a time is milliseconds since the epoch, an object is JSON in a TEXT;
- `ON CONFLICT`, `RETURNING`, row values, partial indexes; `CAST(:x AS TEXT)` where PostgreSQL cannot tell the type
  of a parameter, never `::text`; no locking clause, no array, no JSON operator;
- values of the column's own type: PostgreSQL refuses an int for a TEXT, SQLite would store it;
- `:db_now` for the moment, in milliseconds since the epoch, by the clock of the *database*. Nobody gives it: the
  engine puts its own expression there, the same value throughout a statement. What several nodes must agree on (a
  lease, what is due) is measured with it, so that a node whose clock is wrong harms nobody. A database may be opened
  with a `Clock` that stands in for its own; then that clock's time is bound as a parameter.

A text that starts with SELECT or WITH reads; everything else writes, also when it is given to `one` for the sake of
its RETURNING. An error that the database's own condition explains (locked, full, gone, too busy) is `Unavailable`, a
second row of the same unique key is `ConflictError`, any other driver error is a mistake of ours and comes as it is,
freed of the values it might quote.

A third engine is a module with the methods of `Database` and a line in `opening`; `tests/store` tells whether
it is right.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Any, Final, Literal, Protocol

from holdfast.clock import Clock

# A row by column name: a dict on SQLite, an asyncpg.Record on PostgreSQL. Read it as row["name"]: iterating over a
# Record gives its values, where a dict gives its keys.
Row = Mapping[str, Any]
Verb = Literal["all", "one", "run"]

# Seconds that one statement may take, waiting for locks and connections included.
PATIENCE = 10.0
_DB_NOW: Final = re.compile(r":db_now\b")


class Queries(Protocol):
    """What a transaction can do, and the database itself, which then keeps each statement by itself."""

    async def all(self, sql: str, /, **params: Any) -> list[Row]:
        """Every row."""
        ...

    async def one(self, sql: str, /, **params: Any) -> Row | None:
        """The first row, or None."""
        ...

    async def run(self, sql: str, /, **params: Any) -> int:
        """The number of rows that the statement inserted, updated or deleted."""
        ...


class Database(Queries, Protocol):
    """An open database. It belongs to the event loop that opened it."""

    kind: Literal["sqlite", "postgresql"]

    def transaction(self, *, patience: float = PATIENCE) -> AbstractAsyncContextManager[Queries]:
        """Keeps all that is written through what it yields, or nothing if the block is left by an error.

        Durable when it returns. A task that is cancelled inside the block leaves nothing; one that is cancelled
        while its changes are being kept has kept them. `patience` is in seconds, for each statement. Do nothing
        slow inside, least of all a call to another machine: SQLite has one transaction at a time.
        """
        ...

    async def close(self) -> None:
        """Waits for what is under way, then gives everything back."""
        ...


class DatabaseClock:
    """What an engine puts in the place of `:db_now`: its own `expression`, or the time of `stand_in`."""

    __slots__ = ("_expression", "_stand_in")

    def __init__(self, expression: str, stand_in: Clock | None) -> None:
        # Its type is told: PostgreSQL could not make out that of `:db_now + :delay`.
        self._expression = expression if stand_in is None else "CAST(:db_now AS BIGINT)"
        self._stand_in = stand_in

    def fill(self, sql: str, params: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """The statement as the engine takes it."""
        if not asks_the_time(sql):
            return sql, params
        text = _timed(sql, self._expression)
        return text, params if self._stand_in is None else {**params, "db_now": self._stand_in.now()}


class Transaction:
    """The statements of one transaction.

    PostgreSQL ends a transaction at its first error and SQLite goes on; here both end, so that a swallowed error
    can never turn into half a change on the one and a silent rollback on the other.
    """

    def __init__(self, execute: Callable[[Verb, str, Mapping[str, Any]], Awaitable[Any]]) -> None:
        self._execute = execute
        self._refusal: str | None = None

    async def all(self, sql: str, /, **params: Any) -> list[Row]:
        rows: list[Row] = await self._statement("all", sql, params)
        return rows

    async def one(self, sql: str, /, **params: Any) -> Row | None:
        row: Row | None = await self._statement("one", sql, params)
        return row

    async def run(self, sql: str, /, **params: Any) -> int:
        changed: int = await self._statement("run", sql, params)
        return changed

    def end(self) -> None:
        """Refuses further statements. RuntimeError if one has failed: there is nothing whole to keep."""
        self._refuse()
        self._refusal = "this transaction has ended"

    async def _statement(self, verb: Verb, sql: str, params: Mapping[str, Any]) -> Any:
        self._refuse()
        try:
            return await self._execute(verb, sql, params)
        except BaseException:
            self._refusal = "a statement of this transaction has failed; its error must leave the block"
            raise

    def _refuse(self) -> None:
        if self._refusal:
            raise RuntimeError(self._refusal)


@lru_cache(maxsize=4096)
def reads(sql: str) -> bool:
    """Whether the text only reads."""
    return sql.split(None, 1)[0].upper() in ("SELECT", "WITH")


@lru_cache(maxsize=4096)
def asks_the_time(sql: str) -> bool:
    """Whether `:db_now` is in the text."""
    return _DB_NOW.search(sql) is not None


@lru_cache(maxsize=512)
def _timed(sql: str, expression: str) -> str:
    return _DB_NOW.sub(expression, sql)
