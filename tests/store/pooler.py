"""A pooler in front of PostgreSQL, as PgBouncer works: it answers the start-up itself and lends out sessions."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

# Types of messages: https://www.postgresql.org/docs/current/protocol-message-formats.html
READY, TERMINATE, SSL_REQUEST = b"Z", b"X", 80877103
IDLE = b"I"


class Pooler:
    """`mode` as PgBouncer's pool_mode: until when a client keeps the session that it was lent. In `statement` mode a
    transaction of several statements is refused there; here the session is given away even inside one."""

    def __init__(self, url: str, mode: str) -> None:
        self._at = urlsplit(url)
        self._mode = mode
        self._idle: list[Stream] = []
        self._every: list[asyncio.StreamWriter] = []
        self._startup = self._greeting = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, from its start-up to its end."""
        self._every.append(writer)
        try:
            await self._greet(reader, writer)
            await self._relay(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def close(self) -> None:
        for writer in self._every:
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        startup = await _untyped(reader)
        while struct.unpack("!I", startup[4:8])[0] == SSL_REQUEST:
            writer.write(b"N")
            startup = await _untyped(reader)
        if not self._greeting:
            self._startup = startup
            self._idle.append(await self._session())
        writer.write(self._greeting)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering: asyncio.Task[None] | None = None
        lent: Stream | None = None
        while (message := await _typed(reader))[:1] != TERMINATE:
            if answering is None or answering.done():
                # The one that was given back last is lent first; where there is none, another one is made.
                lent = self._idle.pop() if self._idle else await self._session()
                answering = asyncio.create_task(self._answer(lent, writer))
            assert lent is not None
            lent[1].write(message)
        if answering is not None:
            answering.cancel()

    async def _answer(self, lent: Stream, writer: asyncio.StreamWriter) -> None:
        """Passes on what a session answers, until it is given back."""
        while not self._is_free(answer := await _typed(lent[0])):
            writer.write(answer)
        self._idle.append(lent)
        writer.write(answer)

    def _is_free(self, answer: bytes) -> bool:
        return _ends(answer) and (self._mode == "statement" or (self._mode == "transaction" and answer[5:6] == IDLE))

    async def _session(self) -> Stream:
        host = parse_qs(self._at.query)["host"][0]
        port = self._at.port or 5432
        reader, writer = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        self._every.append(writer)
        writer.write(self._startup)
        greeting = answer = b""
        while not _ends(answer):
            answer = await _typed(reader)
            greeting += answer
        self._greeting = self._greeting or greeting
        return reader, writer


@asynccontextmanager
async def pooling(url: str, mode: str) -> AsyncIterator[str]:
    """The URL of a pooler before the server at `url`."""
    pooler = Pooler(url, mode)
    server = await asyncio.start_server(pooler.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    at = urlsplit(url)
    try:
        yield f"postgresql://{at.username or 'postgres'}@127.0.0.1:{port}{at.path}?sslmode=disable"
    finally:
        server.close()
        await pooler.close()


def _ends(message: bytes) -> bool:
    return message[:1] == READY


async def _untyped(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(struct.unpack("!I", head)[0] - 4)


async def _typed(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
