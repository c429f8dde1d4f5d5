"""What becomes of a token that is presented, by the provider's way of rotating.

- `none`    the same refresh token for ever
- `grace`   rotated; for a while the one before gives the same answer once more
- `strict`  rotated; the one before is refused
- `last`    rotated; for a while the one before gives a new answer, which ends the first
- `family`  rotated; the one before ends the whole grant (RFC 9700 section 4.14.2)
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.guards import Case
from tests.model.states import HUNG_UP, REFUSED, UNANSWERED, Grant, Move, Request, State


def moves(case: Case, state: State) -> Iterator[Move]:
    """Everything the provider and the network can do with what is on its way."""
    for request in state.wire:
        rest = [r for r in state.wire if r is not request]
        if request.answer == UNANSWERED:
            yield from _arrives(case, state, request, rest)
        elif case.allows(state, "lost-answer"):
            yield Move(None, "the answer is lost on its way", "fault", case.struck(state.sent(*rest), "lost-answer"))


def _arrives(case: Case, state: State, request: Request, rest: list[Request]) -> Iterator[Move]:
    answered, token, broken = _presented(case, state, request.token)
    heard = request.sender >= 0
    what = "the provider refuses" if token == REFUSED else "the provider grants"
    if not heard:
        what += ", and nobody listens"
    if _hung_up_on_a_grant(request, token):
        broken = broken or "S3 a living process hung up on a token that was granted"
    wire = [*rest, request._replace(answer=token)] if heard else rest
    yield Move(None, what, "step", answered.sent(*wire), broken)
    if heard and case.allows(state, "lost-request"):
        lost = case.struck(state.sent(*rest), "lost-request")
        yield Move(None, "the request is lost on its way", "fault", lost)


def _hung_up_on_a_grant(request: Request, token: int) -> bool:
    return request.sender == HUNG_UP and token not in (REFUSED, request.token)


def _presented(case: Case, state: State, token: int) -> tuple[State, int, str | None]:
    """(what is afterwards, the newest token or REFUSED, which promise was broken)."""
    family = state.grant_of[token]
    grant, rotation = state.grants[family], case.world.rotation
    if not grant.alive:
        return state, REFUSED, None
    if rotation == "none":
        return state, token, None
    if rotation == "grace" and token == grant.previous:
        return state, grant.current, None
    if token == grant.current or (rotation == "last" and token == grant.previous):
        new = len(state.grant_of)
        rotated = _changed(state, family, Grant(True, new, token))
        return rotated._replace(grant_of=(*state.grant_of, family)), new, None
    if rotation in ("strict", "last"):
        return state, REFUSED, None
    return _changed(state, family, Grant(False, grant.current)), REFUSED, _avoidable(state, family)


def _changed(state: State, family: int, grant: Grant) -> State:
    return state._replace(grants=(*state.grants[:family], grant, *state.grants[family + 1 :]))


def _avoidable(state: State, family: int) -> str | None:
    row = state.row
    if _somebody_has(state, state.grants[family].current):
        return "S6 we ended a family whose live token we hold"
    if row and state.family(row.token) == family and row.access != "expired":
        return "S6 we ended a family whose access token was good"
    return None


def _somebody_has(state: State, token: int) -> bool:
    """Whether anybody of ours has this token, or will still read it."""
    if state.row and state.row.token == token:
        return True
    if any(r.answer == token and r.sender >= 0 for r in state.wire):
        return True
    if any(r.token == token and state.nodes[r.node].condition in ("up", "paused") for r in state.redemptions):
        return True
    return any(_holds(state, n, token) for n in range(len(state.nodes)))


def _holds(state: State, n: int, token: int) -> bool:
    node = state.nodes[n]
    if node.condition == "gone":
        return False
    if any(answer.token == token for answer in node.spool):
        return True
    flight = node.flight
    return bool(flight and flight.answer and flight.answer.token == token)
