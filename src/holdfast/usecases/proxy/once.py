"""A write with an Idempotency-Key, for a service that knows no such keys: sent once, and answered each time.

The call goes on when its caller leaves, since a caller who leaves is just the one who asks again. An answer that says
that nothing was done is not kept. A call whose outcome nobody knows is never sent again under its key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from hashlib import sha256
from typing import Final

import structlog

from holdfast.domain.passing import Raw
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import (
    ConflictError,
    HoldfastError,
    IdempotencyKeyReusedError,
    NoAnswer,
    OutcomeUnknown,
    PayloadTooLargeError,
    Unavailable,
)
from holdfast.store import answers
from holdfast.store.answers import Found, Kept
from holdfast.usecases.credential.use import PROXY, admitted
from holdfast.usecases.proxy.call import Wanted, proxied
from holdfast.usecases.subject import Subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# Bytes of an answer that is kept.
LARGEST: Final = 256 * 1024
# Seconds beside the caller's own in which a call has ended: a refresh, a replay, the body.
ASIDE: Final = 120.0
ONCE: Final = "once"
# Nothing was done: refused for the credential, for its number, or before it was looked at.
UNDONE: Final = frozenset({401, 408, 425, 429})
# Nothing was done either, if it says when to come again.
BUSY: Final = 503
UNKNOWN: Final = (
    "The service gave no answer to this request, and may have done what it asks. Look before you ask again."
)


class Again:
    """An answer that was kept whole; `replayed` if it is not the first time that it is given."""

    def __init__(self, kept: Kept, *, replayed: bool) -> None:
        self._kept = kept
        self._replayed = replayed
        self.bodiless = False

    @property
    def status(self) -> int:
        return self._kept.status

    def headers(self, *, bodiless: bool) -> list[Raw]:
        """Those that passed; without the length if no body comes."""
        kept = [raw for raw in self._kept.headers if not (bodiless and raw[0] == b"content-length")]
        return [*kept, (b"idempotent-replayed", b"true")] if self._replayed else kept

    async def pieces(self) -> AsyncIterator[bytes]:
        if self._kept.body:
            yield self._kept.body


async def once(scope: ConsumerScope, vault: Vault, subject: Subject, wanted: Wanted, key: str) -> Again:
    """The first answer to the write.

    What `call.proxied` raises; PayloadTooLargeError for a body that is not held, IdempotencyKeyReusedError if the key
    came with another request, ConflictError while another node waits for the answer, OutcomeUnknown if there is none,
    Unavailable if there is none yet.
    """
    if wanted.upload is not None:
        raise PayloadTooLargeError("The body of a request with an Idempotency-Key has at most 256 KiB.")
    held = await admitted(scope, vault, subject, PROXY)
    name = answers.named(scope, held.connection.id, key)
    work = _Once(scope, vault, held, wanted, name)
    return await vault.flights.join((ONCE, name, work.request), work.run)


class _Once:
    """The call and what is kept of it, as one piece of work that nobody's leaving ends."""

    def __init__(self, scope: ConsumerScope, vault: Vault, subject: Subject, wanted: Wanted, name: str) -> None:
        self._scope, self._vault, self._subject, self._name = scope, vault, subject, name
        self._wanted = replace(wanted, largest=LARGEST, total=wanted.timeout + ASIDE / 2)
        self.request = _digest(wanted)

    async def run(self) -> Again:
        assert self._subject.connection is not None
        held = int(1000 * (self._wanted.timeout + ASIDE))
        begun = (self._scope, self._vault.store, self._subject.connection.id, self._name, self.request, held)
        found = await answers.begin(*begun)
        if found is not None:
            return _known(found, self.request)
        try:
            kept = await self._sent()
        except OutcomeUnknown:
            await self._settled("unknown", Kept(self.request))
            raise
        except (HoldfastError, TimeoutError) as error:
            await self._gave_nothing(error)
            raise
        if _is_undone(kept):
            await self._write(lambda: answers.drop(self._scope, self._vault.store, self._name))
        else:
            await self._settled("answered", kept)
        return Again(kept, replayed=False)

    async def _sent(self) -> Kept:
        body = bytearray()
        async with proxied(self._scope, self._vault, self._subject, self._wanted) as passed:
            try:
                async for piece in passed.pieces():
                    body += piece
            except NoAnswer as error:
                raise OutcomeUnknown(f"{error.detail} {UNKNOWN}", may_have_acted=True, retryable=False) from None
            return Kept(self.request, passed.status, tuple(passed.headers(bodiless=passed.bodiless)), bytes(body))

    async def _gave_nothing(self, error: Exception) -> None:
        if isinstance(error, TimeoutError) or (isinstance(error, NoAnswer) and error.may_have_acted):
            await self._settled("unknown", Kept(self.request))
        else:
            await self._write(lambda: answers.drop(self._scope, self._vault.store, self._name))

    async def _settled(self, outcome: answers.Outcome, kept: Kept) -> None:
        await self._write(lambda: answers.settle(self._scope, self._vault.store, self._name, outcome, kept))

    async def _write(self, write: Callable[[], Awaitable[None]]) -> None:
        """One that is lost to a local fault leaves the call under way, and after its time its outcome is unknown."""
        try:
            await write()
        except (Unavailable, ConflictError):
            log.warning("outcome_not_kept", service=self._subject.connector.id)


def _digest(wanted: Wanted) -> bytes:
    """What a request with the same key must have in common with the first."""
    asked = wanted.asked
    said = (asked.method, asked.url, asked.headers.get("content-type", ""), asked.authorization or "")
    digest = sha256("".join(f"{len(part)}:{part}" for part in said).encode())
    digest.update(wanted.body or b"")
    return digest.digest()


def _is_undone(kept: Kept) -> bool:
    return kept.status in UNDONE or (kept.status == BUSY and any(name == b"retry-after" for name, _ in kept.headers))


def _known(found: Found, request: bytes) -> Again:
    """What is told of a write that was sent before."""
    if found.kept.request != request:
        raise IdempotencyKeyReusedError()
    if found.outcome == "answered":
        return Again(found.kept, replayed=True)
    if found.outcome == "under_way" and found.held:
        raise ConflictError("A request with this Idempotency-Key is under way.")
    raise OutcomeUnknown(UNKNOWN, may_have_acted=True, retryable=False)
