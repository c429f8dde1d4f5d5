"""The ASGI application: all routes, and what every answer has: a request id, CORS, plain errors."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.errors import EntityNotFoundError, HoldfastError, MethodNotAllowedError, RequestValidationError
from holdfast.http import connections, errors, manage, oauth, pages
from holdfast.http.openapi import openapi
from holdfast.http.operations import Operation, route
from holdfast.usecases import Vault

log = structlog.get_logger()

# The browser's endpoints are navigated to; no page may read them across origins.
_BROWSER = ("/vault/authorize/", "/vault/callback", "/vault/revoke/", "/oauth/")
_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-apideck-request-id"),
]
_PREFLIGHT = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, POST, PATCH, PUT, DELETE, OPTIONS"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, x-apideck-app-id, x-apideck-consumer-id, x-apideck-auth-type, "
        b"x-apideck-service-id",
    ),
    (b"access-control-max-age", b"600"),
]
_ALWAYS = [(b"x-content-type-options", b"nosniff")]


def operations() -> list[Operation]:
    """Every operation that is declared. The one that is asked most comes first: routes are tried in order."""
    return [*connections.api.operations, *oauth.actions.operations, *manage.api.operations]


def app(vault: Vault, admin_token: str, lifespan: Callable[[Starlette], object] | None = None) -> ASGIApp:
    """The application that serves `vault`."""
    declared = operations()
    document = openapi(declared, vault.public_url)
    made = Starlette(
        routes=[*(route(o, vault, admin_token) for o in declared), *pages.routes(vault, document)],
        exception_handlers={
            HoldfastError: _answer_error,
            HTTPException: _answer_http,
        },
        lifespan=lifespan,  # type: ignore[arg-type]
    )
    made.state.public_url = vault.public_url
    made.router.redirect_slashes = False
    return _Frame(made)


class _Frame:
    """What stands around every request, without a layer's cost on the way."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        browser = scope["path"].startswith(_BROWSER)
        added = [*_ALWAYS, (b"x-apideck-request-id", secrets.token_hex(16).encode()), *(() if browser else _CORS)]

        async def send_framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        if scope["method"] == "OPTIONS" and not browser:
            await _empty(204, _PREFLIGHT)(scope, receive, send)
        elif b"%2f" in scope.get("raw_path", b"").lower():
            # A slash inside an id would become a path of its own.
            await errors.answer(EntityNotFoundError("path", "%2F"))(scope, receive, send_framed)
        else:
            await self._run(scope, receive, send_framed)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._inner(scope, receive, watch)
        except Exception as error:
            # The one catch-all. Its text may hold anything, so only the place is told.
            log.error("unexpected_error", error=type(error).__name__, where=_where(error))
            if not started:
                await errors.unexpected()(scope, receive, send)


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HoldfastError)
    return errors.answer(error)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        answer = errors.answer(MethodNotAllowedError())
        answer.headers["Allow"] = (error.headers or {}).get("Allow", "")
        return answer
    if error.status_code == 404:
        return errors.answer(EntityNotFoundError("path", request.url.path[:200]))
    return errors.answer(RequestValidationError(error.detail))


def _empty(status: int, headers: list[tuple[bytes, bytes]]) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    response = Response(status_code=status)
    response.raw_headers = [*headers]
    return response


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
