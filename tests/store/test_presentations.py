"""A claim is one process's; a presentation outlives whoever made it; what it came to is written by whoever knows."""

from __future__ import annotations

import pytest
from granted import connector_of, granted
from msgspec.structs import replace

from holdfast.domain.connection import Connection
from holdfast.domain.presentation import Replay
from holdfast.domain.tenancy import ConsumerScope
from holdfast.store import Store, connections, presentations, silence
from holdfast.store.engine.database import Row
from holdfast.store.presentations import Claim, Sender, Terms
from holdfast.testing.clock import TestClock

TERMS = Terms()
LEASE = TERMS.lease / 1000
ME, OTHER = Sender("node-a", "1-me"), Sender("node-b", "2-other")
# Whose node will not come back: `patience` and the lease are over, and the access token has expired.
OVER = (TERMS.lease + TERMS.patience) / 1000


@pytest.fixture
async def held(store: Store, scope: ConsumerScope) -> Connection:
    return await granted(scope, store)


async def claimed(
    scope: ConsumerScope, store: Store, held: Connection, sender: Sender = ME, *, locked: bool = False
) -> Claim | None:
    return await presentations.claim(scope, store, held, Replay(), TERMS, sender, locked=locked)


async def sent(scope: ConsumerScope, store: Store, held: Connection, sender: Sender = ME) -> Claim:
    claim = await claimed(scope, store, held, sender)
    assert claim is not None
    assert await presentations.mark(scope, store, claim, TERMS)
    return claim


async def row(store: Store) -> Row:
    found = await store.q.one("SELECT * FROM connections")
    assert found is not None
    return found


async def presented(store: Store) -> list[Row]:
    return await store.q.all("SELECT * FROM presentations ORDER BY attempt")


async def test_a_claim_is_of_the_row_as_it_was_read(store: Store, scope: ConsumerScope, held: Connection) -> None:
    """Another grant came between the look and the claim: nothing is claimed, though nobody else is at it."""
    await granted(scope, store, consent=2)

    assert await claimed(scope, store, held) is None
    assert (await row(store))["lease_owner"] is None


async def test_a_claim_is_of_its_own_consumer(store: Store, scope: ConsumerScope, held: Connection) -> None:
    """By its id alone a connection is claimed for nobody: the scope says whose it must be."""
    neighbour = ConsumerScope(scope.application_id, scope.caller, "user-2")

    assert await claimed(neighbour, store, held) is None
    assert await claimed(scope, store, held) is not None


async def test_attempts_are_counted_and_never_go_back(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """Not when a claim lapses, not when it is taken back, not when another grant comes: a number is used once."""
    first = await claimed(scope, store, held)
    clock.advance(LEASE)
    second = await claimed(scope, store, held)
    assert first is not None
    assert second is not None
    await presentations.take_back(scope, store, second)
    third = await claimed(scope, store, await granted(scope, store, consent=2))

    assert [first.attempt, second.attempt, third and third.attempt] == [1, 2, 3]


@pytest.mark.parametrize("locked", [True, False])
async def test_a_claim_that_nothing_was_sent_by_is_taken_over(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock, locked: bool
) -> None:
    """At once where a lock proves that its holder is dead, else when its lease has run out."""
    await claimed(scope, store, held, OTHER)
    at_once = await claimed(scope, store, held, locked=locked)
    clock.advance(LEASE)

    assert (at_once is not None) == locked
    assert await claimed(scope, store, held) is not None


async def test_what_may_be_on_its_way_is_left_alone_whatever_the_lock_says(
    store: Store, scope: ConsumerScope, held: Connection
) -> None:
    """Once the token may have left, the lock of a dead sender frees nothing: its request may still arrive."""
    await sent(scope, store, held, OTHER)

    assert await claimed(scope, store, held, locked=True) is None


async def test_a_mark_is_made_by_whoever_has_the_claim(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """Whoever was taken over meanwhile marks nothing, and leaves no presentation."""
    mine = await claimed(scope, store, held)
    clock.advance(LEASE)
    theirs = await claimed(scope, store, held, OTHER)
    assert mine is not None
    assert theirs is not None

    assert not await presentations.mark(scope, store, mine, TERMS)
    assert await presented(store) == []
    assert await presentations.mark(scope, store, theirs, TERMS)


async def test_a_mark_is_not_made_when_the_lease_has_run_out(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """Though nobody has taken the claim yet: in the next moment somebody may."""
    mine = await claimed(scope, store, held)
    assert mine is not None
    clock.advance(LEASE)

    assert not await presentations.mark(scope, store, mine, TERMS)
    assert await presented(store) == []


async def test_an_attempt_is_one_claim_though_its_process_has_the_next_one(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """What is late of the first attempt marks, holds and frees nothing of the second."""
    first = await claimed(scope, store, held)
    clock.advance(LEASE)
    second = await claimed(scope, store, held)
    assert first is not None
    assert second is not None

    assert not await presentations.mark(scope, store, first, TERMS)
    assert not await presentations.beat(scope, store, first, TERMS)
    await presentations.take_back(scope, store, first)
    assert await presentations.mark(scope, store, second, TERMS)


async def test_a_claim_that_is_free_is_not_held_any_more(store: Store, scope: ConsumerScope, held: Connection) -> None:
    """A sign of life that comes after the end of its attempt makes nobody wait."""
    claim = await sent(scope, store, held)
    await presentations.take_back(scope, store, claim)

    assert not await presentations.beat(scope, store, claim, TERMS)
    assert (await row(store))["lease_until"] == 0


async def test_a_presentation_says_who_and_until_when(store: Store, scope: ConsumerScope, held: Connection) -> None:
    """By the clock of the database: what is dead by then has acted, or never will."""
    await sent(scope, store, held)
    now = store.clock.now()

    (one,) = await presented(store)
    assert (one["node"], one["process"], one["attempt"], one["generation"]) == ("node-a", "1-me", 1, 1)
    assert (one["presented_at"], one["settles_at"], one["outcome"]) == (now, now + TERMS.lease, None)


async def test_a_sign_of_life_holds_the_claim_and_what_is_on_its_way(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """A provider that takes longer than a lease makes nobody look dead."""
    claim = await sent(scope, store, held)
    clock.advance(LEASE - 1)
    lives = await presentations.beat(scope, store, claim, TERMS)
    clock.advance(LEASE - 1)

    assert lives
    assert await claimed(scope, store, held, OTHER) is None
    assert (await presented(store))[0]["settles_at"] > store.clock.now()


async def test_a_sign_of_life_takes_no_claim_back(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """Whoever wakes up after it was taken over learns so, and the other one's claim is as long as it was."""
    mine = await claimed(scope, store, held)
    assert mine is not None
    clock.advance(LEASE)
    await claimed(scope, store, held, OTHER)
    until = (await row(store))["lease_until"]
    clock.advance(1)

    assert not await presentations.beat(scope, store, mine, TERMS)
    assert ((await row(store))["lease_owner"], (await row(store))["lease_until"]) == (OTHER.process, until)


async def test_what_was_surely_not_sent_leaves_nothing(store: Store, scope: ConsumerScope, held: Connection) -> None:
    """The next one presents the token as if it were for the first time."""
    claim = await sent(scope, store, held)
    await presentations.take_back(scope, store, claim)

    assert await presented(store) == []
    assert await claimed(scope, store, held, OTHER) is not None


async def test_what_came_to_nothing_settles_from_then_on(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """The line was given up, but the request may still be on it; nobody's patience is waited for afterwards."""
    claim = await sent(scope, store, held)
    clock.advance(LEASE - 1)
    await presentations.unanswered(scope, store, claim, TERMS)
    await store.q.run("UPDATE connections SET expires_at = :now", now=store.clock.now())
    clock.advance(LEASE - 1)
    before = await claimed(scope, store, held, OTHER)
    clock.advance(1)

    assert before is None
    assert await claimed(scope, store, held, OTHER) is not None


async def test_whoever_was_taken_over_frees_nobody_elses_claim(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """It writes what became of its own presentation, and the other one's claim stands."""
    mine = await sent(scope, store, held)
    await store.q.run("UPDATE connections SET expires_at = 0")
    clock.advance(OVER)
    theirs = await claimed(scope, store, held, OTHER)
    await presentations.unanswered(scope, store, mine, TERMS)
    await presentations.take_back(scope, store, mine)

    assert theirs is not None
    assert (await row(store))["lease_owner"] == OTHER.process
    assert await presentations.mark(scope, store, theirs, TERMS)


async def test_a_refusal_settles_at_once(store: Store, scope: ConsumerScope, held: Connection) -> None:
    """The provider has looked at the token: there is nothing on its way any more."""
    claim = await sent(scope, store, held)
    await store.q.run("UPDATE connections SET expires_at = :now", now=store.clock.now())

    assert await presentations.refused(scope, store, claim)
    assert [one["outcome"] for one in await presented(store)] == ["refused"]
    assert await claimed(scope, store, held, OTHER) is not None


async def test_a_refusal_that_a_later_attempt_has_overtaken_is_not_heeded(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """The later one knows more; its claim stands."""
    mine = await sent(scope, store, held)
    await store.q.run("UPDATE connections SET expires_at = 0")
    clock.advance(OVER)
    await sent(scope, store, held, OTHER)

    assert not await presentations.refused(scope, store, mine)
    assert (await row(store))["lease_owner"] == OTHER.process


async def test_a_refusal_that_was_overtaken_is_an_outcome_all_the_same(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """Its sender has spoken, so that nobody waits for it; the later attempt's own presentation is not touched."""
    mine = await sent(scope, store, held)
    await store.q.run("UPDATE connections SET expires_at = 0")
    clock.advance(OVER)
    await sent(scope, store, held, OTHER)

    await presentations.spoke(scope, store, mine)

    assert [one["outcome"] for one in await presented(store)] == ["refused", None]


async def test_another_grant_ends_claim_and_presentations(store: Store, scope: ConsumerScope, held: Connection) -> None:
    """What became of an earlier refresh token matters no more, and its claim is nobody's."""
    claim = await sent(scope, store, held)
    newer = await granted(scope, store, consent=2)

    assert await presented(store) == []
    assert not await presentations.mark(scope, store, claim, TERMS)
    assert await claimed(scope, store, newer, OTHER) is not None


async def test_what_changes_no_credential_leaves_claim_and_presentations(
    store: Store, scope: ConsumerScope, held: Connection
) -> None:
    """A connection that is edited or switched off while it is being refreshed is still being refreshed."""
    await sent(scope, store, held)

    def switch_off(before: Connection | None) -> connections.Change:
        assert before is not None
        return connections.Change(replace(before, enabled=False))

    await connections.change(scope, store, connector_of(), held.unified_api, switch_off)

    assert (await row(store))["lease_owner"] == ME.process
    assert len(await presented(store)) == 1


async def test_the_dead_are_spoken_for(store: Store, scope: ConsumerScope, held: Connection, clock: TestClock) -> None:
    """Whoever knows that they left no answer says so, and their requests settle from then on."""
    await sent(scope, store, held, OTHER)
    clock.advance(LEASE)
    await presentations.bury(scope, store, held, TERMS)

    standing = await presentations.standing(scope, store, held)
    assert [(one.outcome, one.settles_at) for one in standing.past] == [("none", store.clock.now() + TERMS.lease)]


async def test_what_stands_in_the_way_is_told(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """Somebody's live claim, whether the token may have left by it, and every presentation so far."""
    nothing = await presentations.standing(scope, store, held)
    claim = await claimed(scope, store, held)
    taken = await presentations.standing(scope, store, held)
    assert claim is not None
    await presentations.mark(scope, store, claim, TERMS)
    marked = await presentations.standing(scope, store, held)
    clock.advance(LEASE)
    lapsed = await presentations.standing(scope, store, held)

    seen = [(one.leased, one.sent, len(one.past)) for one in (nothing, taken, marked, lapsed)]
    assert seen == [(False, False, 0), (True, False, 0), (True, True, 1), (False, True, 1)]


async def test_processes_that_have_not_spoken_are_named(store: Store, scope: ConsumerScope, held: Connection) -> None:
    """Of one node, until what they presented has an outcome."""
    claim = await sent(scope, store, held)

    assert await silence.silent_processes(store, ME.node) == [ME.process]
    assert await silence.silent_processes(store, OTHER.node) == []
    await presentations.unanswered(scope, store, claim, TERMS)
    assert await silence.silent_processes(store, ME.node) == []


async def test_a_dead_process_is_spoken_for_where_it_left_no_answer(
    store: Store, scope: ConsumerScope, held: Connection
) -> None:
    """What it did leave, by connection and attempt, is not said to be lost: it will be stored."""
    claim = await sent(scope, store, held)
    elsewhere = await silence.speak_for(store, OTHER, frozenset(), TERMS)
    kept = await silence.speak_for(store, ME, frozenset({(held.id, claim.attempt)}), TERMS)
    outcome = (await presented(store))[0]["outcome"]

    assert (elsewhere, kept, outcome) == (0, 0, None)
    assert await silence.speak_for(store, ME, frozenset({(held.id, claim.attempt + 1)}), TERMS) == 1
    assert (await presented(store))[0]["outcome"] == "none"


async def test_a_node_that_will_not_come_back_is_forgotten(
    store: Store, scope: ConsumerScope, held: Connection
) -> None:
    """By an operator's word, for this node alone; what has spoken already keeps its words."""
    await sent(scope, store, held)

    assert [(one["node"], one["silent"]) for one in await silence.nodes(store)] == [(ME.node, 1)]
    assert await silence.forget_node(store, OTHER.node, TERMS) == 0
    assert await silence.forget_node(store, ME.node, TERMS) == 1
    assert await silence.nodes(store) == []


async def test_a_loss_is_told_once_and_only_when_it_has_settled(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """Of two that find it, one tells of it; before the answer can have come to nothing there is no loss."""
    claim = await sent(scope, store, held)
    clock.advance(LEASE - 0.001)
    early = await silence.untold(store)
    clock.advance(0.001)
    (loss,) = await silence.untold(store)

    assert early == []
    assert (loss.scope.application_id, loss.scope.consumer_id) == ("app-1", "user-1")
    assert (loss.connection_id, loss.attempt) == (held.id, claim.attempt)
    assert [await silence.tell(store, loss), await silence.tell(store, loss)] == [True, False]
    assert await silence.untold(store) == []


async def test_a_loss_is_told_as_soon_as_it_is_certain(
    store: Store, scope: ConsumerScope, held: Connection, clock: TestClock
) -> None:
    """Once it is said that a dead sender holds no answer nothing is waited for, however late that is said: the request
    may still be on its way, and the connection's health says already that it came to nothing."""
    claim = await sent(scope, store, held)
    clock.advance(LEASE - 0.001)
    before = await silence.untold(store), await connections.one(scope, store, held.unified_api, held.service_id)
    await silence.speak_for(store, ME, frozenset(), TERMS)
    after = await connections.one(scope, store, held.unified_api, held.service_id)

    assert (before[0], before[1].unresolved) == ([], False)
    assert [loss.attempt for loss in await silence.untold(store)] == [claim.attempt]
    assert after.unresolved
