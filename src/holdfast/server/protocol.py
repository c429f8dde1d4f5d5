"""HTTP/1.1 (RFC 9112) with an end to what a client may send and to how long it may take; the parser itself has none.

Too much is answered 400 and the connection closed, as for any request that is not HTTP/1; too slow is only closed.
A request that is answered before its body has come is the last one on its connection.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal, cast
from urllib.parse import unquote

from httptools import parse_url
from prometheus_client import Counter
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from holdfast.server import openfiles
from holdfast.server.answer import Cycle

# Bytes of the request line and the headers together, and the number of headers.
HEAD_LIMIT = 32_768
HEADERS_LIMIT = 100
# Seconds from the first byte of a request, or from connecting, until its headers are complete.
HEAD_TIMEOUT = 20.0
# Seconds in which a body that is not complete has to go on by BODY_STEP bytes.
BODY_TIMEOUT = 30.0
BODY_STEP = 65_536
# Seconds in which a client that was answered early may take notice.
LINGER = 5.0
# Seconds that a connection without a request so far still has for one when the process ends.
FIRST_REQUEST = 1.0
# Connections of one process at a time, and files that are left for everything else: database, log, providers.
CONNECTIONS = 2000
RESERVED_FILES = 128

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 21\r\n"
    b"retry-after: 1\r\nconnection: close\r\n\r\nToo many connections."
)
_refused = Counter("holdfast_connections_refused", "Connections that were one too many.")


class RefusedHead(Exception):
    """The request line and its headers are larger than allowed, or not those of HTTP/1."""


class EndingState(ServerState):
    """What the connections of a server share; `ending` once every answer is to be the last one on its connection."""

    def __init__(self) -> None:
        super().__init__()
        self.ending = False


class LimitedProtocol(HttpToolsProtocol):
    """The server's protocol for one connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._awaited: Literal["head", "body"] | None = "head"
        self._head_size = 0  # of a head that is not complete
        self._head_bound = 0  # no head that is complete by now was larger
        self._step = 0
        self._keep_alive = True
        self._lingering = False
        self._asked = False  # there was a request
        self._deadline: asyncio.TimerHandle | None = None
        self._idle_since: float | None = None  # None while a request comes or is answered
        self._rest: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > min(CONNECTIONS, max(1, openfiles.limit() - RESERVED_FILES)):
            _refused.inc()
            transport.write(_FULL)
            transport.close()
            return
        self._watch(HEAD_TIMEOUT)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        if self._rest is not None:
            self._rest.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head_bound = self._head_size + len(data)
        super().data_received(data)
        # Nearly every request comes in one piece and is over by now; only one that is not costs anything here.
        if self._awaited and not self._lingering and not self.transport.is_closing():
            if self._awaited == "head":
                self._head_came(len(data))
            else:
                self._body_came(len(data))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._awaited = "head"
        self._head_size = 0
        self._idle_since = None

    def on_headers_complete(self) -> None:
        """As uvicorn's, but for what is never asked of it here: WebSockets, a root path, a limit of its own."""
        self._awaited = "body"
        self._asked = True
        self._step = 0
        self._head_size = 0
        self._stop_watching()
        version = self.parser.get_http_version()
        self._check_head(version)
        url = parse_url(self.url)
        path = url.path.decode("ascii")
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = version
        self.scope["path"] = unquote(path) if "%" in path else path
        self.scope["raw_path"] = url.path
        self.scope["query_string"] = url.query or b""
        if isinstance(self.server_state, EndingState) and self.server_state.ending:
            self.scope["ending"] = True  # type: ignore[typeddict-unknown-key]
        former = cast("Cycle | None", self.cycle)
        self.cycle = self._begun()
        self._keep_alive = version != "1.0" and self.parser.should_keep_alive() and "ending" not in self.scope
        if former is None or former.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:  # pipelined: its turn comes when those before it are answered
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _begun(self) -> Cycle:
        return Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            # What is answered now is answered without its body, which would have to be read before the next request.
            keep_alive=False,
            on_response=self.on_response_complete,
        )

    def on_message_complete(self) -> None:
        self._awaited = None
        self._stop_watching()
        super().on_message_complete()
        if self._lingering:
            self.transport.close()
        elif not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive

    def on_response_complete(self) -> None:
        """As uvicorn's, but for the time that a connection may be idle: no timer is set and taken back each time."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self._rest is None:
            self._rest = self.loop.call_later(self.timeout_keep_alive, self._end_idle)

    def shutdown(self) -> None:
        """Closes the connection once nothing is asked on it any more."""
        self._keep_alive = False
        if self._head_size:
            return  # the request that is being sent is answered, as the last one
        if self._asked:
            super().shutdown()
        else:
            self.loop.call_later(FIRST_REQUEST, self._close_unused)

    def _close_unused(self) -> None:
        if not self._asked and not self._head_size:
            self.transport.close()

    def close(self) -> None:
        """Closes the connection after an answer; after one to a body that is still coming, in two stages.

        To close at once would reset the connection, and the client might lose the answer (RFC 9112 section 9.6).
        """
        if self._awaited != "body" or not self.cycle.response_complete:
            self.transport.close()
            return
        self._lingering = True
        self.transport.write_eof()
        self._stop_watching()
        self._watch(LINGER)

    def _check_head(self, version: str) -> None:
        if len(self.headers) > HEADERS_LIMIT or self._head_bound > HEAD_LIMIT < self._measured():
            raise RefusedHead
        hosts = [name for name, _ in self.headers if name == b"host"]
        # RFC 9112 section 3.2: one Host, and none only in HTTP/1.0.
        if version not in ("1.1", "1.0") or len(hosts) > 1 or (version == "1.1" and not hosts):
            raise RefusedHead

    def _measured(self) -> int:
        return len(self.url) + sum([len(name) + len(value) for name, value in self.headers])

    def _head_came(self, size: int) -> None:
        self._head_size += size
        if self._head_size > HEAD_LIMIT:
            self.send_400_response("The headers are too large.")
        self._watch(HEAD_TIMEOUT)

    def _body_came(self, size: int) -> None:
        self._step += size
        if self._step >= BODY_STEP:
            self._step = 0
            self._stop_watching()
        if self._deadline is None:
            self.cycle.transport = cast(asyncio.Transport, _Ending(self))
            self._watch(BODY_TIMEOUT)

    def _end_idle(self) -> None:
        """Closes a connection that has been idle for long; looks again, when it will have been, at one that has not."""
        self._rest = None
        if self._idle_since is None:
            return  # the next answer sets the timer
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._rest = self.loop.call_later(left, self._end_idle)
        else:
            self.timeout_keep_alive_handler()

    def _watch(self, seconds: float) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(seconds, self._give_up)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self._awaited == "body" and not self._lingering and self._is_held_up():
            self._watch(BODY_TIMEOUT)
        else:
            self.transport.close()

    def _is_held_up(self) -> bool:
        """Whether a body does not go on because of the application: it does not read, or has not asked for it."""
        return self.flow.read_paused or self.cycle.waiting_for_100_continue


class _Ending:
    """A transport, for the answer to a body that is still coming, whose end the protocol decides."""

    def __init__(self, protocol: LimitedProtocol) -> None:
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing
        self.close = protocol.close
