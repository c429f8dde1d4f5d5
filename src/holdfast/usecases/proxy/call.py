"""One proxied call, from the gate to the last byte of its answer.

The credential is placed only on a request whose URL has been found to be the service's, and that the operator lets
through. If the service says that the token is dead, it is refreshed and the request sent once more, where its body can
be: what was streamed is gone. A token that has just been granted is not refreshed again; what is wrong then is not its
age.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog
from prometheus_client import Counter

from holdfast.domain import passing
from holdfast.domain.credential import Credential
from holdfast.domain.door import STREAM, Answer, Limits, Upload
from holdfast.domain.exchange import Request, Response
from holdfast.domain.passing import Raw
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import (
    BlockedByPolicyError,
    HoldfastError,
    NoAnswer,
    OutcomeUnknown,
    ServiceTooSlow,
    ServiceUnreachable,
    Unavailable,
)
from holdfast.grants.call import says_token_is_dead
from holdfast.grants.echo import Echo
from holdfast.grants.forward import Asked, carried, forwarded, needs_body
from holdfast.usecases.credential import lifespan
from holdfast.usecases.credential.downstream import REQUESTS, UNREACHABLE, note
from holdfast.usecases.credential.refresh import can_be_refreshed
from holdfast.usecases.credential.setup import setup_with
from holdfast.usecases.credential.use import PROXY, admitted, use, use_again
from holdfast.usecases.proxy.pacing import TOO_MANY, heed, learn
from holdfast.usecases.subject import Held, Subject, policy_of
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
# Whose token was granted less than so many ms ago: a service that refuses it would refuse the next one too.
JUST_GRANTED: Final = 60_000
# Bytes of an answer that are looked at for a dead token, before any of them goes on.
LOOKED_AT: Final = 16 * 1024
# Seconds that a service may be silent in the middle of its answer, at least; an answer ends after an hour.
SILENCE: Final = 60.0
TOTAL: Final = 3600.0

CALLS = Counter("holdfast_proxied_calls", "Calls of services for callers of the proxy.", ["outcome"])
_answered, _unreachable = REQUESTS.labels("answered"), REQUESTS.labels("unreachable")
_passed, _replayed, _echoed = (CALLS.labels(o) for o in ("passed", "replayed", "echoed"))


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """A proxied call as its caller wants it. `body` can be sent again, an `upload` cannot; `timeout` is in seconds,
    to the head of the answer; `largest` is what its body may have, in bytes."""

    asked: Asked
    body: bytes | None = None
    upload: Upload | None = None
    timeout: float = 28.0
    largest: int | None = None
    total: float = TOTAL

    @property
    def limits(self) -> Limits:
        return Limits(
            total=self.total, head=self.timeout, silence=max(self.timeout, SILENCE), body=self.largest,
            connect=min(self.timeout, STREAM.connect),
        )  # fmt: skip


@contextlib.asynccontextmanager
async def proxied(scope: ConsumerScope, vault: Vault, subject: Subject, wanted: Wanted) -> AsyncIterator[Passed]:
    """The service's answer, whatever its status, as soon as its head is there.

    What the gate raises, and what is wrong with the URL (`grants.forward.forwarded`); RequestLimitError while the
    service wants to be left alone; ServiceUnreachable, ServiceTooSlow or OutcomeUnknown if it gave no answer.
    """
    call = Proxying(scope, vault, subject, wanted)
    try:
        await call.begin()
        yield Passed(call)
    finally:
        await call.end()


class Proxying:
    """A proxied call under way: what is known of it, and the one exchange that is open."""

    def __init__(self, scope: ConsumerScope, vault: Vault, subject: Subject, wanted: Wanted) -> None:
        self._scope, self._vault, self._subject, self.wanted = scope, vault, subject, wanted
        self._exchange: AbstractAsyncContextManager[Answer] | None = None
        self._pieces: AsyncIterator[bytes] | None = None
        self._ahead = b""

    async def begin(self) -> None:
        """Sends the request, and once more if that helps."""
        held, credential = await self._used()
        await self._send(held, credential)
        if await self._is_refused(held):
            refused, died_at = held, self._vault.clock.now()
            renewed = await self._renewed(held)
            if renewed is not None:
                await self._close()
                _replayed.inc()
                held, credential = renewed
                await self._send(held, credential)
                if self.answer.status < 400:
                    await lifespan.learn(self._scope, self._vault, refused, held, died_at)
        await self._told(held)

    async def end(self) -> None:
        """Hangs up, if the answer has not ended."""
        await self._close()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body. NoAnswer if the rest does not come."""
        try:
            if self._ahead:
                yield self._ahead
            pieces = self._pieces if self._pieces is not None else self.answer.stream()
            async for piece in pieces:
                yield piece
        except NoAnswer as error:
            await self._saw(self.held, down=error.retryable)
            raise

    async def _used(self) -> tuple[Held, Credential]:
        if self.wanted.asked.authorization is not None:
            return await admitted(self._scope, self._vault, self._subject, PROXY), Credential()
        return await use(self._scope, self._vault, self._subject, PROXY)

    async def _send(self, held: Held, credential: Credential) -> None:
        known = await setup_with(self._scope, self._vault, held, credential)
        request = forwarded(known, self.wanted.asked, self.wanted.body)
        policy = await policy_of(self._scope, self._vault)
        if policy.rules and not policy.admits(
            held.connector.id, request.method, request.url, self.wanted.asked.headers
        ):
            raise BlockedByPolicyError()
        self.held, self.known, self.request = held, known, request
        self.endpoint = (held.connection.id, request.method, request.url.partition("?")[0])
        heed(self._vault, self.endpoint)
        exchange, status = self._vault.door.open(request, self.wanted.upload, limits=self.wanted.limits), None
        try:
            self.answer = await exchange.__aenter__()
            self._exchange, status = exchange, self.answer.status
        except NoAnswer as error:
            if error.retryable:
                await self._saw(held, down=True)
            raise _unanswered(error, request) from None
        finally:
            self._journal(held, request, status)

    def _journal(self, held: Held, request: Request, status: int | None) -> None:
        """The line of a call, however it ended. It cannot undo the call any more if it cannot be written."""
        at = urlsplit(request.url)
        path = passing.without_values(at.path)
        try:
            self._vault.store.journal.called(self._scope, held.connection, request.method, at.netloc, path, status)
        except Unavailable:
            log.critical("call_not_journalled", connection=held.connection.id, method=request.method, status=status)

    async def _is_refused(self, held: Held) -> bool:
        """Whether the answer says that the token is dead, and a refresh may help."""
        grant = held.connection.grant
        if self.wanted.asked.authorization is not None or grant is None or not can_be_refreshed(held.granted()):
            return False
        if 0 <= self._vault.clock.now() - grant.issued_at < JUST_GRANTED:
            return False
        status, says_so = self.answer.status, held.connector.request.expired.statuses
        if status in says_so or not needs_body(self.known, status):
            return status in says_so
        head = Response(status, _joined(self.answer.headers), b"")
        if says_token_is_dead(self.known, head):
            return True
        return says_token_is_dead(self.known, Response(head.status, head.headers, await self._look_ahead()))

    async def _look_ahead(self) -> bytes:
        """The first bytes of the body, which are still to be passed on; nothing of one that is longer."""
        self._pieces = self.answer.stream()
        async for piece in self._pieces:
            self._ahead += piece
            if len(self._ahead) > LOOKED_AT:
                return b""
        return self._ahead

    async def _renewed(self, held: Held) -> tuple[Held, Credential] | None:
        """A new token; None if there is none, or the request cannot be sent again: then the service's answer stands."""
        try:
            renewed = await use_again(self._scope, self._vault, held, PROXY)
        except HoldfastError as error:
            log.info("not_replayed", connection=held.connection.id, reason=type(error).__name__)
            return None
        return renewed if self.wanted.upload is None else None

    async def _told(self, held: Held) -> None:
        """What the answer shows of the service, and of how it wants to be treated."""
        status = self.answer.status
        _passed.inc()
        if status == TOO_MANY or held.connector.request.rate_limit is not None:
            learn(self._vault, held, self.endpoint, status, _joined(self.answer.headers))
        await self._saw(held, down=status in UNREACHABLE)

    async def _saw(self, held: Held, *, down: bool) -> None:
        (_unreachable if down else _answered).inc()
        await note(self._scope, self._vault, held, down=down)

    async def _close(self) -> None:
        exchange, self._exchange = self._exchange, None
        self._pieces, self._ahead = None, b""
        if exchange is not None:
            await exchange.__aexit__(None, None, None)


class Passed:
    """An answer on its way back, without what the service repeats of the credential."""

    def __init__(self, call: Proxying) -> None:
        self._call = call
        self._echo = Echo(carried(call.known, call.wanted.asked, call.request))
        self._looks = not _is_coded(call.answer.headers)

    @property
    def status(self) -> int:
        return self._call.answer.status

    @property
    def bodiless(self) -> bool:
        """Whether no body comes, whatever length the headers give it."""
        return self._call.request.method == "HEAD"

    def headers(self, *, bodiless: bool) -> list[Raw]:
        """Those that pass; `bodiless` if the caller's own method lets no body come back."""
        call = self._call
        passed = passing.back(self.status, call.answer.headers, call.request.url, bodiless=bodiless)
        if self._echo.is_clear_of(b"\n".join([value for _, value in passed])):
            return passed
        return [(name, self._echo.within(value)) for name, value in passed]

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives. NoAnswer if the rest does not come."""
        if self.bodiless:
            return
        async for piece in self._call.pieces():
            looked = self._echo.piece(piece) if self._looks else piece
            if looked:
                yield looked
        if rest := self._echo.rest():
            yield rest
        if self._echo.found:
            _echoed.inc()
            log.warning("credential_echoed", service=self._call.held.connector.id, host=_host(self._call.request))


def _unanswered(error: NoAnswer, request: Request) -> NoAnswer:
    """What a caller is told: whether to send it again. A fault that stays is told as it is."""
    known = {"may_have_acted": error.may_have_acted, "status": error.status, "late": error.late}
    if error.may_have_acted and request.method not in SAFE:
        told = f"{error.detail} It may have done what was asked; look before you send it again."
        return OutcomeUnknown(told, **known, retryable=False)  # type: ignore[arg-type]
    if not error.retryable:
        return error
    return (ServiceTooSlow if error.late else ServiceUnreachable)(str(error.detail), **known)  # type: ignore[arg-type]


def _joined(headers: tuple[Raw, ...]) -> dict[str, str]:
    """What a flow looks at: names in lower case, of repeated ones the first."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reversed(headers)}


def _is_coded(headers: tuple[Raw, ...]) -> bool:
    return any(name.lower() == b"content-encoding" and value.lower() != b"identity" for name, value in headers)


def _host(request: Request) -> str:
    return urlsplit(request.url).netloc
