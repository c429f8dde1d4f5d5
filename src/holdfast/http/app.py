"""The ASGI application: all routes, and what every answer has: a request id, CORS, plain errors."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Iterator

import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.errors import EntityNotFoundError, HoldfastError, MethodNotAllowedError
from holdfast.http import (
    actions,
    browser,
    connections,
    credentials,
    errors,
    manage,
    policies,
    probes,
    proxy,
    token_exchange,
)
from holdfast.http.describe.openapi import openapi
from holdfast.http.guesses import Guesses
from holdfast.http.operations import Operation, route
from holdfast.http.pages import landing, refusals, visitor
from holdfast.http.routes import Routes
from holdfast.http.teller import Teller
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# What pages of other origins call, with a key: the Vault API and the proxy. Browsers navigate to the endpoints below.
_CALLED = ("/vault/", "/proxy")
_BROWSER = ("/vault/authorize/", "/vault/callback", "/vault/revoke/", "/oauth/", "/assets/")
_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-apideck-request-id"),
)
# An answer of a service has headers that nobody here knows.
_FOREIGN_CORS = (_CORS[0], (b"access-control-expose-headers", b"*"))
_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST, PATCH, PUT, DELETE, OPTIONS"),
    (
        b"access-control-allow-headers",
        (
            b"authorization, content-type, x-apideck-app-id, x-apideck-consumer-id, x-apideck-auth-type, "
            b"x-apideck-service-id, x-apideck-unified-api, x-apideck-downstream-url, x-apideck-downstream-method, "
            b"x-apideck-downstream-authorization, x-apideck-timeout, idempotency-key"
        ),
    ),
    (b"access-control-max-age", b"600"),
]
_ALWAYS = ((b"x-content-type-options", b"nosniff"),)
# Answers of these hold keys, states, links and settings; those for browsers say so themselves.
_PRIVATE = (*_ALWAYS, (b"cache-control", b"no-store"))
_SHARED = (*_PRIVATE, *_CORS)
_FOREIGN = (*_PRIVATE, *_FOREIGN_CORS)

Added = tuple[tuple[bytes, bytes], ...]


def operations() -> list[Operation]:
    """Every operation that is declared."""
    parts = (
        connections.api, credentials.api, browser.api, browser.own, actions.api, proxy.api, manage.api, policies.api,
    )  # fmt: skip
    return [operation for part in parts for operation in part.operations]


def app(vault: Vault, admin_token: str) -> ASGIApp:
    """The application that serves `vault`."""
    declared = operations()
    document = openapi(declared, vault.public_url)
    teller, guesses = Teller(vault), Guesses(vault.clock)
    routes = [
        *(route(o, vault, admin_token, teller, guesses) for o in declared),
        *browser.forms(vault),
        *landing.routes(vault),
        *token_exchange.routes(vault, guesses),
        *probes.routes(vault, document),
    ]
    return Frame(routes)


class Frame:
    """What stands around every request: one layer instead of a stack of them."""

    def __init__(self, routes: list[Route]) -> None:
        self._routes = Routes(routes)
        self._beside = Router()  # answers for the lifespan, and refuses a WebSocket
        self._ids = _request_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._beside(scope, receive, send)
            return
        browses = scope["path"].startswith(_BROWSER)
        shared = not browses and scope["path"].startswith(_CALLED)
        answer = _Answer(scope, send, (next(self._ids), *_added(scope["path"], shared)))
        try:
            await self._app(scope, shared)(scope, receive, answer)
        except Exception as error:
            if answer.begun:
                # Nothing can be said any more. An answer that stays unfinished is one whose connection the server
                # closes, so that nobody takes it for a whole one.
                log.error("answer_cut_off", error=type(error).__name__, where=_where(error))
                return
            told = self._refusal(error, scope)
            if browses and visitor.reads_pages(Headers(scope=scope)):
                told = refusals.refused(error, told)
            await told(scope, receive, answer)

    def _app(self, scope: Scope, shared: bool) -> ASGIApp:
        """What answers a request."""
        method, path = scope["method"], scope["path"]
        if method == "OPTIONS" and shared and _is_preflight(scope):
            return _preflight()
        if "\x00" in path or b"%2f" in scope.get("raw_path", b"").lower():
            # A slash inside an id would become a path of its own, and a NUL is no text to PostgreSQL.
            raise EntityNotFoundError("path", "an id with %2F or %00")
        found = self._routes.find(method, path)
        if found is not None:
            way, scope["path_params"] = found
            scope["route"] = way.path
            return way.app
        if self._routes.methods(path):
            raise MethodNotAllowedError()
        raise EntityNotFoundError("path", path[:200])

    def _refusal(self, error: Exception, scope: Scope) -> Response:
        if not isinstance(error, HoldfastError):
            # The one catch-all. The error's text may hold anything, so only its place is told.
            log.error("unexpected_error", error=type(error).__name__, where=_where(error))
            return errors.unexpected()
        answer = errors.answer(error)
        if isinstance(error, MethodNotAllowedError):
            answer.headers["Allow"] = ", ".join(self._routes.methods(scope["path"]))
        return answer


def _added(path: str, shared: bool) -> Added:
    if shared:
        return _FOREIGN if path == "/proxy" else _SHARED
    return _PRIVATE if path.startswith("/manage/") else _ALWAYS


class _Answer:
    """A `send` that adds what every answer has, and begins only one; its status is left in the scope, for the log.

    No coroutine of its own, as there are many.
    """

    __slots__ = ("_added", "_scope", "_send", "begun")

    def __init__(self, scope: Scope, send: Send, added: Added) -> None:
        self._scope = scope
        self._send = send
        self._added = added
        self.begun = False

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            if self.begun:
                raise RuntimeError("an answer was begun twice")
            self.begun = True
            self._scope["status"] = message["status"]
            message["headers"] = [*message["headers"], *self._added]
        return self._send(message)


def _request_ids() -> Iterator[tuple[bytes, bytes]]:
    """Added with 128 random bits each, without asking the system for every single one."""
    while True:
        block = os.urandom(4096).hex().encode()
        for at in range(0, len(block), 32):
            yield (b"x-apideck-request-id", block[at : at + 32])


def _is_preflight(scope: Scope) -> bool:
    """Whether a browser asks, and not a program that wants a service's own OPTIONS (Fetch standard, CORS-preflight)."""
    return scope["path"] != "/proxy" or any(name == b"access-control-request-method" for name, _ in scope["headers"])


def _preflight() -> Response:
    response = Response(status_code=204)
    response.raw_headers = [*_PREFLIGHT]
    return response


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
