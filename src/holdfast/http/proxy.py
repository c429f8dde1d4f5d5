"""`/proxy`: the caller's method, URL and body go to the service, its status, headers and body come back.

Nothing is held: a piece of either body is taken when the other side has taken the one before. A caller who goes away
ends the call at the service too. `docs/reference/proxy.md` says what callers may count on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from holdfast.domain import passing
from holdfast.domain.door import Upload
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import PayloadTooLargeError, RequestHeadersValidationError
from holdfast.grants.forward import Asked
from holdfast.http.callers import ID_LIMIT
from holdfast.http.operations import Api, Call, Header
from holdfast.usecases.proxy.answer import Answered, answer
from holdfast.usecases.proxy.call import Wanted
from holdfast.usecases.proxy.find import UNIFIED_API
from holdfast.usecases.vault import Vault

api = Api("Proxy")

SERVICE_ID, URL = "x-apideck-service-id", "x-apideck-downstream-url"
METHOD, AUTHORIZATION = "x-apideck-downstream-method", "x-apideck-downstream-authorization"
TIMEOUT, IDEMPOTENCY_KEY = "x-apideck-timeout", "idempotency-key"
HEADERS: Final = (
    Header(SERVICE_ID, "The connector's id.", "acme-crm", required=True),
    Header(UNIFIED_API, "The unified API, if the consumer has the service under several.", "crm"),
    Header(
        URL, "What to call: an absolute URL of the service, or a path below its base URL. `{setting}` stands for a "
        "setting of the connection.", "https://api.example.com/v1/leads?limit=50", required=True,
    ),
    Header(METHOD, "The method to call it with, if not that of the request.", "GET"),
    Header(AUTHORIZATION, "Sent as Authorization in place of the connection's credential.", "Bearer 4f8a1c"),
    Header(TIMEOUT, "Milliseconds to the head of the answer; 28000 unless given.", "28000"),
    Header(IDEMPOTENCY_KEY, "Names a write, which is then done once however often it is sent.", "5f1c9a3e-order-7731"),
)  # fmt: skip
METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
_DECISIVE: Final = frozenset(name.encode() for name in (
    SERVICE_ID, UNIFIED_API, URL, METHOD, AUTHORIZATION, TIMEOUT, IDEMPOTENCY_KEY,
))  # fmt: skip
_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding"))
# Seconds, and what is waited for at most.
PATIENCE, LONGEST = 28.0, 600.0
# A body up to this size is held, so that it can be sent again with a new token.
HELD: Final = 256 * 1024
# Bytes of a body in either direction.
LARGEST: Final = 16 << 30
# Seconds after which it is looked whether the caller is still there.
WATCHED_AFTER: Final = 0.05
# An answer of somebody else's, on the vault's own origin, is no page of it.
_OURS: Final = [(b"content-security-policy", b"sandbox; default-src 'none'")]
_THEIR_ERROR: Final = (b"x-apideck-downstream-error", b"true")


async def _forward(call: Call) -> Response:
    """Sends the request to the service, with the credential of the consumer's connection on it."""
    return Forwarded(call.consumer, call.vault)


for _method in METHODS:
    api.operation(
        _method,
        "/proxy",
        f"{_method.lower()}Proxy",
        summary=f"{_method} through the proxy",
        needs="proxy",
        headers=HEADERS,
        streams=True,
    )(_forward)


class Forwarded(Response):
    """The answer of a proxied call. The call is made when the answer is sent."""

    def __init__(self, caller: ConsumerScope, vault: Vault) -> None:
        super().__init__()
        self._caller, self._vault = caller, vault

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        caller = _Caller(scope, receive)
        try:
            said, length = _said(scope["headers"])
            named = _required(said, SERVICE_ID), said.get(UNIFIED_API)
            wanted = await _wanted(scope, said, length, caller)
            async with answer(self._caller, self._vault, *named, wanted) as answered:
                await _pass(answered, scope["method"], caller, send)
        except _Left:
            return  # there is nobody to tell
        except asyncio.CancelledError:
            if not caller.left:
                raise
            caller.forget()
        finally:
            caller.stop_watching()


class _Left(Exception):
    """The caller has gone in the middle of its body."""


class _Caller:
    """The other end of the request: its body, and whether it is still there."""

    def __init__(self, scope: AsgiScope, receive: Receive) -> None:
        self._receive = receive
        self._task = asyncio.current_task()
        self._watch: asyncio.Task[None] | asyncio.TimerHandle | None = None
        self._told = False
        self.left = False
        self._read = not any(name in _FRAMING for name, _ in scope["headers"])

    async def body(self, length: int | None) -> tuple[bytes | None, Upload | None]:
        """The body: held if it is small, else as it comes. _Left if it breaks off while it is held."""
        if self._read:
            self._watch_soon()
            return None, None
        pieces = self._pieces()
        if length is not None and length > HELD:
            return None, Upload(pieces, length)
        held = bytearray()
        async for piece in pieces:
            held += piece
            if len(held) > HELD:
                return None, Upload(_after(bytes(held), pieces), length)
        return bytes(held), None

    async def _pieces(self) -> AsyncIterator[bytes]:
        size = 0
        while not self._read:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _Left
            self._read = not message.get("more_body", False)
            size += len(message.get("body", b""))
            if size > LARGEST:
                raise PayloadTooLargeError(f"The body is larger than {LARGEST >> 30} GiB.")
            if self._read:
                self._watch_soon()
            yield message.get("body", b"")

    def _watch_soon(self) -> None:
        """Most calls are over before anybody could leave; only the others cost a task."""
        self._watch = asyncio.get_running_loop().call_later(WATCHED_AFTER, self._begin_watching)

    def _begin_watching(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._watching())

    async def _watching(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._told and self._task is not None:
            self.left = True
            self._task.cancel()

    def told(self) -> None:
        """The answer is complete with what is sent next."""
        self._told = True

    def forget(self) -> None:
        """What was cancelled for its caller's sake ends as if it had been done."""
        if self._task is not None:
            self._task.uncancel()

    def stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()


async def _after(held: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield held
    async for piece in pieces:
        yield piece


async def _pass(passed: Answered, method: str, caller: _Caller, send: Send) -> None:
    """The answer, piece by piece; its end goes with the last of them where the length says which that is."""
    headers = [*passed.headers(bodiless=method != "HEAD" and passed.bodiless), *_OURS]
    if passed.status >= 400:
        headers.append(_THEIR_ERROR)
    left, ended = _length(headers), False
    await send({"type": "http.response.start", "status": passed.status, "headers": headers})
    if left is None:  # events may be long in coming, and whoever waits for them is told that they will
        await send({"type": "http.response.body", "body": b"", "more_body": True})
    async for piece in passed.pieces():
        left = None if left is None else left - len(piece)
        if left == 0:
            ended = True
            caller.told()
        await send({"type": "http.response.body", "body": piece, "more_body": not ended})
    if not ended:
        caller.told()
        await send({"type": "http.response.body", "body": b""})


async def _wanted(scope: AsgiScope, said: dict[str, str], length: int | None, caller: _Caller) -> Wanted:
    """What the request asks for. RequestHeadersValidationError if it does not say so."""
    method = str(said.get(METHOD) or scope["method"]).upper()
    if method not in METHODS:
        raise RequestHeadersValidationError(f"{METHOD} is one of {', '.join(METHODS)}.")
    if length is not None and length > LARGEST:
        raise PayloadTooLargeError(f"The body is larger than {LARGEST >> 30} GiB.")
    url, own, key = _required(said, URL), said.get(AUTHORIZATION), said.get(IDEMPOTENCY_KEY)
    if key is not None and len(key) > ID_LIMIT:
        raise RequestHeadersValidationError(f"{IDEMPOTENCY_KEY} has at most {ID_LIMIT} characters.")
    asked, seconds = Asked(method, url, passing.onward(scope["headers"]), own, key), _seconds(said.get(TIMEOUT))
    body, upload = await caller.body(length)
    return Wanted(asked, body, upload, seconds, LARGEST)


def _said(headers: list[passing.Raw]) -> tuple[dict[str, str], int | None]:
    """The headers that say what is wanted, and the length of the body; empty ones are not there."""
    found: dict[str, str] = {}
    length: int | None = None
    for name, value in headers:
        if name == b"idempotency-key" and not value:
            raise RequestHeadersValidationError(f"{IDEMPOTENCY_KEY} is empty; leave it out, or name the write.")
        if name in _DECISIVE and value:
            if name.decode() in found:
                raise RequestHeadersValidationError(f"{name.decode()} was sent more than once.")
            found[name.decode()] = _printable(name, value)
        elif name == b"content-length":
            if length is not None or not value.isdigit():
                raise RequestHeadersValidationError("Content-Length is not one number.")
            length = int(value)
    return found, length


def _printable(name: bytes, value: bytes) -> str:
    text = value.decode("latin-1")
    if not text.isascii() or not text.isprintable():
        raise RequestHeadersValidationError(f"{name.decode()} holds something else than printable ASCII.")
    return text


def _required(said: dict[str, str], name: str) -> str:
    if name not in said:
        raise RequestHeadersValidationError({"missing": [{name: "required"}]})
    return said[name]


def _seconds(milliseconds: str | None) -> float:
    if milliseconds is None:
        return PATIENCE
    if not milliseconds.isdecimal() or not 1 <= len(milliseconds) <= 7 or not 1 <= int(milliseconds) <= 1000 * LONGEST:
        raise RequestHeadersValidationError(f"{TIMEOUT} is a number of milliseconds, at most {int(LONGEST) * 1000}.")
    return int(milliseconds) / 1000


def _length(headers: list[passing.Raw]) -> int | None:
    return next((int(value) for name, value in headers if name == b"content-length" and value.isdigit()), None)
