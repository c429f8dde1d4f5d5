"""The access log: one line for each request, with its method, route, status and milliseconds.

The route is written as it was declared, `/vault/connections/{unified_api}/{service_id}`: what stands in a path or a
query may be a token, and no line of a log may hold one.

Every request pays for its line, so it is put together by hand, and with those of the same tick.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from time import perf_counter

import msgspec
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.clock import Clock, SystemClock
from holdfast.server import logs
from holdfast.server.logs import Lines

# Asked every few seconds by machines; told at `debug` only.
PROBES = frozenset(("/health", "/ready", "/metrics"))

Tell = Callable[[str, str, int, float], None]


class AccessLog:
    """Tells `tell` of each request that `inner` has answered: method, route, status (0: none was sent), ms.

    Route and status are what `inner` leaves in its scope; `-` and 0 if it leaves nothing. `end` is called when the
    server's lifespan has ended.
    """

    def __init__(self, inner: ASGIApp, tell: Tell, end: Callable[[], None] = lambda: None) -> None:
        self._inner = inner
        self._tell = tell
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            try:
                await self._inner(scope, receive, send)
            finally:
                self._end()
            return
        began = perf_counter()
        try:
            await self._inner(scope, receive, send)
        finally:
            took = (perf_counter() - began) * 1000
            self._tell(scope["method"], scope.get("route", "-"), scope.get("status", 0), took)


class _Json:
    """Writes lines as structlog does, `{"event":"request",…,"timestamp":…}`, without asking it."""

    def __init__(self, lines: Lines, level: str, clock: Clock) -> None:
        self._lines = lines
        self._clock = clock
        self._silent = PROBES if level != "debug" else frozenset[str]()
        # What comes before the milliseconds. As many as there are routes, methods and statuses: a few hundred.
        self._heads: dict[tuple[str, str, int], str] = {}
        self._second, self._date = 0, ""

    def tell(self, method: str, route: str, status: int, milliseconds: float) -> None:
        """Takes the line of one request."""
        if route not in self._silent:
            self._lines.soon(self._line, method, route, status, milliseconds, self._clock.now())

    def _line(self, method: str, route: str, status: int, milliseconds: float, now: int) -> str:
        head = self._heads.get((method, route, status)) or self._head(method, route, status)
        second, thousandths = divmod(now, 1000)
        if second != self._second:
            self._second = second
            self._date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f'{head}{milliseconds:.1f},"timestamp":"{self._date}.{thousandths:03}Z"}}\n'

    def _head(self, method: str, route: str, status: int) -> str:
        level = "debug" if route in PROBES else "info"
        members = {"event": "request", "level": level, "method": method, "route": route, "status": status}
        head = msgspec.json.encode(members).decode()[:-1] + ',"ms":'
        self._heads[method, route, status] = head
        return head


def logged(app: ASGIApp, level: str, lines: Lines) -> ASGIApp:
    """`app` with an access log if `level` lets it through; else `app` itself, so that a log that is off is free."""
    if level not in ("debug", "info"):
        return app
    tell = _for_people() if logs.is_watched() else _Json(lines, level, SystemClock()).tell
    return AccessLog(app, tell, lines.flush)


def _for_people() -> Tell:
    log = structlog.get_logger().bind()  # bound once: finding the configuration again costs as much as the line

    def tell(method: str, route: str, status: int, milliseconds: float) -> None:
        said = log.debug if route in PROBES else log.info
        said("request", method=method, route=route, status=status, ms=round(milliseconds, 1))

    return tell
