"""A run that a seed chooses: who goes on next, how long the provider takes, what breaks and when, and how it ends.

Each seed has a kind of trouble (`TROUBLES`, the fault sets of the model that was checked), a way to rotate and a kind
of lock. First anything may happen; then everything is put right, and within the time that the slowest way takes the
connection must be fresh again, or flagged for its customer to connect again.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.doors import LockKind
from tests.simulation.ending import finish, put_right
from tests.simulation.laws import Violation
from tests.simulation.network import Call
from tests.simulation.rotating_provider import LIFE, Rotation
from tests.simulation.stage import Stage
from tests.simulation.world import Case, Gate, World

# How many of a hundred steps are held up while others go on.
HELD_UP = 0.06
STEPS = 4000
# How long the troubled part lasts, in ms after the first token has expired.
TROUBLED = 900_000


@dataclass(frozen=True)
class Trouble:
    """`faults`: how many of each may happen, at most `most` of them in one run. `users`: who comes along."""

    name: str
    faults: dict[str, int]
    most: int = 2
    users: tuple[str, ...] = ("caller", "sure") * 4


TROUBLES = (
    Trouble("two kills", {"kill": 2}),
    Trouble("killed, disk lost", {"kill": 1, "lose": 1}),
    Trouble("paused, session lost", {"pause": 1, "session": 2}),
    Trouble("cut off, killed, acknowledgement lost", {"cut": 1, "kill": 1, "forget": 1}),
    Trouble("answers lost", {"break": 2, "refuse": 1}),
    Trouble("disk full, cut off", {"full": 1, "cut": 1}, most=2),
    Trouble("a slow provider", {"session": 1, "hang": 1}, most=1),
    Trouble("user, crash", {"kill": 1}, users=("sure", "caller", "reconnect", "sure", "caller", "caller")),
    Trouble(
        "user, delete", {"kill": 1, "forget": 1}, users=("sure", "reconnect", "delete", "caller", "reconnect", "sure")
    ),
    Trouble(
        "user, answer lost", {"break": 1, "pause": 1}, users=("sure", "caller", "reconnect", "sure", "caller", "caller")
    ),
    Trouble("two users", {"forget": 1, "cut": 1}, users=("sure", "reconnect", "reconnect", "caller", "sure")),
    Trouble("two users, killed", {"kill": 2}, users=("sure", "reconnect", "reconnect", "caller", "sure")),
    Trouble("callers that hang up", {"kill": 1, "cut": 1, "hang": 3}, most=4),
    Trouble("kills, cut off, acknowledgement lost", {"kill": 2, "cut": 1, "forget": 2}, most=3),
    Trouble("paused and killed", {"pause": 2, "kill": 1, "session": 1}, most=3),
    Trouble("nothing breaks", {}),
)
ROTATIONS: tuple[Rotation, ...] = ("family", "strict", "grace", "last", "none", "family")
LOCKS: tuple[LockKind, ...] = ("session", "session", "file", "none")


@dataclass
class Luck:
    """`random.Random(seed)`, and what is decided by it beforehand."""

    seed: int
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.trouble = TROUBLES[self.seed % len(TROUBLES)]
        draw = self.random.choice
        lock = draw(LOCKS)
        self.case = Case(
            rotation=draw(ROTATIONS), nodes=draw([2, 2, 2, 3]), lock=lock, shared=lock == "file",
            ends="grant" if "reconnect" in self.trouble.users and draw([True, False]) else "token",
        )  # fmt: skip

    def delays(self) -> tuple[int, int]:
        """Nearly always none; never so long that nobody waits for it any more."""
        acts = self.random.choice([0, 0, 0, 0, 900, 7_000, 25_000])
        return acts, self.random.choice([0, 0, 0, 0, 900, 12_000, 26_000, 70_000])


class Run:
    """One seed, from the first consent to the end."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.luck = Luck(seed)
        self.world: World
        self._stage = stage
        self._callers: list[asyncio.Task[Any]] = []
        self._faults = dict(self.luck.trouble.faults)
        self._left = self.luck.trouble.most
        self._slow = self._slowest = self.luck.random.choice([0, 1, 3])
        self._users = list(self.luck.trouble.users)

    def __call__(self) -> int:
        """How many steps it took. Violation."""
        self.world = self._stage.world(self.luck.case)
        try:
            with self.world.living():
                self._connect()
                self.world.fate = self.luck
                self._be_troubled()
                put_right(self.world)
                self._last_users()
                finish(self.world, self._step, self.luck.random.choice)
        except Violation as violation:
            raise Violation(f"seed {self.luck.seed} ({self.luck.trouble.name})\n{violation}") from None
        return len(self.world.schedule)

    # --- from a fresh connection to one whose token has just expired, or nearly

    def _connect(self) -> None:
        connecting = self.world.reconnect(0)
        while not connecting.done():
            self._step()
        left = self.luck.random.choice([200, 100, 20, 20, 0, -1])
        self.world.pass_to(self.world.laws.began_at + (LIFE - left) * 1000)

    def _be_troubled(self) -> None:
        end = self.world.loop.now + TROUBLED
        for _ in range(STEPS):
            if self.world.loop.now > end:
                return
            draw = self.luck.random.random()
            if draw < 0.05 and self._users:
                self._comes(self._users.pop(0))
            elif draw < 0.12 and self._left and self._breaks():
                self._left -= 1
            elif draw < 0.14 and self._slow:
                self._slow -= 1
                self._is_slow()
            elif not self._step():
                return

    def _step(self) -> bool:
        """The next step of somebody, or time."""
        world, luck = self.world, self.luck.random
        choices: list[Gate | tuple[str, Call]] = [*self._gates(), *world.network.steps()]
        if choices:
            chosen = luck.choice(choices)
            world.let_through(chosen) if isinstance(chosen, Gate) else world.happens(*chosen)
            return True
        moment = world.next_moment()
        if moment is None:
            return False
        if self._users and self.luck.random.random() < 0.3:
            self._comes(self._users.pop(0))
        else:
            world.pass_to(moment)
        return True

    def _gates(self) -> list[Gate]:
        """Where somebody may go on. Now and then one is held up there while many others go on: most races need that."""
        world, luck = self.world, self.luck.random
        gates = world.open_gates()
        for gate in gates:
            if gate.held_until is None:
                held = luck.random() < HELD_UP
                gate.held_until = len(world.schedule) + luck.choice([6, 15, 40]) if held else 0
        free = [gate for gate in gates if (gate.held_until or 0) <= len(world.schedule)]
        return free or gates

    def _is_slow(self) -> None:
        """Time passes though somebody could go on. Not for so long that an answer is given up."""
        longest = [31_000] if self._slow == self._slowest - 1 else []
        self.world.pass_to(self.world.loop.now + self.luck.random.choice([500, 3_000, 7_000, *longest]))

    def _up(self) -> list[int]:
        return [n.number for n in self.world.nodes if n.running is not None]

    def _comes(self, user: str) -> None:
        up = [n for n in self._up() if not self.world.process(n).paused]
        if not up:
            return
        node = self.luck.random.choice(up)
        if user in ("caller", "sure"):
            self._callers.append(self.world.call(node, force=user == "sure"))
        elif user == "reconnect":
            self.world.reconnect(node)
        else:
            self.world.delete(node)

    def _breaks(self) -> bool:
        """One fault of those that are left, where it can happen now."""
        fault = self.luck.random.choice(sorted(name for name, left in self._faults.items() if left) or [""])
        up = self._up()
        if not fault or not up:
            return False
        busy = [node for node in up if self._is_at_it(node)]
        if not busy and self.luck.random.random() < 0.8:
            return False  # most harm is done to those who are at something
        node = self.luck.random.choice(busy or up)
        happened = getattr(self, f"_{fault}")(node)
        if happened:
            self._faults[fault] -= 1
        return bool(happened)

    def _is_at_it(self, node: int) -> bool:
        """Whether somebody refreshes, redeems or revokes there, beside the looking after the dead."""
        at = [gate for gate in self.world.open_gates(node) if "silence" not in gate.what]
        return bool(at) or any(call.by.node.number == node for call in self.world.network.calls)

    def _kill(self, node: int) -> bool:
        self.world.kill(node, for_seconds=self.luck.random.choice([0, 5, 40, 200, 500, *self._long(node)]))
        return True

    def _lose(self, node: int) -> bool:
        if len(self._up()) < 2 or self.world.case.shared:
            return False
        self.world.kill(node, lose_disk=True)
        return True

    def _pause(self, node: int) -> bool:
        if self.world.process(node).paused:
            return False
        self.world.pause(node, self.luck.random.choice([3, 8, 33, 100, 400, *self._long(node)]))
        return True

    def _long(self, node: int) -> list[int]:
        """Seconds beyond all patience: of whoever holds no answer, and has nothing to send that he would still send."""
        one = self.world.process(node)
        sends = any(gate.by is one and gate.what in ("sends", "refresh.guarded") for gate in self.world.open_gates())
        return [] if sends or self.world.laws.holds_something(one) else [800, 800]

    def _session(self, node: int) -> bool:
        if self.world.case.lock != "session":
            return False
        self.world.lose_session(node, noticed=self.luck.random.random() < 0.5)
        return True

    def _cut(self, node: int) -> bool:
        if not self.world.process(node).linked:
            return False
        self.world.cut(node, self.luck.random.choice([1, 15, 60, 200]))
        return True

    def _forget(self, node: int) -> bool:
        kept = [gate for gate in self.world.open_gates() if gate.kept]
        if not kept:
            return False
        gate = self.luck.random.choice(kept)
        self.world.lose_acknowledgement(gate.by.node.number)
        self.world.let_through(gate)
        return True

    def _break(self, node: int) -> bool:
        calls = [call for call in self.world.network.calls if call.heard and call.is_token]
        if not calls:
            return False
        later = self.luck.random.random() < 0.5
        self.world.break_connection(self.luck.random.choice(calls), arrives_later=later)
        return True

    def _refuse(self, node: int) -> bool:
        self.world.refuse_connection(node)
        return True

    def _full(self, node: int) -> bool:
        self.world.fill_disk(node)
        return True

    def _hang(self, node: int) -> bool:
        waiting = [task for task in self._callers if not task.done()]
        if not waiting:
            return False
        self.world.hang_up(self.luck.random.choice(waiting), f"n{node}")
        return True

    # --- and then

    def _last_users(self) -> None:
        for user in self._users:
            self._comes(user)
        self._users.clear()
