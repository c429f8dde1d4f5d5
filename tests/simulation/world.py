"""Some nodes, one database, one provider, one customer's connection, and whoever decides what happens next.

Everything that a process does with the world goes through a gate, where it waits until it is let through; the loop is
idle then. So a run is a list of steps, one after the other: which gate opens, when the provider acts, when time passes,
what breaks. `World` can do each of these and checks the laws after every one; who chooses is not its business (`fate`
by a seed, a test by its schedule).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from tests.simulation import users
from tests.simulation.doors import LockKind, point_gate
from tests.simulation.laws import Laws, Violation
from tests.simulation.machines import Node, Running, wipe
from tests.simulation.network import Call, Network
from tests.simulation.rotating_provider import Provider, Rotation
from tests.simulation.virtual_loop import PROCESS, VirtualLoop

from holdfast import failpoints
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.store import revocations
from holdfast.store.presentations import Terms
from holdfast.usecases.credential import refresh
from holdfast.usecases.vault import Vault

API = "crm"
SCHEDULE_SHOWN = 400


@dataclass(frozen=True)
class Case:
    """What the world is like. `shared`: all processes find each other's answers (one machine)."""

    rotation: Rotation = "family"
    nodes: int = 2
    lock: LockKind = "session"
    shared: bool = False
    ends: Literal["token", "grant"] = "token"
    patience: int = 600_000
    skews: tuple[int, ...] = ()

    @property
    def service(self) -> str:
        """The connector that says so in its manifest."""
        rotation = "strict" if self.rotation == "last" else self.rotation
        return f"sim-{rotation}-{self.ends}"


class Fate(Protocol):
    """Decides how long the provider takes: (until it acts, then until the answer arrives), in ms."""

    def delays(self) -> tuple[int, int]: ...


class Prompt:
    """A provider that takes no time unless it is told to (`next`)."""

    def __init__(self) -> None:
        self.next: list[tuple[int, int]] = []

    def delays(self) -> tuple[int, int]:
        return self.next.pop(0) if self.next else (0, 0)


@dataclass(eq=False)
class Gate:
    """Where somebody waits to be let through. `kept`: a change is in the database, and he does not know it yet."""

    by: Running
    what: str
    waiter: asyncio.Future[None]
    kept: bool = False
    held_until: int | None = None


class World:
    """`base` is a vault on the real database, whose doors the processes get gated."""

    def __init__(self, base: Vault, loop: VirtualLoop, case: Case, directory: Path, application: str) -> None:
        self.base, self.loop, self.case = base, loop, case
        self.scope = ConsumerScope(application, Caller.own("simulation"), "user-1")
        self.fate: Fate = Prompt()
        self.provider = Provider(case.rotation, ends=case.ends)
        self.network = Network(self)
        self.processes: list[Running] = []
        self.laws = Laws(self)
        self.locked: dict[str, Any] = {}
        self.schedule: list[str] = []
        self.gates: list[Gate] = []
        self.over = False
        self.ops = itertools.count(1)
        skews = case.skews or (0,) * case.nodes
        self.nodes = [
            Node(n, directory / ("disk" if case.shared else f"disk-{n}"), skew) for n, skew in enumerate(skews)
        ]

    # --- what processes do here

    async def gate(self, by: Running, what: str, *, kept: bool = False) -> None:
        """Waits until this step is chosen."""
        if self.over:
            raise asyncio.CancelledError
        gate = Gate(by, what, self.loop.create_future(), kept)
        self.gates.append(gate)
        await gate.waiter

    def running(self) -> Running | None:
        me = PROCESS.get()
        return me if isinstance(me, Running) else None

    def noticed(self, by: Running, statement: str) -> None:
        if statement == "presentations.claim":
            by.claimed_at = self.loop.now
        self.laws.asked(by, statement)

    def passed(self, by: Running, point: str) -> None:
        self.laws.passed(by, point)

    def changed(self) -> None:
        self.laws.row_may_have_changed()

    def spooled(self, response: Any, entry: Any) -> None:
        self.laws.spooled(response, entry)

    # --- what can happen

    def open_gates(self, node: int | None = None) -> list[Gate]:
        """Those at which somebody waits who can go on."""
        self.gates = [gate for gate in self.gates if gate.by.alive and not gate.waiter.done()]
        return [g for g in self.gates if not g.by.paused and (node is None or g.by.node.number == node)]

    def let_through(self, gate: Gate) -> None:
        gate.waiter.set_result(None)
        self._did(f"{gate.by.name} {gate.what}")

    def happens(self, what: str, call: Call) -> None:
        """What `Network.steps` told of."""
        getattr(self.network, what)(call)
        said = f" and grants {call.granted}" if call.granted else ""
        self._did(f"the provider acts on {call.number}{said}" if what == "acts" else f"answer {call.number} arrives")

    def next_moment(self) -> int | None:
        moments = [self.loop.next_timer(), self.network.next_moment()]
        moments += [n.starts_at for n in self.nodes if n.running is None and not n.gone]
        for node in self.nodes:
            if node.running is not None:
                moments += [node.running.resumes_at or None, node.running.links_at or None]
        return min((m for m in moments if m is not None and m > self.loop.now), default=None)

    def pass_to(self, moment: int) -> None:
        """Time passes, and whoever was to come back by then does."""
        self.loop.pass_to(moment)
        self._did(f"time passes, {self.at}")
        for node in self.nodes:
            one = node.running
            if one is None and not node.gone and node.starts_at <= self.loop.now:
                self.start(node.number)
            elif one is not None and one.resumes_at and one.resumes_at <= self.loop.now:
                self.resume(node.number)
            elif one is not None and one.links_at and one.links_at <= self.loop.now:
                self.link(node.number)

    @property
    def lease(self) -> int:
        """In ms: so long a request that nobody waits for may be on its way."""
        return Terms().lease

    @property
    def at(self) -> str:
        return f"{(self.loop.now - self.laws.began_at) / 1000:g} s"

    # --- what users do

    def call(self, node: int, *, force: bool = False) -> asyncio.Task[Any]:
        """Somebody uses the connection, or wants to be sure of it (`force`: whatever the token's age)."""
        one = self.process(node)
        task = one.begin(users.use_it(self, one, force=force), "caller")
        self._did(f"{one.name} a caller comes")
        return task

    def hang_up(self, task: asyncio.Task[Any], name: str) -> None:
        task.cancel()
        self._did(f"{name} a caller hangs up")

    def reconnect(self, node: int) -> asyncio.Task[Any]:
        """The customer comes back with a code."""
        one = self.process(node)
        task = one.begin(users.come_back(self, one, self.provider.new_code()), "user")
        self._did(f"{one.name} a user comes back with a code")
        return task

    def delete(self, node: int) -> asyncio.Task[Any]:
        one = self.process(node)
        task = one.begin(users.delete(self, one), "user")
        self._did(f"{one.name} the connection is deleted")
        return task

    def work(self, node: int) -> asyncio.Task[Any]:
        """The worker does what is due of revocations."""
        one = self.process(node)
        task = one.begin(users.revoke_due(one), "worker")
        self._did(f"{one.name} looks for revocations")
        return task

    # --- what breaks

    def start(self, node: int) -> Running:
        where = self.nodes[node]
        where.running = one = Running(self, where)
        self.processes.append(one)
        one.begin(one.live(), "recovery")
        self._did(f"{one.name} starts")
        return one

    def kill(self, node: int, *, for_seconds: float = 0, lose_disk: bool = False) -> None:
        """As by SIGKILL, or with the machine and its disk."""
        one = self.process(node)
        self.network.abandoned(one, self.laws.settles_at(one))
        self.laws.dies(one, with_disk=lose_disk)
        one.locks.session.end(noticed=True)
        one.alive = False
        one.spool.dies()
        where = self.nodes[node]
        where.running, where.starts_at = None, self.loop.now + round(for_seconds * 1000)
        if lose_disk:
            where.gone = True
            wipe(where.directory)
        self._did(f"{one.name} is lost with its disk" if lose_disk else f"{one.name} is killed")

    def pause(self, node: int, for_seconds: float = 0) -> None:
        one = self.process(node)
        one.paused, one.resumes_at = True, self._after(for_seconds)
        self._did(f"{one.name} is paused")

    def resume(self, node: int) -> None:
        one = self.process(node)
        one.resumes_at, one.resumed_at, one.up_since = 0, self.loop.now, self.loop.now
        self.loop.resume(one)
        self._did(f"{one.name} resumes")

    def cut(self, node: int, for_seconds: float = 0) -> None:
        """Cut off from the database; the server gives its session's locks back."""
        one = self.process(node)
        one.linked, one.links_at = False, self._after(for_seconds)
        self._end_session(one)
        self._did(f"{one.name} is cut off from the database")

    def link(self, node: int) -> None:
        one = self.process(node)
        one.linked, one.links_at, one.up_since = True, 0, self.loop.now
        self._did(f"{one.name} reaches the database again")

    def lose_session(self, node: int, *, noticed: bool = False) -> None:
        one = self.process(node)
        self._end_session(one, noticed=noticed)
        self._did(f"{one.name} loses its lock session")

    def lose_acknowledgement(self, node: int) -> None:
        """Of the next thing that this node keeps, or has just kept."""
        self.process(node).forgets += 1
        self._did(f"n{node} will not hear that its change was kept")

    def refuse_connection(self, node: int) -> None:
        self.process(node).refuses += 1
        self._did(f"n{node} will not reach the provider")

    def fill_disk(self, node: int, *, full: bool = True) -> None:
        self.nodes[node].full = full
        self._did(f"n{node}'s disk is {'full' if full else 'free'}")

    def break_connection(self, call: Call, *, arrives_later: bool = False) -> None:
        self.laws.breaks(call)
        self.network.lost(call, arrives_later=arrives_later)
        self._did(f"the connection of {call.number} breaks")

    # --- and then

    def process(self, node: int) -> Running:
        one = self.nodes[node].running
        assert one is not None, f"n{node} is down"
        return one

    @contextmanager
    def living(self) -> Iterator[None]:
        """The world as long as the block lasts; afterwards nothing of it is left."""
        before, failpoints_at, wait, owe = asyncio._get_running_loop(), failpoints.at, refresh.WAIT, revocations.owe
        asyncio._set_running_loop(self.loop)
        failpoints.at = point_gate(self)  # type: ignore[assignment]
        revocations.owe = self.laws.noting_debts(owe)
        refresh.WAIT = 1.0  # each look is a few steps, and nothing happens between them
        try:
            for node in range(self.case.nodes):
                self.start(node)
            yield
        except Violation as violation:
            raise Violation(f"{violation}\n{self.told()}") from None
        finally:
            self._end()
            failpoints.at, refresh.WAIT, revocations.owe = failpoints_at, wait, owe
            asyncio._set_running_loop(before)

    def waiting(self) -> list[str]:
        """The names of tasks of living processes that are not done."""
        return [t.get_name() for one in self.processes if one.alive for t in one.tasks if not t.done()]

    def told(self) -> str:
        """What happened, for whoever reads of a violation."""
        shown = self.schedule[-SCHEDULE_SHOWN:]
        return "\n".join([str(self.case), f"{len(self.schedule)} steps, the last of them:", *shown])

    def check(self) -> None:
        self.laws.check()

    def _after(self, seconds: float) -> int:
        """The moment; 0 is never."""
        return self.loop.now + round(seconds * 1000) if seconds else 0

    def _did(self, what: str) -> None:
        self.schedule.append(what)
        self.loop.settle()
        self.laws.check(what)
        if self.loop.complaints:
            raise Violation(self.loop.complaints[0])

    def _end_session(self, one: Running, *, noticed: bool = False) -> None:
        if self.case.lock == "session":
            one.locks.session.end(noticed=noticed)

    def _end(self) -> None:
        """Every task ends without touching anything: at the gates nobody gets through any more."""
        self.over = True
        for process in self.processes:
            process.alive = True
            self.loop.resume(process)
        for _ in range(100):
            self.loop.settle()
            for task in self.loop.tasks:
                task.cancel()
        for process in self.processes:
            process.spool.dies()
        for node in self.nodes:
            wipe(node.directory)
        self.loop.forget()
