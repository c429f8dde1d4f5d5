"""What the statements on the row ask, and what they write."""

from __future__ import annotations

from typing import NamedTuple

from tests.model.guards import Case
from tests.model.states import LAPSED, PATIENCE_OVER, REFUSED, Answer, Debt, Flight, Row, State

DATABASE = -1
FAST_CLOCK = 1  # the node whose clock is far ahead, where node clocks decide


class Stored(NamedTuple):
    """What came of a store."""

    state: State
    what: str
    broken: str | None = None


def lapsed(case: Case, row: Row, by: int) -> bool:
    """Whether the lease is over, by the clock that decides."""
    if by == FAST_CLOCK and not case.guards.database_clock:
        return True
    return row.lease is None or row.lease <= LAPSED


def ambiguous(case: Case, row: Row) -> bool:
    """Whether the token of this generation may have been presented, as far as it is remembered."""
    return row.claim == "sent" or (case.guards.remembers and row.presented)


def may_claim(case: Case, state: State, n: int) -> bool:
    """Whether the claiming statement of node `n` would match the row."""
    row, guards = state.row, case.guards
    if row is None or row.access == "fresh" or row.refusal == "told":
        return False
    if row.claim == "claimed" and guards.lock == "none" and not lapsed(case, row, n):
        return False
    if row.claim == "sent" and guards.respects_lease and not lapsed(case, row, n):
        return False
    return not ambiguous(case, row) or _may_present_again(case, row, n)


def _may_present_again(case: Case, row: Row, n: int) -> bool:
    guards, rotation = case.guards, case.world.rotation
    if rotation == "none" or (rotation == "grace" and (row.in_window or not guards.measures_window)):
        return True
    expired = row.access == "expired" or (n == FAST_CLOCK and not guards.database_clock)
    if not expired:
        return rotation not in guards.patient
    if not guards.asks_sender or guards.one_disk:  # on one disk there is nothing to ask: it was drained
        return True
    return row.silent <= {n} or row.lease == PATIENCE_OVER


def spooled(case: Case, state: State, n: int) -> list[tuple[int, Answer]]:
    """What node `n` can read of spools: on whose disk, and the answer."""
    return [
        (disk, answer)
        for disk, node in enumerate(state.nodes)
        if disk == n or case.guards.one_disk
        for answer in node.spool
    ]


def wants_flight(case: Case, state: State, n: int) -> bool:
    """Whether node `n` has something to do and nobody doing it."""
    node = state.nodes[n]
    if node.condition != "up" or not node.linked or node.flight:
        return False
    return (case.guards.drains == "always" and bool(spooled(case, state, n))) or may_claim(case, state, n)


def owing(state: State, token: int) -> State:
    """The state in which the grant of `token` is owed to be revoked."""
    return state._replace(debts=tuple(sorted({*state.debts, Debt(token)})))


def store_refresh(case: Case, state: State, n: int, flight: Flight, answer: Answer) -> Stored:
    """The answer to a refresh meets the row."""
    row = state.row
    if row is None or (case.guards.minds_id and row.id != answer.id):
        left = state if answer.token == REFUSED else owing(state, answer.token)
        return Stored(left, "finds the connection gone")
    if answer.token == REFUSED:
        return _refuse(case, state, n, answer, row)
    if _matches(case, flight, answer, row):
        return _keep(case, state, answer, row)
    return _judge(case, state, answer, row)


def _refuse(case: Case, state: State, n: int, answer: Answer, row: Row) -> Stored:
    ours = row.generation == answer.generation and row.attempt == answer.attempt
    if not ours and case.guards.fences_refusal:
        return Stored(state, "is refused, but the row has moved on")
    broken = None if row.generation == answer.generation else "S2 a newer grant is told as dead by an older refusal"
    if not case.guards.tells:
        forgotten = row._replace(claim="free", presented=False, lease=None, access="fresh")
        return Stored(case.written(state, forgotten), "is refused and tells nobody", broken)
    silent = row.silent - {n}  # others that presented it may still hold an answer
    told = row._replace(refusal="told", claim="free", silent=silent, lease=LAPSED if silent else None)
    return Stored(case.written(state, told), "is refused and says so", broken)


def _matches(case: Case, flight: Flight, answer: Answer, row: Row) -> bool:
    guards = case.guards
    if row.refusal == "told" and flight.disk is not None and not guards.repairs:
        return False
    if guards.stores_on == "nothing":
        return True
    same_attempt = row.attempt == answer.attempt or guards.stores_on == "generation"
    return row.generation == answer.generation and same_attempt


def _keep(case: Case, state: State, answer: Answer, row: Row) -> Stored:
    older = state.family(answer.token) != state.family(row.token) or answer.token < row.token or row.id != answer.id
    kept = row._replace(
        generation=row.generation + 1,
        token=answer.token,
        access="fresh",
        claim="free",
        presented=False,
        silent=frozenset(),
        lease=None,
        refusal="none",
        made_by=answer.attempt,
        in_window=False,
    )
    broken = "S2 a newer grant is overwritten by an older answer" if older else None
    return Stored(case.written(state, kept), "stores the answer", broken)


def _judge(case: Case, state: State, answer: Answer, row: Row) -> Stored:
    """The row is of another generation: who made it, and from which consent, says what is to be done with ours."""
    if not case.guards.judges_miss:
        return Stored(owing(state, answer.token), "matches nothing and owes a revocation")
    if row.made_by == answer.attempt and row.generation > answer.generation:
        return Stored(state, "finds it stored already", _thrown_away(state, answer, row))
    if row.consent == answer.consent:
        return Stored(state, "finds a later one of the same consent", _thrown_away(state, answer, row))
    return Stored(owing(state, answer.token), "finds another consent and owes a revocation")


def _thrown_away(state: State, answer: Answer, row: Row) -> str | None:
    grant = state.grants[state.family(answer.token)]
    lost = grant.alive and grant.current == answer.token != row.token
    return "S3 the live token is thrown away" if lost else None


def store_consent(case: Case, state: State, answer: Answer) -> Stored:
    """What a redeemed code gave meets the row."""
    row, number = state.row, answer.attempt
    if row is None:
        return Stored(owing(state, answer.token), "finds the connection deleted")
    if case.guards.numbers_consents and (row.id != answer.id or row.consent >= number):
        if row.id == answer.id and row.consent == number:
            return Stored(state, "finds the new grant stored already")
        return Stored(owing(state, answer.token), "finds a newer consent and owes a revocation")
    older = (row.id, row.consent) > (answer.id, number) or (
        state.family(row.token) == state.family(answer.token) and row.token > answer.token
    )
    kept = Row(
        id=row.id,
        generation=row.generation + 1,
        token=answer.token,
        access="fresh",
        attempt=row.attempt,
        consent=number,
        made_by=number,
        redeeming=0 if row.redeeming == number else row.redeeming,
    )
    broken = "S2 a newer grant is overwritten by an older one" if older else None
    return Stored(case.written(state, kept), "stores the new grant", broken)
