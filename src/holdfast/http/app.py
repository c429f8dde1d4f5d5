"""The ASGI application: all routes, and what every answer has: a request id, CORS, plain errors."""

from __future__ import annotations

import os
import re

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.errors import EntityNotFoundError, HoldfastError, MethodNotAllowedError
from holdfast.http import actions, browser, connections, errors, manage, pages
from holdfast.http.describe.openapi import openapi
from holdfast.http.operations import Endpoint, Operation, route
from holdfast.http.teller import Teller
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# The browser's endpoints are navigated to; no page may read them across origins.
_BROWSER = ("/vault/authorize/", "/vault/callback", "/vault/revoke/", "/oauth/")
_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-apideck-request-id"),
]
_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST, PATCH, PUT, DELETE, OPTIONS"),
    (
        b"access-control-allow-headers",
        (
            b"authorization, content-type, x-apideck-app-id, x-apideck-consumer-id, x-apideck-auth-type, "
            b"x-apideck-service-id"
        ),
    ),
    (b"access-control-max-age", b"600"),
]
_ALWAYS = [(b"x-content-type-options", b"nosniff")]
_SHARED = [*_ALWAYS, *_CORS]


def operations() -> list[Operation]:
    """Every operation that is declared. The one that is asked most comes first: routes are tried in order."""
    parts = (connections.api, browser.api, browser.own, actions.api, manage.api)
    return [operation for part in parts for operation in part.operations]


def app(vault: Vault, admin_token: str) -> ASGIApp:
    """The application that serves `vault`."""
    declared = operations()
    document = openapi(declared, vault.public_url)
    teller = Teller(vault)
    routes = [*(route(o, vault, admin_token, teller) for o in declared), *pages.routes(vault, document)]
    return _Frame(routes)


class _Frame:
    """What stands around every request: one layer instead of a stack of them."""

    def __init__(self, routes: list[Route]) -> None:
        self._routes = routes
        self._router = Router(routes, redirect_slashes=False)
        self._endpoints = {method: _endpoints(routes, method) for method in ("GET", "POST", "PATCH", "PUT", "DELETE")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        browser = scope["path"].startswith(_BROWSER)
        request_id = (b"x-apideck-request-id", os.urandom(16).hex().encode())
        added = (request_id, *(_ALWAYS if browser else _SHARED))
        started = False

        async def send_framed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            await self._answer(scope, receive, send_framed, browser)
        except HoldfastError as error:
            await errors.answer(error)(scope, receive, send_framed)
        except HTTPException as error:
            await self._refusal(error, scope)(scope, receive, send_framed)
        except Exception as error:
            # The one catch-all. The error's text may hold anything, so only its place is told.
            log.error("unexpected_error", error=type(error).__name__, where=_where(error))
            if not started:
                await errors.unexpected()(scope, receive, send_framed)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, browser: bool) -> None:
        if scope["method"] == "OPTIONS" and not browser:
            await _preflight()(scope, receive, send)
            return
        if b"%2f" in scope.get("raw_path", b"").lower() or "\x00" in scope["path"]:
            # A slash inside an id would become a path of its own, and a NUL is no text to PostgreSQL.
            raise EntityNotFoundError("path", "an id with %2F or %00")
        for pattern, endpoint in self._endpoints.get(scope["method"], ()):
            if match := pattern.match(scope["path"]):
                scope["path_params"] = match.groupdict()
                await endpoint(scope, receive, send)
                return
        scope["app"] = self
        await self._router(scope, receive, send)

    def _refusal(self, error: HTTPException, scope: Scope) -> Response:
        if error.status_code != 405:
            return errors.answer(EntityNotFoundError("path", scope["path"][:200]))
        answer = errors.answer(MethodNotAllowedError())
        allowed = {m for r in self._routes if r.matches(scope)[0] is not Match.NONE for m in r.methods or ()}
        answer.headers["Allow"] = ", ".join(sorted(allowed))
        return answer


def _endpoints(routes: list[Route], method: str) -> list[tuple[re.Pattern[str], Endpoint]]:
    """The operations of one method, tried before the router: its general matching costs more than many a handler."""
    return [
        (r.path_regex, r.endpoint) for r in routes if isinstance(r.endpoint, Endpoint) and method in (r.methods or ())
    ]


def _preflight() -> Response:
    response = Response(status_code=204)
    response.raw_headers = [*_PREFLIGHT]
    return response


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
