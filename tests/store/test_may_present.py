"""The claiming statement and `domain.presentation.may_present` are one decision, in SQL and in Python."""

from __future__ import annotations

from dataclasses import dataclass

from granted import granted
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from holdfast.domain.connection import Connection
from holdfast.domain.presentation import Presentation, Replay, may_present, may_present_at
from holdfast.domain.tenancy import ConsumerScope
from holdfast.store import Store, presentations
from holdfast.store.presentations import Sender, Terms
from holdfast.testing.clock import START, TestClock

ME, OTHER = Sender("node-a", "1-me"), "2-other"
INSERT = """
INSERT INTO presentations (connection_id, attempt, generation, node, process, presented_at, settles_at, outcome)
VALUES (:id, :attempt, :generation, 'node-b', '2-other', :presented_at, :settles_at, :outcome)"""
STANDS = """
UPDATE connections SET expires_at = :expires_at, lease_owner = :owner, lease_until = :until, attempt_state = :state
WHERE id = :id"""

# Around now, so that each comparison is met from both sides and on its edge.
NEAR = st.integers(-3, 3)
moments = st.builds(lambda far, near: START + 1000 * far + near, st.integers(-40, 40), NEAR)
patiences = st.builds(lambda far, near: max(0, 1000 * far + near), st.integers(0, 20), NEAR)
replays = st.builds(Replay, waits=st.booleans(), grace=st.just(0) | patiences)
outcomes = st.sampled_from([None, None, "none", "refused"])
presented = st.builds(Presentation, presented_at=moments, settles_at=moments, outcome=outcomes)
pasts = st.lists(presented, max_size=4)


@dataclass(frozen=True)
class Claimed:
    """What stands in the row of somebody's claim."""

    owner: str | None
    until: int
    state: str | None

    def keeps_out(self, now: int, *, locked: bool) -> bool:
        died_before = self.state == "claimed" and locked
        return self.owner is not None and self.until > now and not died_before


nobody = Claimed(None, 0, None)
claims = st.just(nobody) | st.builds(Claimed, st.just(OTHER), moments, st.sampled_from(["claimed", "sent"]))


async def stand(
    store: Store, held: Connection, past: list[Presentation], outlived: list[Presentation], expires_at: int | None,
    claim: Claimed,
) -> None:  # fmt: skip
    """Puts `past` and what others presented of an `outlived` generation beside the row, and `claim` into it."""
    await store.q.run("DELETE FROM presentations")
    values = {"owner": claim.owner, "until": claim.until, "state": claim.state}
    await store.q.run(STANDS, id=held.id, expires_at=expires_at, **values)
    now = held.credential_generation
    ones = [(one, now) for one in past] + [(one, now - 1) for one in outlived]
    for attempt, (one, generation) in enumerate(ones):
        times = {"presented_at": one.presented_at, "settles_at": one.settles_at, "outcome": one.outcome}
        await store.q.run(INSERT, id=held.id, attempt=1000 + attempt, generation=generation, **times)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    past=pasts, outlived=pasts, replay=replays, expires_at=st.none() | moments, claim=claims, patience=patiences,
    locked=st.booleans(),
)  # fmt: skip
@example(
    [Presentation(START - 9, START, None)], [], Replay(), START, nobody, 0, True
)  # on the edge of all: settled, expired, patience over
@example([Presentation(START - 9, START - 1, "none")], [], Replay(), None, nobody, 0, True)
@example(
    [Presentation(START - 9_000, START - 8_000, "none"), Presentation(START - 1_000, START, "none")],
    [],
    Replay(grace=5_000),
    None,
    nobody,
    0,
    True,
)  # the window counts from the first one
async def test_a_claim_is_given_where_the_token_may_be_presented(
    store: Store,
    scope: ConsumerScope,
    past: list[Presentation],
    outlived: list[Presentation],
    replay: Replay,
    expires_at: int | None,
    claim: Claimed,
    patience: int,
    locked: bool,
) -> None:
    """The statement lets in whom the pure function lets in and no live claim keeps out, and nobody else."""
    held = await granted(scope, store)
    await stand(store, held, past, outlived, expires_at, claim)
    terms, now = Terms(patience=patience), store.clock.now()

    given = await presentations.claim(scope, store, held, replay, terms, ME, locked=locked)

    may = may_present(past, replay, expires_at, now, patience=patience)
    assert (given is not None) == (may and not claim.keeps_out(now, locked=locked))


@settings(max_examples=1500, deadline=None)
@given(past=pasts, replay=replays, expires_at=st.none() | moments, patience=patiences, later=st.lists(moments))
def test_the_moment_that_callers_are_told_is_the_first_one(
    past: list[Presentation], replay: Replay, expires_at: int | None, patience: int, later: list[int]
) -> None:
    """At the moment that `may_present_at` names the token may be presented, and at none before it."""
    at = may_present_at(past, replay, expires_at, START, patience=patience)

    edges = [one.settles_at + step for one in past for step in (-1, 0, patience - 1, patience)]
    edges += [expires_at, expires_at - 1] if expires_at else []
    moments = sorted({START, *(m for m in edges + later if m >= START)})
    yes = [m for m in moments if may_present(past, replay, expires_at, m, patience=patience)]
    assert at is None or may_present(past, replay, expires_at, at, patience=patience)
    assert all(at is not None and m >= at for m in yes)


def test_nothing_is_asked_of_a_token_that_can_be_used_again() -> None:
    """Where the provider keeps the refresh token, presentations of it stand in nobody's way."""
    past = [Presentation(START, START + 30_000, None)]

    assert may_present(past, Replay(waits=False), None, START, patience=600_000)


async def test_the_clock_of_the_database_decides(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """What kept a claim away keeps it away until its very moment has come."""
    held = await granted(scope, store)
    past = [Presentation(START, START + 30_000, "none")]
    await stand(store, held, past, [], START + 60_000, nobody)
    asked = (scope, store, held, Replay(), Terms(), ME)
    clock.advance(59.999)
    before = await presentations.claim(*asked, locked=True)
    clock.advance(0.001)

    assert before is None
    assert await presentations.claim(*asked, locked=True) is not None
