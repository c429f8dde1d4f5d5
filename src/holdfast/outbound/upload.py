"""A request's body on its way: taken from its source when the server has room, counted, and never cut short in secret.

A source that fails must not look like one that ended. aiohttp writes no end after an error here, and `failure` tells
whoever waits for the answer why there will be none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from holdfast.domain.door import Upload
from holdfast.errors import RequestValidationError


class Gave(Protocol):
    """Told that the source gave a piece (`more`) or has ended."""

    def __call__(self, *, more: bool) -> None: ...


class Outgoing(AsyncIterator[bytes]):
    """The pieces of `upload`. `asks` is called before its source is asked for one, `broke` when the source failed."""

    def __init__(self, upload: Upload, *, asks: Callable[[], None], gave: Gave, broke: Callable[[], None]) -> None:
        self.failure: Exception | None = None
        self._source = aiter(upload.pieces)
        self._left = upload.length
        self._asks, self._gave, self._broke = asks, gave, broke

    async def __anext__(self) -> bytes:
        self._asks()
        try:
            piece = await self._next()
        except StopAsyncIteration:
            self._gave(more=False)
            raise
        except Exception as failure:
            self.failure = failure
            self._broke()
            raise
        self._gave(more=True)
        return piece

    async def _next(self) -> bytes:
        """The next piece that holds anything. RequestValidationError if they are more or fewer bytes than announced."""
        async for piece in self._source:
            if piece:
                return self._counted(piece)
        if self._left:
            raise RequestValidationError("The upload is shorter than was announced.")
        raise StopAsyncIteration

    def _counted(self, piece: bytes) -> bytes:
        if self._left is not None:
            self._left -= len(piece)
            if self._left < 0:
                raise RequestValidationError("The upload is longer than was announced.")
        return piece
