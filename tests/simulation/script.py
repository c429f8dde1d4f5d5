"""A run that a test writes down: one node goes so far, another one comes, this breaks, and then it has to end well."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.simulation.ending import finish, put_right
from tests.simulation.laws import Violation
from tests.simulation.stage import Stage
from tests.simulation.world import Case, Gate, Prompt, World

STEPS = 3000


class Diverged(Exception):
    """The product does something else than the schedule expects."""


class Script:
    """A world whose first consent is stored. Times are seconds since then; a token lives for 300."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fate = Prompt()
        self.world.fate = self.fate
        self.stays: tuple[str, ...] = ()  # gates that nobody is let through
        self._turn = itertools.count()

    # --- who goes on

    def go(self, node: int, to: str = "") -> None:
        """Lets `node` go on until it stands before the gate `to`, or until it has nothing left to do. Nobody else moves
        but the provider, who acts and answers when its time has come."""
        for _ in range(STEPS):
            gates = [gate for gate in self.world.open_gates(node) if not gate.what.startswith(self.stays or "-")]
            # What else the process does (it looks after the dead) must not hide what the schedule is about.
            there = [gate for gate in gates if to and gate.what.startswith(to)]
            if there:
                return
            if gates:
                self.world.let_through(gates[0])
            elif not self._provider(node):
                break
        if to:
            raise Diverged(f"n{node} does not come to {to!r}\n{self.world.told()}")

    def wait(self, seconds: float, *, but: tuple[int, ...] = ()) -> None:
        """Time passes, and everybody goes on but the nodes that are held where they stand."""
        end = self.world.loop.now + round(seconds * 1000)
        for _ in range(STEPS * 5):
            if not self._anybody(but):
                moment = self.world.next_moment()
                if moment is None or moment > end:
                    break
                self.world.pass_to(moment)
        self.world.pass_to(end)
        while self._anybody(but):
            continue

    def until(self, second: float, *, but: tuple[int, ...] = ()) -> None:
        self.wait(second - (self.world.loop.now - self.world.laws.began_at) / 1000, but=but)

    def acts(self, node: int) -> None:
        """The provider acts on what the node has sent; its answer is still on its way."""
        for what, call in self.world.network.steps():
            if what == "acts" and call.by.node.number == node:
                self.world.happens(what, call)
                return
        raise Diverged(f"nothing of n{node} is on its way\n{self.world.told()}")

    def breaks(self, node: int, *, arrives_later: bool = False) -> None:
        """The node's connection to the provider breaks."""
        call = next((c for c in self.world.network.calls if c.by.node.number == node), None)
        if call is None:
            raise Diverged(f"nothing of n{node} is on its way\n{self.world.told()}")
        self.world.break_connection(call, arrives_later=arrives_later)

    def pass_gate(self, node: int, what: str) -> None:
        """The node passes this gate, and does nothing else."""
        self.go(node, to=what)
        gate = next(g for g in self.world.open_gates(node) if g.what.startswith(what))
        self.world.let_through(gate)

    def end(self) -> None:
        """Everything is put right, and has to come to an end (S5)."""
        self.stays = ()
        put_right(self.world)
        finish(self.world, self.anybody, lambda nodes: nodes[next(self._turn) % len(nodes)])

    def anybody(self) -> bool:
        """Whoever has waited longest goes on, or time passes."""
        if self._anybody(()):
            return True
        moment = self.world.next_moment()
        if moment is not None:
            self.world.pass_to(moment)
        return moment is not None

    def _anybody(self, but: tuple[int, ...]) -> bool:
        gates: list[Gate] = [
            gate
            for gate in self.world.open_gates()
            if gate.by.node.number not in but and not gate.what.startswith(self.stays or "-")
        ]
        if gates:
            self.world.let_through(gates[0])
            return True
        return self._provider(None, but)

    def _provider(self, node: int | None, but: tuple[int, ...] = ()) -> bool:
        for what, call in self.world.network.steps():
            mine = node is None or call.by.node.number == node
            if mine and not (what == "arrives" and call.by.node.number in but):
                self.world.happens(what, call)
                return True
        return False


@contextmanager
def scripted(stage: Stage, case: Case) -> Iterator[Script]:
    """A connected world, for a schedule."""
    world = stage.world(case)
    with world.living():
        script = Script(world)
        connecting = world.reconnect(0)
        while not connecting.done():
            script.anybody()
        yield script


def result(task: asyncio.Task[Any]) -> Any:
    """What somebody was told, who is done."""
    return task.result() if task.done() else None


__all__ = ["Case", "Diverged", "Script", "Violation", "result", "scripted"]
