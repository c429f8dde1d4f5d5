"""HTTP/1.1 with an end to what may come before a body: the parser itself has no limit, in size or in time.

Too much is answered 400 and the connection closed, as for any request that is not HTTP; too slow is only closed.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Bytes of the request line and the headers together, and the number of headers.
HEAD_LIMIT = 32_768
HEADERS_LIMIT = 100
# Seconds from the first byte of a request, or from connecting, until its headers are complete.
HEAD_TIMEOUT = 20.0


class HeadTooLarge(Exception):
    """The request line and its headers are larger than allowed."""


class LimitedProtocol(HttpToolsProtocol):
    """The server's protocol for one connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_size = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Nearly every head comes in one piece and is over by now; only one that is not costs anything here.
        if self._in_head and not self.transport.is_closing():
            self._head_size += len(data)
            if self._head_size > HEAD_LIMIT:
                self.send_400_response("The headers are too large.")
            self._watch_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_size = 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_watching()
        size = len(self.url) + sum([len(name) + len(value) for name, value in self.headers])
        if size > HEAD_LIMIT or len(self.headers) > HEADERS_LIMIT:
            raise HeadTooLarge
        super().on_headers_complete()

    def _watch_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_TIMEOUT, self.transport.close)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
