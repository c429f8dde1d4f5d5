"""An HTTP exchange with an ASGI app that is under way: both bodies move a piece at a time (ASGI 3.0, HTTP).

The app may be one piece ahead of whoever reads its answer, and asks for an upload's next piece only when it wants
it, so a test sees who holds up whom. A caller that hangs up ends the app, as servers do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.types import ASGIApp, Message

from holdfast.testing.asgi import ConnectionLost


class Conversation:
    """What passes between a caller and `app`: `begin`, read `pieces`, `hang_up`. `start` is the head of the answer."""

    def __init__(self, app: ASGIApp, scope: dict[str, Any], upload: AsyncIterator[bytes]) -> None:
        self.start: Message = {}
        self._app, self._scope, self._upload = app, scope, upload
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=1)
        self._task: asyncio.Task[None] | None = None
        self._taken = False
        self._failure: Exception | None = None

    async def begin(self) -> None:
        """Starts the app and waits for the head of its answer."""
        self._task = asyncio.create_task(self._run())
        try:
            self.start = await self._message()
        except BaseException:
            await self.hang_up()
            raise

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body. ConnectionLost if the app ends before it; whatever the app or the upload raises, raises here."""
        more = True
        while more:
            message = await self._message()
            more = message.get("more_body", False)
            if self._scope["method"] != "HEAD" and message.get("body"):
                yield message["body"]

    async def _message(self) -> Message:
        message = await self._sent.get()
        if self._failure is not None:
            raise self._failure
        if message is None:
            raise ConnectionLost("the connection was closed before the answer was complete")
        return message

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._sent.put)
        except Exception as failure:  # noqa: BLE001 - raised where its caller waits
            self._failure = self._failure or failure
        await self._sent.put(None)

    async def _receive(self) -> Message:
        if self._taken:
            await asyncio.Event().wait()  # a caller that goes away ends the app instead of telling it
        try:
            piece = await anext(self._upload, None)
        except Exception as failure:
            self._failure = failure
            raise
        self._taken = piece is None
        return {"type": "http.request", "body": piece or b"", "more_body": not self._taken}

    async def hang_up(self) -> None:
        """Ends the app, if it has not ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
