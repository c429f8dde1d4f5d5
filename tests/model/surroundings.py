"""Faults, and time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.model.decisions import wants_flight
from tests.model.flight import begun, steps
from tests.model.guards import Case
from tests.model.states import (
    DEAD,
    DEADLINE,
    HUNG_UP,
    LAPSED,
    LEASE,
    NO_LATER,
    NONE,
    PATIENCE_OVER,
    UNANSWERED,
    Flight,
    Move,
    Node,
    Row,
    State,
)

BEFORE_SENDING = ("lock", "claim", "mark", "guard")


def nodes(case: Case, state: State) -> Iterator[Move]:
    """What each node can do, and what can befall it."""
    for n, node in enumerate(state.nodes):
        if node.condition == "up":
            yield from _works(case, state, n, node)
        yield from _befalls(case, state, n, node)
        yield from _recovers(case, state, n, node)


def _works(case: Case, state: State, n: int, node: Node) -> Iterator[Move]:
    wants = wants_flight(case, state, n)
    if node.flight:
        yield from steps(case, state, n)
    elif wants:
        yield Move(n, "begins a flight", "step", state.node(n, flight=begun(case, state)))
    elif node.callers and node.linked:
        yield Move(n, "answers its callers from the row", "event", state.node(n, callers=0))
    if node.callers and case.allows(state, "cancel"):
        yield Move(n, "loses a caller", "fault", _cancelled(case, state, n, node))


def _cancelled(case: Case, state: State, n: int, node: Node) -> State:
    left = case.struck(state.node(n, callers=node.callers - 1), "cancel")
    if case.guards.detached or not node.flight:
        return left
    return left.deserted(n, HUNG_UP).without_lock(n).node(n, flight=None)


def _befalls(case: Case, state: State, n: int, node: Node) -> Iterator[Move]:
    if node.condition not in ("up", "paused"):
        return
    if node.flight or any(r.node == n for r in state.redemptions):
        yield from _dies(case, state, n, node)
    if node.flight and node.condition == "up" and case.allows(state, "pause"):
        yield Move(n, "is paused", "fault", case.struck(state.node(n, condition="paused"), "pause"))
    session = case.guards.lock == "session"
    if session and (state.lock == n or node.flight) and case.allows(state, "session"):
        yield Move(n, "loses its session", "fault", case.struck(state.without_lock(n), "session"))
    if node.linked and node.flight and case.allows(state, "cut"):
        alone = state.without_lock(n) if session else state
        yield Move(n, "is cut off from the database", "fault", case.struck(alone.node(n, linked=False), "cut"))


def _dies(case: Case, state: State, n: int, node: Node) -> Iterator[Move]:
    if case.allows(state, "kill"):
        broken = "S3 an answer that was read is lost by a kill" if _loses_answer(case, state, node) else None
        dead = _dead(state, n).node(n, condition="killed")
        yield Move(n, "is killed", "fault", case.struck(dead, "kill"), broken)
    if case.allows(state, "disk"):
        gone = _dead(state, n).node(n, condition="gone", spool=())
        yield Move(n, "is lost with its disk", "fault", case.struck(gone, "disk"))


def _dead(state: State, n: int) -> State:
    left = tuple(r for r in state.redemptions if r.node != n)
    return state.deserted(n, DEAD).without_lock(n).node(n, flight=None, callers=0)._replace(redemptions=left)


def _loses_answer(case: Case, state: State, node: Node) -> bool:
    flight, row = node.flight, state.row
    if flight is None or flight.at != "store" or flight.answer is None or flight.disk is not None or row is None:
        return False
    disk_is_full = "full-disk" in case.budget and state.spent[case.budget["full-disk"][0]] > 0
    return flight.answer.token > row.token and not disk_is_full


def _recovers(case: Case, state: State, n: int, node: Node) -> Iterator[Move]:
    if node.condition == "paused":
        yield Move(n, "resumes", "event", state.node(n, condition="up"))
    if node.condition == "killed":
        yield Move(n, "starts again", "event", _started(case, state, n, node))
    if node.condition == "up" and not node.linked:
        yield Move(n, "reaches the database again", "event", state.node(n, linked=True))


def _started(case: Case, state: State, n: int, node: Node) -> State:
    """A start says of what it left behind that it holds no answer, unless one lies in its spool."""
    started, row = state.node(n, condition="up", linked=True), state.row
    if not case.guards.takes_back or row is None or n not in row.silent:
        return started
    if any((a.kind, a.id, a.generation) == ("refresh", row.id, row.generation) for a in node.spool):
        return started
    return case.written(started, row._replace(silent=row.silent - {n}, claim="sent", lease=LEASE))


def times(case: Case, state: State) -> Iterator[Move]:
    """What only takes time: tokens grow old, windows close, cooldowns end, a replica takes over."""
    row = state.row
    if row and row.access == "due":
        yield Move(None, "the access token expires", "event", _row(state, access="expired"))
    if row and row.access == "fresh" and case.allows(state, "age"):
        yield Move(None, "the new token grows old", "fault", case.struck(_row(state, access="due"), "age"))
    if row and row.refusal == "told" and case.allows(state, "retry"):
        again = case.struck(_row(state, refusal="tried again"), "retry")
        yield Move(None, "a refused token is tried again", "fault", again)
    if row and case.world.rotation == "grace":
        yield from _window(case, state, row)
    if case.allows(state, "failover"):
        over = case.struck(state._replace(row=state.before, lock=None), "failover")
        yield Move(None, "the database fails over and forgets its last commit", "fault", over)


def _row(state: State, **changes: Any) -> State:
    assert state.row is not None
    return state._replace(row=state.row._replace(**changes))


def _window(case: Case, state: State, row: Row) -> Iterator[Move]:
    if row.in_window:
        yield Move(None, "the grace window may be over", "event", _row(state, in_window=False))
        return
    family = state.family(row.token)
    if family == NONE or state.grants[family].previous == NONE:
        return
    if case.world.timely and (_replaying(state) or any(r.answer == UNANSWERED for r in state.wire)):
        return
    closed = state.grants[family]._replace(previous=NONE)
    grants = (*state.grants[:family], closed, *state.grants[family + 1 :])
    yield Move(None, "the grace window closes", "event", state._replace(grants=grants))


def _replaying(state: State) -> bool:
    """Whether somebody decided to present again while the window was open, and has not yet."""
    flights = (node.flight for node in state.nodes if node.flight)
    return any(f.at == "send" or (f.again and f.at in ("mark", "guard")) for f in flights)


def tick(case: Case, state: State) -> Iterator[Move]:
    """Time passes by one tick for the lease and for whoever is between claim and answer."""
    later = _lease_runs(case, state)
    for n, node in enumerate(state.nodes):
        flight = node.flight
        if flight and flight.at in ("mark", "guard", "send", "wait") and flight.elapsed < NO_LATER:
            if _hangs_up_first(case, node, flight):
                return
            later = later.flight(n, elapsed=flight.elapsed + 1)
    if later is not state:
        yield Move(None, "time passes", "tick", later)


def _hangs_up_first(case: Case, node: Node, flight: Flight) -> bool:
    impatient = node.condition == "up" and not case.guards.listens
    return impatient and flight.at == "wait" and flight.elapsed >= DEADLINE


def _lease_runs(case: Case, state: State) -> State:
    row = state.row
    if row is None or row.lease is None or row.lease <= PATIENCE_OVER:
        return state
    if row.lease == 1 and case.guards.beats and any(_beats(node, row) for node in state.nodes):
        return state
    if case.world.timely and _awaited(state, row.lease):
        return state
    return _row(state, lease=row.lease - 1)


def _beats(node: Node, row: Row) -> bool:
    flight = node.flight
    if flight is None or node.condition != "up" or not node.linked:
        return False
    return (flight.attempt, flight.id) == (row.attempt, row.id)


def _awaited(state: State, lease: int) -> bool:
    """In a timely world: what is under way arrives, and who has something to say says it, before time runs out."""
    if lease == 1:
        return any(r.sender < 0 for r in state.wire)
    if lease != LAPSED:
        return False
    return any(r.answer == UNANSWERED for r in state.wire) or any(_has_a_say(node) for node in state.nodes)


def _has_a_say(node: Node) -> bool:
    if node.condition == "gone":
        return False
    return bool(node.spool) or bool(node.flight and node.flight.at not in BEFORE_SENDING)
