"""The protocol, as the list of what protects it, and the world it is put into."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from tests.model.states import Node, Row, State

Rotation = Literal["none", "grace", "strict", "last", "family"]
ROTATING: frozenset[Rotation] = frozenset(("grace", "strict", "last", "family"))


@dataclass(frozen=True)
class Guards:
    """Each guard, by what it does; what it protects from is told by the line of the table that takes it out."""

    # Who may go on.
    lock: Literal["session", "file", "none", "moves"] = "session"  # lost with: the session, the process; none; moves
    respects_lease: bool = True  # whoever has sent is left alone until the lease has lapsed, whatever a lock says
    beats: bool = True  # a holder that runs and reaches the database keeps its lease
    looks_again: bool = True  # the row is read under the lock, by the statement that claims
    database_clock: bool = True  # no node's clock decides

    # Before the token leaves.
    marks: bool = True  # the row says so first
    marks_with_claim: bool = False  # … in the claiming statement
    fences_mark: bool = True  # … only if the attempt is still ours and its lease lives
    minds_elapsed: bool = True  # nothing is sent too long after the claim
    takes_back: bool = True  # what was marked and not sent, or not answered, is said so; it settles before a replay

    # When it may leave a second time.
    remembers: bool = True  # presentations are kept until the generation changes
    patient: frozenset[Rotation] = ROTATING  # not replayed while the access token is good
    measures_window: bool = True  # a grace window is counted from the presentation
    asks_sender: bool = True  # a replay needs the sender's word that it holds nothing, or patience is over

    # Once it was answered.
    listens: bool = True  # the socket outlives the callers' deadline
    detached: bool = True  # a caller that leaves does not end the flight
    spools: bool = True  # the answer is on disk before anything else is done with it
    one_disk: bool = False  # every node reads every spool: one machine
    drains: Literal["always", "when ambiguous"] = "always"  # at start, on reconnection and before any claim
    holds: bool = True  # an answer is kept until the database is back

    # When it is stored.
    stores_on: Literal["generation", "generation and attempt", "nothing"] = "generation"
    minds_id: bool = True  # … of the same connection, not of its successor
    judges_miss: bool = True  # a store that matched nothing asks the row why, instead of revoking
    repairs: bool = True  # a spooled answer mends a row that was told as dead meanwhile
    fences_refusal: bool = True  # a refusal is written on its own generation and attempt only
    tells: bool = True  # a refusal is written at all
    numbers_consents: bool = True  # a redemption is numbered before its code is spent, stored over lower numbers
    supersedes: bool = True  # what would end the grant in force is not revoked
    answers_from_row: bool = True  # callers hear what the row says, not how their flight ended


# What was decided first, before anybody searched.
AS_WRITTEN = Guards(
    beats=False,
    takes_back=False,
    remembers=False,
    patient=frozenset(("family",)),
    measures_window=False,
    asks_sender=False,
    listens=False,
    drains="when ambiguous",
    stores_on="generation and attempt",
    judges_miss=False,
    repairs=False,
    numbers_consents=False,
    supersedes=False,
)


@dataclass(frozen=True)
class World:
    """What the protocol must live with."""

    rotation: Rotation = "family"
    nodes: int = 2
    faults: tuple[tuple[str, int], ...] = ()  # each with its budget
    together: int = 2  # how many in one story; `slow` is not counted
    plans: tuple[str, ...] = ()  # consent, delete, caller: each once, at any time
    callers: int = 0  # on each node, from the beginning
    account_wide: bool = False  # a revocation ends every grant of the account
    timely: bool = True  # no pause and no request under way outlasts lease and patience


@dataclass(frozen=True)
class Case:
    """A protocol in a world."""

    guards: Guards
    world: World

    @cached_property
    def budget(self) -> dict[str, tuple[int, int]]:
        """Fault → (its place in `State.spent`, how often)."""
        return {name: (place, most) for place, (name, most) in enumerate(self.world.faults)}

    def beginning(self) -> State:
        """A connection that is due, and nobody at work."""
        nodes = (Node(callers=self.world.callers),) * self.world.nodes
        return State(Row(), Row(), nodes, self.world.plans, (0,) * len(self.world.faults))

    def allows(self, state: State, fault: str) -> bool:
        """Whether `fault` may strike once more."""
        if fault not in self.budget:
            return False
        place, most = self.budget[fault]
        if state.spent[place] >= most:
            return False
        return fault == "slow" or self._together(state) < self.world.together

    def _together(self, state: State) -> int:
        slow = self.budget.get("slow")
        return sum(state.spent) - (state.spent[slow[0]] if slow else 0)

    def struck(self, state: State, fault: str) -> State:
        """The state after `fault` was taken from its budget."""
        place, _ = self.budget[fault]
        spent = state.spent
        return state._replace(spent=(*spent[:place], spent[place] + 1, *spent[place + 1 :]))

    def written(self, state: State, row: Row | None) -> State:
        """The state after a commit; what was there before is kept where a failover can bring it back."""
        return state._replace(row=row, before=state.row if "failover" in self.budget else None)
