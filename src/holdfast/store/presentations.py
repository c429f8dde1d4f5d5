"""The claim to refresh a connection, and every presentation of its refresh token.

A *claim* belongs to one process: it is taken by one statement, which asks all that must be true at that moment, and
is a lease by the clock of the database (a node whose own clock is wrong harms nobody) that its holder keeps alive.
It keeps two from sending. What may be *kept* is decided by the connection's generation alone (`connections.change`),
so an answer is never lost because somebody else has taken over.

What the claiming statement asks of the presentations is `domain.presentation.may_present` in SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from holdfast.domain.connection import Connection
from holdfast.domain.presentation import Presentation, Replay
from holdfast.domain.tenancy import ConsumerScope
from holdfast.store import Store
from holdfast.store.rows import KEY, key_of

# Of this generation.
_PAST = "FROM presentations p WHERE p.connection_id = :id AND p.generation = :generation"
_CLAIM = f"""
UPDATE connections SET lease_owner = :process, lease_until = :db_now + :lease, attempt = attempt + 1,
  attempt_state = 'claimed'
WHERE {KEY} AND id = :id AND credential_generation = :generation AND version = :version
  AND (lease_owner IS NULL OR lease_until <= :db_now OR (attempt_state = 'claimed' AND CAST(:locked AS BOOLEAN)))
  AND (NOT CAST(:waits AS BOOLEAN) OR NOT EXISTS (SELECT 1 {_PAST})
    OR (NOT EXISTS (SELECT 1 {_PAST} AND p.settles_at > :db_now)
      AND (:db_now < (SELECT MIN(p.presented_at) + :grace {_PAST})
        OR (expires_at <= :db_now
          AND NOT EXISTS (SELECT 1 {_PAST} AND p.outcome IS NULL AND p.settles_at + :patience > :db_now)))))
RETURNING attempt"""
_MINE = f"{KEY} AND id = :id AND attempt = :attempt AND lease_owner = :process"
_MARK = f"UPDATE connections SET attempt_state = 'sent' WHERE {_MINE} AND lease_until > :db_now RETURNING id"
# A mark whose acknowledgement was lost is made again by nobody: the attempt is given up instead.
_PRESENT = """
INSERT INTO presentations (connection_id, attempt, generation, node, process, presented_at, settles_at)
VALUES (:id, :attempt, :generation, :node, :process, :db_now, :db_now + :lease)"""
_EXTEND = f"UPDATE connections SET lease_until = :db_now + :lease WHERE {_MINE}"
_ITS = "connection_id = :id AND attempt = :attempt"
_UNSETTLE = f"UPDATE presentations SET settles_at = :db_now + :lease WHERE {_ITS} AND outcome IS NULL"
_TAKE_BACK = f"DELETE FROM presentations WHERE {_ITS}"
_UNANSWERED = (
    f"UPDATE presentations SET outcome = 'none', settles_at = :db_now + :lease, told_at = :db_now WHERE {_ITS}"
)
_FREE = f"UPDATE connections SET lease_owner = NULL, lease_until = 0, attempt_state = NULL WHERE {_MINE}"
_FREE_REFUSED = f"""
UPDATE connections SET lease_owner = NULL, lease_until = 0, attempt_state = NULL
WHERE {KEY} AND id = :id AND credential_generation = :generation AND attempt = :attempt RETURNING id"""
_REFUSED = f"UPDATE presentations SET outcome = 'refused', settles_at = :db_now, told_at = :db_now WHERE {_ITS}"
_BURY = f"""
UPDATE presentations SET outcome = 'none', settles_at = :db_now + :lease
WHERE connection_id = (SELECT id FROM connections WHERE {KEY} AND id = :id)
  AND generation = :generation AND outcome IS NULL"""
_ONES = """
SELECT presented_at, settles_at, outcome FROM presentations WHERE connection_id = :id AND generation = :generation
ORDER BY attempt"""
_TIMES = f"SELECT :db_now AS now, lease_until, attempt_state FROM connections WHERE {KEY}"


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a claim lives without a sign of life and a presentation until it has settled (ms), how often its holder
    gives one (seconds), and how long a sender that does not speak may still come back with an answer (ms): not at all
    where every process finds the answers of every other one (`spool`). `look`: how often the living look for what the
    dead have left (seconds); a loss is told within a lease and one of these."""

    lease: int = 30_000
    beat: float = 10.0
    patience: int = 600_000
    look: float = 10.0

    @property
    def guard(self) -> float:
        """Seconds between a claim and the first byte, a fifth of the lease: whoever was held up for longer may have
        been taken for dead."""
        return self.lease / 5000


@dataclass(frozen=True, slots=True)
class Sender:
    """Who presents: the `node` is a directory that answers are kept in, the `process` one that lives while it does."""

    node: str
    process: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one process to refresh one credential."""

    unified_api: str
    service_id: str
    id: str
    generation: int
    attempt: int
    sender: Sender


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in the way of a claim: somebody's live lease (`sent` once the token may have left), the
    presentations of this generation, and the moment by the clock of the database."""

    now: int
    leased: bool
    sent: bool
    past: tuple[Presentation, ...]


async def claim(
    scope: ConsumerScope, store: Store, connection: Connection, replay: Replay, terms: Terms, sender: Sender, *,
    locked: bool,
) -> Claim | None:  # fmt: skip
    """The right to refresh `connection` exactly as it was read; None if it has changed or may not be refreshed now.

    `locked`: a lock keeps every other process out, so a claim that nothing was sent by is a dead one's.
    """
    named = {**key_of(scope, connection.unified_api, connection.service_id), "id": connection.id}
    row = await store.q.one(
        _CLAIM, **named, generation=connection.credential_generation, version=connection.version,
        process=sender.process, lease=terms.lease, patience=terms.patience, locked=locked, waits=replay.waits,
        grace=replay.grace,
    )  # fmt: skip
    if row is None:
        return None
    of = (connection.unified_api, connection.service_id, connection.id, connection.credential_generation)
    return Claim(*of, row["attempt"], sender)


async def standing(scope: ConsumerScope, store: Store, connection: Connection) -> Standing:
    """Why `claim` gave nothing, for whoever must say when to come back."""
    row = await store.q.one(_TIMES, **key_of(scope, connection.unified_api, connection.service_id))
    found = await store.q.all(_ONES, id=connection.id, generation=connection.credential_generation)
    if row is None:
        return Standing(0, leased=False, sent=False, past=())
    past = tuple(msgspec.convert(dict(one.items()), Presentation) for one in found)
    return Standing(row["now"], row["lease_until"] > row["now"], row["attempt_state"] == "sent", past)


async def mark(scope: ConsumerScope, store: Store, claim: Claim, terms: Terms) -> bool:
    """Writes down that the token is about to leave. False, and nothing is written, if the claim is ours no more."""
    async with store.transaction() as tx:
        if await tx.q.one(_MARK, **_of(scope, claim)) is None:
            return False
        await tx.q.run(_PRESENT, **_presented(claim), generation=claim.generation, node=claim.sender.node,
                       process=claim.sender.process, lease=terms.lease)  # fmt: skip
    return True


async def beat(scope: ConsumerScope, store: Store, claim: Claim, terms: Terms) -> bool:
    """A sign of life while an answer is waited for. False if another process has taken the claim."""
    async with store.transaction() as tx:
        held = await tx.q.run(_EXTEND, **_of(scope, claim), lease=terms.lease)
        await tx.q.run(_UNSETTLE, **_presented(claim), lease=terms.lease)
    return held > 0


async def take_back(scope: ConsumerScope, tx: Store, claim: Claim) -> None:
    """The token has surely not been used: as if it had never been presented. The claim is free."""
    await tx.q.run(_TAKE_BACK, **_presented(claim))
    await tx.q.run(_FREE, **_of(scope, claim))


async def unanswered(scope: ConsumerScope, tx: Store, claim: Claim, terms: Terms) -> None:
    """No answer is held, whatever the provider has done. The claim is free."""
    await tx.q.run(_UNANSWERED, **_presented(claim), lease=terms.lease)
    await tx.q.run(_FREE, **_of(scope, claim))


async def refused(scope: ConsumerScope, tx: Store, claim: Claim) -> bool:
    """The provider has refused the token. False if a later attempt has begun, which knows more than this answer."""
    named = _of(scope, claim)
    del named["process"]
    if await tx.q.one(_FREE_REFUSED, **named, generation=claim.generation) is None:
        return False
    await tx.q.run(_REFUSED, **_presented(claim))
    return True


async def spoke(scope: ConsumerScope, store: Store, claim: Claim) -> None:
    """Says that the provider refused the token of an attempt that another one has outrun."""
    await store.q.run(_REFUSED, **_presented(claim))


async def bury(scope: ConsumerScope, store: Store, connection: Connection, terms: Terms) -> None:
    """Speaks for senders that are known to be dead and to have left no answer: their requests settle from now on."""
    named = {**key_of(scope, connection.unified_api, connection.service_id), "id": connection.id}
    await store.q.run(_BURY, **named, generation=connection.credential_generation, lease=terms.lease)


def _of(scope: ConsumerScope, claim: Claim) -> dict[str, Any]:
    key = key_of(scope, claim.unified_api, claim.service_id)
    return {**key, **_presented(claim), "process": claim.sender.process}


def _presented(claim: Claim) -> dict[str, Any]:
    return {"id": claim.id, "attempt": claim.attempt}
