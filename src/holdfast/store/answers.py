"""First answers to writes that may be sent again (Idempotency-Key), kept for services that know no such keys.

A row is there before the write leaves, so it is sent once, whatever ends in the middle. It is named by a digest of
whose key it is, and what it holds is sealed under all that the row says.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Literal

import msgspec

from holdfast.domain.tenancy import ConsumerScope
from holdfast.store import Store
from holdfast.store.seal.envelope import Place

Outcome = Literal["under_way", "answered", "unknown"]

# How long an answer is kept, and longer than any retry goes on by itself.
LIFETIME: Final = 24 * 3600 * 1000

_BEGIN = """
INSERT INTO kept_answers (name, application_id, connection_id, outcome, sealed, held_until, expires_at)
VALUES (:name, :application_id, :connection_id, 'under_way', :sealed, :db_now + :held, :db_now + :lifetime)
ON CONFLICT (name) DO NOTHING"""
_FIND = """
SELECT outcome, sealed, held_until > :db_now AS held FROM kept_answers
WHERE name = :name AND application_id = :application_id AND expires_at > :db_now"""
_DROP_EXPIRED = "DELETE FROM kept_answers WHERE name = :name AND expires_at <= :db_now"
_SETTLE = """
UPDATE kept_answers SET outcome = :outcome, sealed = :sealed
WHERE name = :name AND application_id = :application_id AND outcome = 'under_way'"""
_DROP = """
DELETE FROM kept_answers WHERE name = :name AND application_id = :application_id AND outcome = 'under_way'"""


class Kept(msgspec.Struct, frozen=True):
    """What is kept: `request` is a digest of what was asked; the rest is the answer, once there is one."""

    request: bytes
    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


class Found(msgspec.Struct, frozen=True):
    """A write that was sent before. `held`: whoever sends it may still be waiting."""

    outcome: Outcome
    kept: Kept
    held: bool


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Kept).decode


def named(scope: ConsumerScope, connection_id: str, key: str) -> str:
    """The name of a caller's key for one connection."""
    parts = (scope.application_id, scope.consumer_id, connection_id, key)
    return sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()


async def begin(
    scope: ConsumerScope, store: Store, connection_id: str, name: str, request: bytes, held: int
) -> Found | None:
    """Notes that a write is about to leave, and may be under way for `held` ms; what is known of it, if it was sent
    before. IntegrityError if that does not open."""
    sealed = await _sealed(scope, store, name, "under_way", Kept(request))
    await store.q.run(_DROP_EXPIRED, name=name)
    own = {"application_id": scope.application_id, "connection_id": connection_id}
    if await store.q.run(_BEGIN, name=name, sealed=sealed, held=held, lifetime=LIFETIME, **own):
        return None
    row = await store.q.one(_FIND, name=name, application_id=scope.application_id)
    if row is None:  # it was dropped this very moment: it did not leave
        return await begin(scope, store, connection_id, name, request, held)
    box = await store.box(scope, row["sealed"])
    kept = _decode(box.open(_place(scope, name, row["outcome"]), row["sealed"]))
    return Found(row["outcome"], kept, bool(row["held"]))


async def settle(scope: ConsumerScope, store: Store, name: str, outcome: Outcome, kept: Kept) -> None:
    """Keeps what became of the write."""
    sealed = await _sealed(scope, store, name, outcome, kept)
    await store.q.run(_SETTLE, name=name, application_id=scope.application_id, outcome=outcome, sealed=sealed)


async def drop(scope: ConsumerScope, store: Store, name: str) -> None:
    """The write did nothing, so the same key may send it again."""
    await store.q.run(_DROP, name=name, application_id=scope.application_id)


async def _sealed(scope: ConsumerScope, store: Store, name: str, outcome: Outcome, kept: Kept) -> bytes:
    return (await store.box(scope)).seal(_place(scope, name, outcome), _encode(kept))


def _place(scope: ConsumerScope, name: str, outcome: Outcome) -> Place:
    return Place("kept_answers", "sealed", scope.application_id, (name, outcome))
