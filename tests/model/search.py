"""Every state that can be reached, once, nearest first; what must hold at rest; and that it ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.model import people, provider, surroundings
from tests.model.guards import Case
from tests.model.states import NONE, Move, Row, State

MOST_STATES = 1_000_000
MOST_STATES_DEEP = 2_500_000


def moves(case: Case, state: State) -> list[Move]:
    """Everything that can happen next.

    Time passes when nobody who runs has anything to do. A tick out of turn means that somebody is slow, and is taken
    from that budget.
    """
    found = [
        *surroundings.nodes(case, state),
        *provider.moves(case, state),
        *people.moves(case, state),
        *surroundings.times(case, state),
    ]
    if not any(move.kind == "step" for move in found):
        return [*found, *surroundings.tick(case, state)]
    if case.allows(state, "slow"):
        early = surroundings.tick(case, state)
        found += [move._replace(kind="fault", state=case.struck(move.state, "slow")) for move in early]
    return found


def wrong_at_rest(case: Case, state: State) -> str | None:
    """The promise that is broken by a state in which nothing more can happen."""
    if any(node.condition == "up" and node.callers for node in state.nodes):
        return "S4 a caller is never answered"
    if any(node.flight for node in state.nodes):
        return "S5 a flight is stuck"
    if any(node.spool for node in state.nodes):
        return "S3 an answer stays in a spool for ever"
    if state.row is None or state.row.token == NONE:
        return None
    return _wrong_grant(case, state, state.row) or _untold(state.row)


def _wrong_grant(case: Case, state: State, row: Row) -> str | None:
    grant = state.grants[state.family(row.token)]
    if not grant.alive:
        return None
    if grant.current == row.token:
        dead = row.refusal == "told" and row.redeeming == 0 and row.id == 0
        return "S4 a good grant is told as dead" if dead else None
    silent = row.refusal == "none" and not row.presented and case.world.rotation != "none"
    return "S3 the live token is lost in silence" if silent else None


def _untold(row: Row) -> str | None:
    neither = row.access != "fresh" and row.refusal != "told"
    return "S5 the connection is neither fresh nor told" if neither else None


@dataclass
class Found:
    """What a search came to: nothing, or a broken promise with the shortest story of it."""

    broken: str | None = None
    story: list[str] = field(default_factory=list)
    states: int = 0
    moves: int = 0


class Search:
    """One search, through all states of one case."""

    def __init__(self, case: Case) -> None:
        first = case.beginning()
        self._case = case
        self._number = {first: 0}
        self._from: list[tuple[int, str]] = [(0, "")]
        self._onward: list[list[int]] = [[]]  # by everything that is no fault
        self._moves = 0

    def run(self, most: int = MOST_STATES) -> Found:
        """The nearest broken promise; else a cycle without faults, which would never end; else nothing.

        OverflowError if there are more than `most` states.
        """
        waiting = deque(self._number)
        while waiting:
            state = waiting.popleft()
            for move in self._after(state):
                if move.broken:
                    return self._found(move.broken, self._number[state], move.told())
                self._remember(state, move, waiting)
            if not self._onward[self._number[state]] and (wrong := wrong_at_rest(self._case, state)):
                return self._found(wrong, self._number[state])
            if len(self._number) > most:
                raise OverflowError(f"more than {most} states")
        return self._found(None) if (cycle := self._cycle()) is None else self._found("S5 it goes on for ever", cycle)

    def _after(self, state: State) -> Iterator[Move]:
        for move in moves(self._case, state):
            self._moves += 1
            yield move

    def _remember(self, state: State, move: Move, waiting: deque[State]) -> None:
        number, known = self._number[state], self._number.get(move.state)
        if known is None:
            known = self._number[move.state] = len(self._from)
            self._from.append((number, move.told()))
            self._onward.append([])
            waiting.append(move.state)
        if move.kind != "fault":
            self._onward[number].append(known)

    def _found(self, broken: str | None, number: int = 0, last: str | None = None) -> Found:
        story = [last] if last else []
        while number:
            number, what = self._from[number]
            story.append(what)
        return Found(broken, story[::-1], len(self._number), self._moves)

    def _cycle(self) -> int | None:
        """A state on, or behind, a cycle; None if states can be taken away one by one that nothing leads to."""
        leading = [0] * len(self._onward)
        for after in self._onward:
            for number in after:
                leading[number] += 1
        free = [number for number, count in enumerate(leading) if not count]
        while free:
            for number in self._onward[free.pop()]:
                leading[number] -= 1
                if not leading[number]:
                    free.append(number)
        return next((number for number, count in enumerate(leading) if count), None)
