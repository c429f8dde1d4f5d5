"""The doors of a process, each of which lets it through one step at a time (`World.gate`).

Behind the database's door is the real SQLite, behind the spool's the real directory. The lock, the network and the
clock are doubled. What may go wrong at a door goes wrong here: a database that is cut off before or after it has kept
something, a session that ends with its locks, a full disk, a request or an answer that is lost.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from holdfast.domain.door import WHOLE, Limits, Ready
from holdfast.domain.exchange import Request, Response
from holdfast.errors import NoAnswer, Unavailable
from holdfast.store import connections, flows, integrations, jobs, presentations, revocations, silence, tenants
from holdfast.store.engine.database import PATIENCE, Database, Queries, Row, reads
from holdfast.store.seal.box import Box
from holdfast.store.spool import About, Callback, Entry, Spool

if TYPE_CHECKING:
    from tests.simulation.machines import Running
    from tests.simulation.world import World

# Inside a transaction nothing is waited for: SQLite has one at a time, and it is kept or not as a whole.
_WHOLE: ContextVar[bool] = ContextVar("whole", default=False)
LockKind = Literal["file", "session", "none", "moves"]


class GatedDatabase:
    """`Database` as one process reaches it."""

    kind: Literal["sqlite", "postgresql"] = "sqlite"

    def __init__(self, real: Database, world: World, me: Running) -> None:
        self._real, self._world, self._me = real, world, me

    async def all(self, sql: str, /, **params: Any) -> list[Row]:
        rows: list[Row] = await self._alone(self._real.all, sql, params)
        return rows

    async def one(self, sql: str, /, **params: Any) -> Row | None:
        row: Row | None = await self._alone(self._real.one, sql, params)
        return row

    async def run(self, sql: str, /, **params: Any) -> int:
        changed: int = await self._alone(self._real.run, sql, params)
        return changed

    @asynccontextmanager
    async def transaction(self, *, patience: float = PATIENCE) -> AsyncIterator[Queries]:
        name = _caller()
        await self._asks(name)
        whole = _WHOLE.set(True)
        try:
            async with self._real.transaction() as q:
                yield q
        finally:
            _WHOLE.reset(whole)
        await self._hears(name)

    async def close(self) -> None:
        """It is everybody's."""

    async def _alone(self, verb: Callable[..., Any], sql: str, params: dict[str, Any]) -> Any:
        name = _STATEMENTS.get(sql) or _caller()
        await self._asks(name)
        found = await verb(sql, **params)
        self._world.noticed(self._me, name)
        if not reads(sql):
            await self._hears(name)
        return found

    async def _asks(self, name: str) -> None:
        await self._world.gate(self._me, f"asks {name}")
        if not self._me.linked:
            raise Unavailable("The database cannot be used right now.")

    async def _hears(self, name: str) -> None:
        self._world.changed()
        self._world.noticed(self._me, name)
        await self._world.gate(self._me, f"kept {name}", kept=True)
        if not self._me.linked or self._me.loses_acknowledgement():
            raise Unavailable("The database cannot be used right now.")


@dataclass(eq=False)
class Session:
    """What locks live in. It may have `ended` at the server before its owner has `noticed`."""

    ended: bool = False
    noticed: bool = False

    def end(self, *, noticed: bool) -> None:
        self.ended, self.noticed = True, noticed


@dataclass(eq=False)
class HeldLock:
    locks: GatedLocks
    name: str
    session: Session

    @property
    def lost(self) -> bool:
        return self.session.noticed

    async def give_back(self) -> None:
        await self.locks.give_back(self)


class GatedLocks:
    """`Locks` of one process: `file` ends with the process alone, `session` with its session too, `moves` is a session
    lock behind a pooler that gives each statement another session, `none` keeps nobody out."""

    def __init__(self, world: World, me: Running, kind: LockKind) -> None:
        self._world, self._me, self._kind = world, me, kind
        self.exclude = kind != "none"
        self.session = Session()
        self._mine: set[str] = set()

    async def take(self, name: str) -> HeldLock | None:
        await self._world.gate(self._me, "takes the lock")
        if name in self._mine:
            return None
        if self._kind == "session":
            self._require_session()
        if self.keeps_out(name):
            return None
        self._mine.add(name)
        self._world.locked[name] = HeldLock(self, name, self.session)
        return self._world.locked[name]

    def keeps_out(self, name: str) -> bool:
        """Whether another process has the lock."""
        holder = self._world.locked.get(name)
        return self._kind in ("file", "session") and holder is not None and not holder.session.ended

    async def give_back(self, lock: HeldLock) -> None:
        await self._world.gate(self._me, "gives the lock back")
        self._mine.discard(lock.name)
        if self._world.locked.get(lock.name) is lock:
            del self._world.locked[lock.name]

    async def check(self) -> None:
        """It is known what they are."""

    async def close(self) -> None:
        self.session.end(noticed=True)

    def _require_session(self) -> None:
        if not self._me.linked:
            raise Unavailable("PostgreSQL gives no lock right now.")
        if self.session.noticed:
            self.session = Session()
        elif self.session.ended:
            self.session.noticed = True
            raise Unavailable("PostgreSQL gives no lock right now.")


class GatedSpool(Spool):
    """The real directory; a write may fail, and what is in it is known to the laws."""

    def __init__(self, directory: Path, world: World, me: Running) -> None:
        super().__init__(directory)
        self._process = f"{me.node.number}-{me.node.starts}"  # no chance decides who is looked at first
        self._world, self._me = world, me

    async def put(self, box: Box, about: About, response: Response, callback: Callback | None = None) -> Entry | None:
        await self._world.gate(self._me, "spools the answer")
        entry = await super().put(box, about, response, callback)
        self._world.spooled(response, entry)
        return entry

    def dies(self) -> None:
        """What the system does to a process's locks."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class GatedDoor:
    """`Door` to the one provider."""

    def __init__(self, world: World, me: Running) -> None:
        self._world, self._me = world, me

    async def send(self, request: Request, *, limits: Limits = WHOLE, ready: Ready | None = None) -> Response:
        await self._world.gate(self._me, "connects")
        if self._me.is_refused():
            raise NoAnswer("The provider could not be reached.", may_have_acted=False)
        if ready is not None:
            await ready()
        await self._world.gate(self._me, "sends")
        call = self._world.network.sent(self._me, request)
        try:
            return await self._answer(call.answer, limits.total)
        except TimeoutError:
            raise NoAnswer("The provider did not answer in time.", may_have_acted=True) from None
        finally:
            call.listens = False

    async def _answer(self, answer: asyncio.Future[Response], seconds: float | None) -> Response:
        """Waits so long, and a moment more where it was stopped meanwhile: the answer may lie in its socket."""
        while True:
            begun = self._world.loop.now
            await asyncio.wait({answer}, timeout=seconds)
            if answer.done():
                return answer.result()
            if self._me.resumed_at <= begun:
                raise TimeoutError
            seconds = 5.0

    def open(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("nothing here streams")


class GatedClock:
    """`Clock` of one machine, whose wall clock may be wrong by `skew` ms."""

    def __init__(self, world: World, skew: int = 0) -> None:
        self._world, self._skew = world, skew

    def now(self) -> int:
        return self._world.loop.now + self._skew

    def monotonic(self) -> float:
        return self._world.loop.now / 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def point_gate(world: World) -> Callable[[str], Any]:
    """`failpoints.at`, as a gate of whoever comes there."""

    async def at(point: str) -> None:
        if (me := world.running()) is None or _WHOLE.get():
            return
        await world.gate(me, point)
        world.passed(me, point)
        if point == "refresh.spooling" and me.node.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return at


def _named_statements() -> dict[str, str]:
    modules = (presentations, silence, connections, flows, jobs, revocations, tenants, integrations)
    named = [(value, module, name) for module in modules for name, value in vars(module).items()]
    return {
        value: f"{module.__name__.rpartition('.')[2]}.{name.strip('_').lower()}"
        for value, module, name in named
        if isinstance(value, str) and name.isupper()
    }


_STATEMENTS = _named_statements()


def _caller() -> str:
    """Who asks for a transaction: the nearest function of the product that is not only in between."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        if module.startswith("holdfast.") and name not in ("transaction", "change", "write", "_save", "insist"):
            return f"{module.rpartition('.')[2]}.{name.strip('_')}"
        frame = frame.f_back
    return "a transaction"
