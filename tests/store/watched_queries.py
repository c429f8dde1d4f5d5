"""A way into the database that counts what goes through it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from holdfast.store.engine.database import Queries, Row

T = TypeVar("T")


class Watched:
    """`asked` is how many statements were answered."""

    def __init__(self, inner: Queries) -> None:
        self._inner = inner
        self._heard = asyncio.Event()
        self.asked = 0

    async def all(self, sql: str, /, **params: Any) -> list[Row]:
        return await self._counted(self._inner.all(sql, **params))

    async def one(self, sql: str, /, **params: Any) -> Row | None:
        return await self._counted(self._inner.one(sql, **params))

    async def run(self, sql: str, /, **params: Any) -> int:
        return await self._counted(self._inner.run(sql, **params))

    async def answered(self, statements: int) -> None:
        """Returns once so many were answered, and whoever asked has gone on to what it waits for next."""
        while self.asked < statements:
            self._heard.clear()
            await self._heard.wait()

    async def _counted(self, answer: Awaitable[T]) -> T:
        given = await answer
        self.asked += 1
        self._heard.set()
        return given
