"""An answer on its way out: its head leaves with the first piece of its body, in one write.

ASGI asks for no less: nothing is sent before something of the body has come ("Response Start" in its specification of
HTTP). Two writes cost the server an eighth of a small answer, and wake the client twice. Whoever wants the head to go
ahead sends an empty first piece.
"""

from __future__ import annotations

from typing import Final

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_BODILESS: Final = (204, 304)  # RFC 9110 sections 15.3.5 and 15.4.5

Headers = list[tuple[bytes, bytes]]


class Cycle(RequestResponseCycle):
    """One request and its answer. The names of an answer's headers are lower case, as ASGI has them."""

    _head = b""  # while it waits for the body
    _until_closed = False

    async def send(self, message: Message) -> None:  # type: ignore[override]
        """Takes a message of the application. RuntimeError for one that cannot follow those before, or is malformed."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.response_started:
            self._begin(message["status"], [*self.default_headers, *message["headers"]])
        elif kind == "http.response.body" and self.response_started and not self.response_complete:
            self._go_on(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"{kind} cannot follow what was sent before")

    def _begin(self, status: int, headers: Headers) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        told = dict(headers)
        length = told.get(b"content-length")
        self.expected_content_length = int(length or 0)
        bodiless = status in _BODILESS or self.scope["method"] == "HEAD"
        old = self.scope["http_version"] == "1.0"  # to which an answer without a length ends with its connection
        self.chunked_encoding = length is None and not bodiless and not old
        self._until_closed = length is None and not bodiless and old
        if self.chunked_encoding and b"transfer-encoding" not in told:
            headers.append((b"transfer-encoding", b"chunked"))
        if told.get(b"connection") == b"close":
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append((b"connection", b"close"))
        self._head = _head(status, headers)

    def _go_on(self, body: bytes, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            body = b""
        elif self.chunked_encoding:
            body = _chunk(body) if more else _chunk(body) + b"0\r\n\r\n"
        elif not self._until_closed:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not more):
                raise RuntimeError("the answer is not as long as its head says")
        self.transport.write(self._head + body)
        self._head = b""
        if not more:
            self._end()

    def _end(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _head(status: int, headers: Headers) -> bytes:
    """The status line and the headers. RuntimeError if one holds a line break, and with it another header."""
    words = STATUS_LINE.get(status, b"HTTP/1.1 %d \r\n" % status)  # some services make up statuses of their own
    lines = [words.removesuffix(b"\r\n"), *map(b": ".join, headers)]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    if len(head.splitlines()) != len(lines) + 1 or b"\0" in head:
        raise RuntimeError("a header holds a line break or a NUL")
    return head


def _chunk(data: bytes) -> bytes:
    """RFC 9112 section 7.1; an empty one would be the last."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
