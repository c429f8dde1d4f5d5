"""The access log: one line for each request, with its method, route, status and milliseconds.

The route is written as it was declared, `/vault/connections/{unified_api}/{service_id}`: what stands in a path or a
query may be a token, and no line of a log may hold one.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Asked every few seconds by machines; told at `debug` only.
PROBES = frozenset(("/health", "/ready", "/metrics"))

Tell = Callable[[str, str, int, float], None]


class AccessLog:
    """Tells `tell` of each request that `inner` has answered: method, route, status (0: none was sent), ms."""

    def __init__(self, inner: ASGIApp, tell: Tell) -> None:
        self._inner = inner
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        began = perf_counter()
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._inner(scope, receive, watch)
        finally:
            self._tell(scope["method"], route_of(scope), status, (perf_counter() - began) * 1000)


def logged(app: ASGIApp, level: str) -> ASGIApp:
    """`app` with an access log if `level` lets it through; else `app` itself, so that a log that is off is free."""
    return AccessLog(app, _line()) if level in ("debug", "info") else app


def route_of(scope: Scope) -> str:
    """The route that answered, with names where the path had values; `-` if none did."""
    if "path_params" not in scope:
        return "-"
    values = {value: f"{{{name}}}" for name, value in scope["path_params"].items()}
    return "/".join([values.get(segment, segment) for segment in scope["path"].split("/")])


def _line() -> Tell:
    log = structlog.get_logger().bind()  # bound once: finding the configuration again costs as much as the line

    def tell(method: str, route: str, status: int, milliseconds: float) -> None:
        said = log.debug if route in PROBES else log.info
        said("request", method=method, route=route, status=status, ms=round(milliseconds, 1))

    return tell
