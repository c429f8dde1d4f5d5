"""A vault whose database can be watched and made to fail: the engine behind it is the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Literal

from holdfast.errors import Unavailable
from holdfast.http.app import app
from holdfast.store.engine.database import PATIENCE, Database, Queries, Row
from holdfast.testing.harness import ADMIN_TOKEN, Deployment

Before = Callable[[str], Awaitable[None]]


class WatchedDatabase:
    """`before` is called with every statement's text; what it raises is what the statement raises."""

    kind: Literal["sqlite", "postgresql"]

    def __init__(self, database: Database) -> None:
        self._database = database
        self.kind = database.kind
        self.before: Before = leave_alone

    async def all(self, sql: str, /, **params: Any) -> list[Row]:
        await self.before(sql)
        return await self._database.all(sql, **params)

    async def one(self, sql: str, /, **params: Any) -> Row | None:
        await self.before(sql)
        return await self._database.one(sql, **params)

    async def run(self, sql: str, /, **params: Any) -> int:
        await self.before(sql)
        return await self._database.run(sql, **params)

    @asynccontextmanager
    async def transaction(self, *, patience: float = PATIENCE) -> AsyncIterator[Queries]:
        async with self._database.transaction(patience=patience) as transaction:
            yield _Watched(transaction, self)

    async def close(self) -> None:
        await self._database.close()


class _Watched:
    """The statements of a transaction, watched with those of their database."""

    def __init__(self, transaction: Queries, database: WatchedDatabase) -> None:
        self._transaction = transaction
        self._watch = database

    async def all(self, sql: str, /, **params: Any) -> list[Row]:
        await self._watch.before(sql)
        return await self._transaction.all(sql, **params)

    async def one(self, sql: str, /, **params: Any) -> Row | None:
        await self._watch.before(sql)
        return await self._transaction.one(sql, **params)

    async def run(self, sql: str, /, **params: Any) -> int:
        await self._watch.before(sql)
        return await self._transaction.run(sql, **params)


async def leave_alone(sql: str) -> None:
    """Nothing happens before a statement."""


def refuse(text: str = "") -> Before:
    """As a database that is not there, for the statements with `text` in them."""

    async def before(sql: str) -> None:
        if text in sql:
            raise Unavailable("The database cannot be used right now.")

    return before


def watched(vault: Deployment) -> tuple[Deployment, WatchedDatabase]:
    """The same deployment on the same rows, and the database through which it reaches them."""
    database = WatchedDatabase(vault.vault.store.database)
    return with_vault(vault, store=replace(vault.vault.store, database=database, q=database)), database


def with_vault(vault: Deployment, **members: Any) -> Deployment:
    """The same deployment with a vault that differs in `members`."""
    opened = replace(vault.vault, **members)
    return replace(vault, vault=opened, app=app(opened, ADMIN_TOKEN))
