"""Files of any size that nobody keeps: a download made as it leaves, an upload counted as it comes.

For tests of whatever carries bodies between two ends:

    files = Files()
    provider = SandboxProvider(api=[*Crm().routes(), *files.routes()])
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from holdfast.testing.provider.api import ApiRoute, Call

AT_ONCE = 64 * 1024

Body = AsyncIterator[bytes]


class Streamed(Response):
    """An answer whose body is made of the request's, both a piece at a time: `exchange` turns one into the other.

    The head waits for the first piece, and whoever sends no upload any more gets no answer.
    """

    def __init__(
        self, exchange: Callable[[Body], Body], status: int = 200, media_type: str = "application/octet-stream"
    ) -> None:
        super().__init__(status_code=status)
        self.raw_headers = [(b"content-type", media_type.encode())]
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = self._exchange(Request(scope, receive).stream())
        with contextlib.suppress(ClientDisconnect):
            piece = await anext(body, b"")
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await anext(body, b"")
            await send({"type": "http.response.body", "body": b""})


class Files:
    """`GET …/files/{size}` gives so many bytes, `POST …/files` says what it got, `POST …/files/echo` gives it back.

    `given` and `taken` are the bytes of all bodies so far, `broken` counts uploads that ended too early.
    """

    def __init__(self) -> None:
        self.given = self.taken = self.broken = 0

    def routes(self) -> tuple[ApiRoute, ...]:
        return (
            ApiRoute("GET", "/api/v1/files/{size}", self._download),
            ApiRoute("POST", "/api/v1/files", lambda _: Streamed(self._count, 201, "application/json"), streams=True),
            ApiRoute("POST", "/api/v1/files/echo", lambda _: Streamed(self._echo), streams=True),
        )

    def _download(self, call: Call) -> Response:
        size = int(call.request.segments["size"])
        return StreamingResponse(self._give(_pattern(size)), headers={"Content-Length": str(size)})

    async def _give(self, pieces: Body) -> Body:
        async for piece in pieces:
            self.given += len(piece)
            yield piece

    async def _echo(self, upload: Body) -> Body:
        async for piece in self._give(upload):
            self.taken += len(piece)
            if piece:  # an upload ends with an empty one
                yield piece

    async def _count(self, upload: Body) -> Body:
        size, digest = 0, hashlib.sha256()
        self.broken += 1  # until it has ended
        async for piece in upload:
            size, self.taken = size + len(piece), self.taken + len(piece)
            digest.update(piece)
        self.broken -= 1
        yield json.dumps({"size": size, "sha256": digest.hexdigest()}).encode()


async def _pattern(size: int) -> Body:
    block = bytes(range(256)) * (AT_ONCE // 256)
    while size > 0:
        await asyncio.sleep(0)  # what reads from a disk gives way, too; or nobody could end it
        yield block[:size]
        size -= AT_ONCE
