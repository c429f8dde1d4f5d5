"""The steps of a refresh, in their order. Each may be the last one that its node takes."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.decisions import (
    DATABASE,
    ambiguous,
    lapsed,
    may_claim,
    spooled,
    store_consent,
    store_refresh,
)
from tests.model.guards import Case
from tests.model.states import (
    DEADLINE,
    HUNG_UP,
    LAPSED,
    LEASE,
    REFUSED,
    TOO_LATE_TO_SEND,
    UNANSWERED,
    Answer,
    At,
    Flight,
    Move,
    Request,
    Row,
    State,
)

MOST_ATTEMPTS = 9


def begun(case: Case, state: State) -> Flight:
    """A flight that has only looked; what it saw counts where nobody looks again under the lock."""
    row = state.row
    if row is None or case.guards.looks_again:
        return Flight()
    return Flight(generation=row.generation, token=row.token)


def steps(case: Case, state: State, n: int) -> Iterator[Move]:
    """What the flight of node `n` can do next; nothing while it waits."""
    if state.row and state.row.attempt > MOST_ATTEMPTS:
        yield Move(None, "the claim changes hands again and again", "step", state, "S5 the claim is stolen for ever")
        return
    yield from STEPS[state.flying(n).at](case, state, n)


def _lock(case: Case, state: State, n: int) -> Iterator[Move]:
    if case.guards.lock in ("none", "moves"):
        yield Move(n, "goes on without a lock of its own", "step", state.flight(n, at="claim"))
    elif state.lock is None:
        yield Move(n, "takes the lock", "step", state._replace(lock=n).flight(n, at="claim"))


def _claim(case: Case, state: State, n: int) -> Iterator[Move]:
    if not state.nodes[n].linked:
        return
    row, guards = state.row, case.guards
    waiting = spooled(case, state, n) if guards.drains == "always" else []
    if waiting:
        yield Move(n, "drains its spool", "step", _drained(state, n, *waiting[0]))
    elif row is None or (guards.looks_again and not may_claim(case, state, n)):
        yield _ends(case, state, n, "finds nothing to do")
    elif guards.one_disk and guards.asks_sender and row.silent - {n}:
        # Whoever sent is dead, or it would hold the lock; its request may still be on its way.
        settling = row._replace(silent=frozenset(), claim="sent", lease=LEASE)
        yield _ends(case, case.written(state, settling), n, "speaks for a dead sender, and lets it settle")
    else:
        yield from _claimed(case, state, n, row)


def _drained(state: State, n: int, disk: int, answer: Answer) -> State:
    return state.flight(
        n,
        at="store",
        id=answer.id,
        generation=answer.generation,
        attempt=answer.attempt,
        answer=answer,
        disk=disk,
    )


def _claimed(case: Case, state: State, n: int, row: Row) -> Iterator[Move]:
    again, guards, seen = ambiguous(case, row), case.guards, state.flying(n)
    claimed = row._replace(claim="claimed", attempt=row.attempt + 1, lease=LEASE)
    if guards.marks_with_claim:
        claimed = _marked(claimed, n, first=not again)
    written = case.written(state, claimed)
    yield Move(n, "claims again" if again else "claims", "step", _onward(case, written, n, row, again, seen))
    if case.allows(state, "ack"):
        yield Move(n, "claims, and is not told so", "fault", case.struck(written, "ack"))


def _onward(case: Case, written: State, n: int, row: Row, again: bool, seen: Flight) -> State:
    """From the claim to the mark; or, where spools are read only then, to what the last holder left in one."""
    known = (row.generation, row.token) if case.guards.looks_again else (seen.generation, seen.token)
    flight = Flight("claim", row.id, known[0], known[1], row.attempt + 1, row.consent)
    left = [
        (disk, answer._replace(attempt=flight.attempt))
        for disk, answer in spooled(case, written, n)
        if again and (answer.id, answer.generation) == (row.id, row.generation)
    ]
    if left and case.guards.drains == "when ambiguous":
        disk, answer = left[0]
        return written.node(n, flight=flight._replace(at="store", answer=answer, disk=disk))
    at: At = "guard" if case.guards.marks_with_claim else "mark"
    return written.node(n, flight=flight._replace(at=at, again=again, marked_before=row.presented))


def _marked(row: Row, n: int, *, first: bool) -> Row:
    window = True if first else row.in_window
    return row._replace(claim="sent", presented=True, silent=row.silent | {n}, in_window=window)


def _mark(case: Case, state: State, n: int) -> Iterator[Move]:
    flight, row = state.flying(n), state.row
    if not case.guards.marks:
        yield Move(n, "goes on without a mark", "step", state.flight(n, at="guard"))
    elif not state.nodes[n].linked:
        return
    elif row is None or not _still_ours(case, row, flight):
        yield _ends(case, state, n, "may not send: the attempt is not its own any more")
    else:
        marked = case.written(state, _marked(row, n, first=not flight.marked_before))
        yield Move(n, "marks that it will send", "step", marked.flight(n, at="guard"))
        if case.allows(state, "ack"):
            unsure = case.struck(marked, "ack").flight(n, at="unsent")
            yield Move(n, "marks that it will send, and is not told so", "fault", unsure)


def _still_ours(case: Case, row: Row, flight: Flight) -> bool:
    guards = case.guards
    if guards.minds_id and row.id != flight.id:
        return False
    return not guards.fences_mark or (row.attempt == flight.attempt and not lapsed(case, row, DATABASE))


def _guard(case: Case, state: State, n: int) -> Iterator[Move]:
    if case.guards.minds_elapsed and state.flying(n).elapsed >= TOO_LATE_TO_SEND:
        yield Move(n, "is too late to send", "step", state.flight(n, at="unsent"))
    else:
        yield Move(n, "is in time to send", "step", state.flight(n, at="send"))


def _send(case: Case, state: State, n: int) -> Iterator[Move]:
    flight = state.flying(n)
    needless = flight.token in state.seen and _spends(case, state, flight.token) and not _excused(state, flight)
    sent = state.sent(*state.wire, Request(n, flight.token))._replace(seen=state.seen | {flight.token})
    broken = "S1 a token is presented again without need" if needless else None
    yield Move(n, "presents the refresh token", "step", sent.flight(n, at="wait"), broken)


def _spends(case: Case, state: State, token: int) -> bool:
    """Whether presenting the token once more can do harm."""
    rotation, grant = case.world.rotation, state.grants[state.family(token)]
    if rotation == "grace":
        return token not in (grant.current, grant.previous)
    return rotation != "none"


def _excused(state: State, flight: Flight) -> bool:
    """Whether it was known to be presented before, and there was nothing left to lose by waiting no longer."""
    row = state.row
    if row is None or row.id != flight.id or state.family(row.token) != state.family(flight.token):
        return flight.again
    return flight.again and row.access == "expired"


def _wait(case: Case, state: State, n: int) -> Iterator[Move]:
    mine = next((r for r in state.wire if r.sender == n), None)
    if mine and mine.answer != UNANSWERED:
        rest = state._replace(wire=tuple(r for r in state.wire if r != mine))
        yield Move(n, "reads the answer", "step", rest.flight(n, at="spool", answer=_answer(rest.flying(n), mine)))
    if mine is None or (not case.guards.listens and state.flying(n).elapsed >= DEADLINE):
        yield Move(n, "gets no answer", "step", state.deserted(n, HUNG_UP).flight(n, at="unanswered"))


def _answer(flight: Flight, answered: Request) -> Answer:
    return Answer("refresh", flight.id, flight.generation, flight.attempt, answered.answer, flight.consent)


def _spool(case: Case, state: State, n: int) -> Iterator[Move]:
    answer = state.flying(n).answer
    assert answer is not None
    onward = state.flight(n, at="store", again=False)
    if not case.guards.spools or answer.token == REFUSED:
        yield Move(n, "goes on to the database", "step", onward)
        return
    kept = onward.node(n, spool=(*state.nodes[n].spool, answer)).flight(n, disk=n)
    yield Move(n, "spools the answer", "step", kept)
    if case.allows(state, "full-disk"):
        yield Move(n, "finds its disk full and goes on", "fault", case.struck(onward, "full-disk"))


def _store(case: Case, state: State, n: int) -> Iterator[Move]:
    flight = state.flying(n)
    answer = flight.answer
    assert answer is not None
    if not state.nodes[n].linked:
        if not case.guards.holds and answer.token != REFUSED:
            broken = None if flight.disk is not None else "S3 a living process throws an answer away"
            yield _ends(case, state, n, "gives the answer up: no database", broken)
        return
    if answer.kind == "consent":
        stored = store_consent(case, state, answer)
    else:
        stored = store_refresh(case, state, n, flight, answer)
    yield Move(n, stored.what, "step", stored.state.flight(n, at="clean"), stored.broken)
    if case.allows(state, "ack"):
        unsure = case.struck(stored.state, "ack")
        yield Move(n, f"{stored.what}, and is not told so", "fault", unsure, stored.broken)


def _clean(case: Case, state: State, n: int) -> Iterator[Move]:
    flight = state.flying(n)
    assert flight.answer is not None
    refused = flight.answer.token == REFUSED
    if flight.disk is not None:
        left = tuple(answer for answer in state.nodes[flight.disk].spool if not _same_file(answer, flight))
        state = state.node(flight.disk, spool=left)
    yield _ends(case, state, n, "ends its flight", refused=refused)


def _same_file(answer: Answer, flight: Flight) -> bool:
    assert flight.answer is not None
    return (answer.kind, answer.id, answer.token) == (flight.answer.kind, flight.answer.id, flight.answer.token)


def _unanswered(case: Case, state: State, n: int) -> Iterator[Move]:
    flight, row = state.flying(n), state.row
    if not case.guards.takes_back:
        yield _ends(case, state, n, "leaves it to the lease")
    elif state.nodes[n].linked:
        if row and (row.id, row.generation) == (flight.id, flight.generation):
            state = case.written(state, row._replace(silent=row.silent - {n}, lease=LEASE))
        yield _ends(case, state, n, "writes that no answer came")


def _unsent(case: Case, state: State, n: int) -> Iterator[Move]:
    flight, row = state.flying(n), state.row
    if not case.guards.takes_back:
        yield _ends(case, state, n, "leaves it to the lease")
    elif state.nodes[n].linked:
        if row and (row.id, row.generation) == (flight.id, flight.generation):
            state = case.written(state, _taken_back(row, flight, n))
        yield _ends(case, state, n, "takes its mark back")


def _taken_back(row: Row, flight: Flight, n: int) -> Row:
    row = row._replace(silent=row.silent - {n})
    if row.attempt != flight.attempt:
        return row
    before = flight.marked_before
    return row._replace(claim="free", presented=before, lease=LAPSED if before else None)


def _ends(case: Case, state: State, n: int, what: str, broken: str | None = None, *, refused: bool = False) -> Move:
    """The flight is over: the lock goes back, and its callers are answered or wait for the next flight."""
    node, flight, row = state.nodes[n], state.flying(n), state.row
    overtaken = row is not None and row.generation != flight.generation
    if refused and overtaken and node.callers and not case.guards.answers_from_row:
        broken = "S4 a caller is told to reconnect while a newer grant is stored"
    nothing = row is not None and row.access == "expired" and row.refusal != "told"
    waiting = nothing and not refused and may_claim(case, state, n)
    ended = state.without_lock(n).node(n, flight=None, callers=node.callers if waiting else 0)
    return Move(n, what, "step", ended, broken)


STEPS = {
    "lock": _lock,
    "claim": _claim,
    "mark": _mark,
    "guard": _guard,
    "send": _send,
    "wait": _wait,
    "spool": _spool,
    "store": _store,
    "clean": _clean,
    "unanswered": _unanswered,
    "unsent": _unsent,
}
