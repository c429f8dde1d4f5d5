"""What there is: values, and nothing that decides.

Tokens are numbered in the order in which the provider grants them, grants likewise. A node is its place in a tuple.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Access = Literal["expired", "due", "fresh"]
Claim = Literal["free", "claimed", "sent"]
Refusal = Literal["none", "tried again", "told"]
Condition = Literal["up", "paused", "killed", "gone"]
Kind = Literal["refresh", "consent"]
At = Literal["lock", "claim", "mark", "guard", "send", "wait", "spool", "store", "clean", "unanswered", "unsent"]
MoveKind = Literal["step", "event", "tick", "fault"]

# A lease in ticks: how it begins, when it has lapsed, and when nobody waits any longer for its holder's word.
LEASE, LAPSED, PATIENCE_OVER = 3, 0, -1
# Of a flight, in ticks since its claim.
TOO_LATE_TO_SEND, DEADLINE, NO_LATER = 1, 2, 3
# What stands in the place of a token.
NONE, REFUSED, UNANSWERED = -1, -1, -2
# Who waits for an answer, if no node does: its sender is dead, or it lives and has hung up.
DEAD, HUNG_UP = -1, -2


class Row(NamedTuple):
    """The connection, as the database has it."""

    id: int = 0
    generation: int = 0
    token: int = 0
    access: Access = "due"
    claim: Claim = "free"
    presented: bool = False  # there are presentations of this generation
    silent: frozenset[int] = frozenset()  # nodes whose presentation has no outcome yet
    attempt: int = 0
    lease: int | None = None
    refusal: Refusal = "none"
    consent: int = 0
    made_by: int = 0
    in_window: bool = False  # the provider surely takes the token again
    redeeming: int = 0


class Answer(NamedTuple):
    """What a provider said, with all that is needed to store it later: what lies in a spool."""

    kind: Kind
    id: int
    generation: int
    attempt: int  # of a consent: its number
    token: int
    consent: int


class Flight(NamedTuple):
    """A refresh under way on one node."""

    at: At = "lock"
    id: int = 0
    generation: int = 0
    token: int = 0
    attempt: int = 0
    consent: int = 0
    again: bool = False  # the token may have been presented before
    marked_before: bool = False
    elapsed: int = 0
    answer: Answer | None = None
    disk: int | None = None  # on whose disk the answer lies


class Node(NamedTuple):
    """A process with a disk."""

    condition: Condition = "up"
    linked: bool = True  # it reaches the database
    flight: Flight | None = None
    spool: tuple[Answer, ...] = ()
    callers: int = 0


class Request(NamedTuple):
    """A presentation on its way, or its answer on the way back."""

    sender: int
    token: int
    answer: int = UNANSWERED


class Grant(NamedTuple):
    """A grant at the provider: a family of tokens that follow one another."""

    alive: bool
    current: int
    previous: int = NONE


class Redemption(NamedTuple):
    """Somebody came back with a code, on one node."""

    node: int
    at: Literal["redeem", "store"]
    id: int
    number: int
    token: int = NONE


class Debt(NamedTuple):
    """A grant that we owe to revoke, by one of its tokens."""

    token: int


class State(NamedTuple):
    """Everything at one moment."""

    row: Row | None
    before: Row | None  # what a replica that lags would have
    nodes: tuple[Node, ...]
    plans: tuple[str, ...]  # what people have yet to do
    spent: tuple[int, ...]  # of each fault's budget
    lock: int | None = None
    wire: tuple[Request, ...] = ()
    grants: tuple[Grant, ...] = (Grant(True, 0),)
    grant_of: tuple[int, ...] = (0,)  # token → grant
    seen: frozenset[int] = frozenset()  # tokens presented so far
    redemptions: tuple[Redemption, ...] = ()
    debts: tuple[Debt, ...] = ()

    def node(self, n: int, **changes: Any) -> State:
        """The state with node `n` changed."""
        changed = self.nodes[n]._replace(**changes)
        return self._replace(nodes=(*self.nodes[:n], changed, *self.nodes[n + 1 :]))

    def flight(self, n: int, **changes: Any) -> State:
        """The state with the flight of node `n` changed."""
        return self.node(n, flight=self.flying(n)._replace(**changes))

    def flying(self, n: int) -> Flight:
        """The flight of node `n`, which has one."""
        flight = self.nodes[n].flight
        assert flight is not None
        return flight

    def family(self, token: int) -> int:
        """The grant of a token; NONE for no token."""
        return self.grant_of[token] if token >= 0 else NONE

    def without_lock(self, n: int) -> State:
        """The state after node `n` has given the lock back, if it had it."""
        return self._replace(lock=None) if self.lock == n else self

    def sent(self, *requests: Request) -> State:
        """The state with just these on the wire, in an order that says nothing."""
        return self._replace(wire=tuple(sorted(requests)))

    def deserted(self, n: int, listener: int) -> State:
        """Nobody reads the answer to the request of node `n`; the request itself may still arrive."""
        kept = (r for r in self.wire if r.sender != n or r.answer == UNANSWERED)
        return self.sent(*(r._replace(sender=listener) if r.sender == n else r for r in kept))


class Move(NamedTuple):
    """Something that can happen next; `broken` says which promise it breaks."""

    who: int | None
    what: str
    kind: MoveKind
    state: State
    broken: str | None = None

    def told(self) -> str:
        """One line of a story."""
        return self.what if self.who is None else f"node {self.who} {self.what}"
