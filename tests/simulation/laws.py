"""What has to hold after every step, whatever has happened.

S1  no refresh token is presented a second time while there is nothing to win by it
S2  a newer grant is neither overwritten nor ended nor called dead by what belongs to an older one
S3  a token that the provider has given is stored, kept, owed to it back, or lost by something that nobody can prevent,
    and a loss is told
S4  callers are told what is so
S5  everything comes to an end (`fate.finish` asks that)
S6  no grant is ended by us while its living token, or a good access token, is here
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec
from tests.simulation.network import Call
from tests.simulation.rotating_provider import WINDOW, Family
from tests.simulation.users import OP, Op, asks_to_reconnect

from holdfast.domain.exchange import Response
from holdfast.errors import HoldfastError
from holdfast.store import connections, rows
from holdfast.store.spool import Entry

if TYPE_CHECKING:
    from tests.simulation.machines import Running
    from tests.simulation.world import World

# ms: after a presentation has settled, and somebody could have told of it.
TOLD_WITHIN = 60_000
ATTEMPTS = 60
_PRESENTED = "SELECT * FROM presentations ORDER BY connection_id, attempt"
_COUNTED = "SELECT attempt FROM connections WHERE id = :id"


class Violation(AssertionError):
    """A law does not hold."""


@dataclass(frozen=True)
class Facts:
    """The row, opened."""

    id: str
    generation: int
    consent: int
    attempt: int
    granted: bool
    refresh_token: str | None
    expires_at: int | None
    rejected: bool
    failed: bool
    presentations: tuple[dict[str, Any], ...]


@dataclass(eq=False)
class Read:
    """An answer in the memory of whoever read it. `safe`: he has been at the spool with it, and it took it."""

    token: str
    by: Running
    task: asyncio.Task[object] | None
    safe: bool = False


class Laws:
    def __init__(self, world: World) -> None:
        self._world = world
        self.began_at = world.loop.now
        self.row: Facts | None = None
        self._dirty = True
        self._reads: list[Read] = []
        self._files: dict[str, list[Path]] = {}
        self._seen: set[str] = set()
        self.owed: set[str] = set()
        self.excused: dict[str, str] = {}
        self._held: set[str] = set()
        self._family_of_consent: dict[tuple[str, int], Family] = {}
        self._checked: dict[Running, int] = {}
        self._moment = 0
        self._broken: Violation | None = None
        self._deleted_at = self._granted_at = -1
        self.ops: list[Op] = []
        self._numbers = itertools.count(1)

    # --- what is noted on the way

    def asked(self, by: Running, statement: str) -> None:
        if statement == "revocations.held":
            self._checked[by] = self._moment
        if statement == "failure.note":
            by.judged_at = self._moment
        if statement == "tenants.number_consent" and (op := OP.get()) is not None:
            op.numbered_at = next(self._numbers)

    def begins(self, op: Op) -> int:
        """A consent's state is spent from here on."""
        self.ops.append(op)
        return self._moment

    def tells(self, by: Running, error: HoldfastError) -> None:
        """S4: who is told to connect again has to, as far as whoever says so could know."""
        row, moved = self._facts(), self._granted_at
        if row is None or not asks_to_reconnect(error) or by.judged_at <= moved:
            return
        if row.granted and not row.failed and (row.expires_at or 0) > self._world.loop.now:
            self._violated("S4", "a caller is told to connect again while a newer grant is stored")

    def noting_debts(self, owe: Any) -> Any:
        """`store.revocations.owe`, whose tokens are known here from then on."""

        async def noted(scope: Any, tx: Any, connection: Any, credential: Any, **more: Any) -> Any:
            if credential.token and credential.token.refresh_token:
                self.owed.add(credential.token.refresh_token.reveal())
            return await owe(scope, tx, connection, credential, **more)

        return noted

    def passed(self, by: Running, point: str) -> None:
        if point in ("refresh.spooled", "redeem.spooled"):
            for one in self._reads:
                if one.by is by and one.task is asyncio.current_task() and not by.node.full:
                    one.safe = True

    def spooled(self, response: Response, entry: Entry | None) -> None:
        if entry is not None and (token := _token_in(response)):
            self._files.setdefault(token, []).append(entry.path)

    def row_may_have_changed(self) -> None:
        self._dirty = True

    def settles_at(self, by: Running) -> int | None:
        """Until when a request of this process may still be acted on, as the database has it."""
        self._dirty = True
        row = self._facts()
        ones = [
            p["settles_at"] for p in (row.presentations if row else ()) if p["process"] == by.spool.sender().process
        ]
        return max(ones, default=None)

    def dies(self, by: Running, *, with_disk: bool) -> None:
        """What goes with a process, and with its disk."""
        for one in self._reads:
            if one.by is by and not one.safe:
                self.excused[one.token] = "killed before it was on the disk"
        for call in self._world.network.calls:
            if call.by is by and call.granted:
                self.excused[call.granted] = "killed before it was read"
        if with_disk:
            for token, paths in self._files.items():
                if any(path.is_relative_to(by.node.directory) for path in paths):
                    self.excused[token] = "lost with its disk"
            for one in self._reads:
                if one.by is by:
                    self.excused[one.token] = "lost with its disk"

    def holds_something(self, by: Running) -> bool:
        """Whether a process has an answer that is not stored, or waits for one, or its disk has."""
        directory = by.node.directory
        kept = any(path.exists() and path.is_relative_to(directory) for ones in self._files.values() for path in ones)
        calls = self._world.network.calls
        return kept or any(one.by is by for one in self._reads) or any(call.by is by for call in calls)

    def breaks(self, call: Call) -> None:
        if call.granted:
            self.excused[call.granted] = "lost on its way"

    # --- at the provider

    def presents(self, call: Call) -> None:
        """S1."""
        token = _asked(call).get("refresh_token")
        if token is None:
            return
        again, row, provider = token in self._seen, self._facts(), self._world.provider
        self._seen.add(token)
        if not again or not self._is_dangerous(call, token) or row is None:
            return
        if provider.knows(row.refresh_token) is not provider.knows(token):
            return
        if row.expires_at is None or row.expires_at > self._world.loop.now:
            self._violated("S1", f"{token} is presented a second time while its access token is good")

    def _is_dangerous(self, call: Call, token: str) -> bool:
        """Whether using the token again can end the grant, or the answer to the first use."""
        provider = self._world.provider
        family = provider.by_token[token]
        if provider.rotation == "grace" and family.is_current(token):
            return False
        if provider.rotation == "grace" and family.is_last(token):
            return min(self._world.loop.now, call.claimed_at) >= family.replaced_at + WINDOW * 1000
        return provider.rotation != "none"

    def acted(self, call: Call) -> None:
        """S6, and S2 where we ask for the end of a grant."""
        for family in self._world.provider.families:
            if family.ended_by and not family.noted:
                family.noted = True
                if family.ended_by == "revoked":
                    self._ended_by_us(call, family)
                else:
                    self._ended_by_replay(family)
        if call.granted and not call.heard:
            if call.by.alive and not call.broken:
                self._is_lost(call.granted, "a living process hung up")
            else:
                self.excused[call.granted] = "granted when nobody could hear it any more"

    def _ended_by_replay(self, family: Family) -> None:
        row = self._facts()
        ours = row is not None and self._world.provider.knows(row.refresh_token) is family
        if self._holders(family.current):
            self._violated("S6", f"a grant is ended whose living token {family.current} is held")
        if ours and row is not None and row.expires_at is not None and row.expires_at > self._world.loop.now:
            self._violated("S6", "a grant is ended whose access token was good")

    def _ended_by_us(self, call: Call, family: Family) -> None:
        op = next((op for op in self.ops if op.code == family.code), None)
        if op is not None and op.spent_at > self._checked.get(call.by, self._moment):
            return  # it began when the revocation was on its way already
        row = self._facts()
        in_force = row is not None and row.granted and row.refresh_token == family.current and not row.rejected
        if in_force:
            self._violated("S2", "our revocation ends the grant in force")
        if op is None or family in self._family_of_consent.values() or op.spent_at < self._deleted_at:
            return
        current = self._world.provider.knows(row.refresh_token) if row else None
        newer = current is None or _after(op, self._op_of(current))
        if newer and self._holders(family.current) and family.current not in self.owed:
            self._violated("S2", "our revocation ends a grant that was about to be stored")

    def _op_of(self, family: Family) -> Op | None:
        return next((op for op in self.ops if op.code == family.code), None)

    def arrives(self, call: Call) -> None:
        if call.granted:
            self.excused.pop(call.granted, None)  # whoever lost it before, here it is again
            self._reads.append(Read(call.granted, call.by, call.task))

    # --- after every step

    def check(self, step: str = "") -> None:
        self._moment += 1
        if self._broken is not None:
            raise self._broken
        self._facts()
        self._nothing_is_lost(step)
        self._losses_are_told()

    def _grant_moved(self, before: Facts | None, after: Facts) -> None:
        """S2."""
        provider = self._world.provider
        family = provider.knows(after.refresh_token)
        if family is None:
            return
        first = self._family_of_consent.setdefault((after.id, after.consent), family)
        if first is not family:
            self._violated("S2", "a grant is overwritten by an answer to an older one")
        op = self._op_of(family)
        if (before is None or before.id != after.id) and op is not None and op.spent_at < self._deleted_at:
            self._violated("S2", "what was deleted comes back")
        if before is None or before.id != after.id or before.refresh_token is None or after == before:
            return
        if after.generation < before.generation or after.consent < before.consent:
            self._violated("S2", "a newer grant is overwritten by an older one")
        old = provider.knows(before.refresh_token)
        if old is not family:
            self.excused[before.refresh_token] = "another consent has taken its place"
        if old is family and provider.order[after.refresh_token or ""] < provider.order[before.refresh_token]:
            self._violated("S2", "a newer token is overwritten by an older answer")
        if old is not None and old is not family and _after(self._op_of(old), self._op_of(family)):
            self._violated("S2", "a newer grant is overwritten by an older one")

    def _nothing_is_lost(self, step: str) -> None:
        """S3."""
        held = set()
        for family in self._world.provider.families:
            if not family.alive:
                continue
            if self._holders(family.current):
                held.add(family.current)
            elif family.current in self._held:
                self._is_lost(family.current, step)
        self._held = held

    def _is_lost(self, token: str, step: str) -> None:
        family = self._world.provider.by_token[token]
        if not family.is_current(token) or token in self.owed or token in self.excused or self._holders(token):
            return
        self._violated("S3", f"{token} is lost without need: {step}")

    def _holders(self, token: str) -> bool:
        """Whether anybody of ours has the refresh token, or lives to read it."""
        row = self._facts()
        if row is not None and row.granted and row.refresh_token == token:
            return True
        if any(path.exists() or path.with_suffix(".unreadable").exists() for path in self._files.get(token, ())):
            return True
        self._reads = [one for one in self._reads if one.by.alive and not (one.task and one.task.done())]
        if any(one.token == token for one in self._reads):
            return True
        return any(call.granted == token and call.heard for call in self._world.network.calls)

    def _losses_are_told(self) -> None:
        now, row = self._world.loop.now, self.row
        late = [p for p in (row.presentations if row else ()) if p["told_at"] is None]
        if not any(p["settles_at"] + TOLD_WITHIN < now for p in late):
            return
        if any(one.is_steady(TOLD_WITHIN) for one in self._world.processes):
            self._violated("S3", "a loss is not told")

    # ---

    def _facts(self) -> Facts | None:
        """The row as it is. What it has become is judged when it is noticed first."""
        if self._dirty:
            self._dirty = False
            before, self.row = self.row, _at_once(self._read())
            if before != self.row:
                self._row_moved(before, self.row)
        return self.row

    def _row_moved(self, before: Facts | None, after: Facts | None) -> None:
        if after is None:
            self._deleted_at = self._moment
            return
        if before is None or after.generation != before.generation:
            self._granted_at = self._moment
        if after.attempt > ATTEMPTS:
            self._violated("S5", "the claim changes hands for ever")
        if after.rejected and self._world.provider.is_current(after.refresh_token):
            self._violated("S2", "a grant that lives is called dead")
        self._grant_moved(before, after)

    async def _read(self) -> Facts | None:
        world = self._world
        store = world.base.store
        stored = await connections.stored(world.scope, store, "crm", world.case.service)
        if stored is None:
            return None
        held = stored.connection
        box = await store.box(world.scope, *rows.sealed_credential(stored.row))
        token = rows.credential(world.scope, held, stored.row, box).token
        counted = await store.q.one(_COUNTED, id=held.id)
        found = await store.q.all(_PRESENTED)
        return Facts(
            held.id, held.credential_generation, held.consent, counted["attempt"] if counted else 0,
            held.grant is not None,
            token.refresh_token.reveal() if token and token.refresh_token else None,
            held.grant.expires_at if held.grant else None,
            held.failure is not None and held.failure.outcome == "rejected", held.failure is not None,
            tuple(dict(one) for one in found if one["connection_id"] == held.id),
        )  # fmt: skip

    def _violated(self, law: str, how: str) -> None:
        """Raised here, and again after the step: here may be inside the product, which an error must not end alone."""
        self._broken = self._broken or Violation(f"{law} {how} (step {self._moment})")
        raise self._broken


def _after(one: Op | None, other: Op | None) -> bool:
    """Whether the consent of `one` was numbered after the other's."""
    return one is not None and other is not None and one.numbered_at > other.numbered_at


def _asked(call: Call) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs((call.request.body or b"").decode()).items()}


def _token_in(response: Response) -> str | None:
    found: Any = msgspec.json.decode(response.body)
    token = found.get("refresh_token")
    return str(token) if token else None


def _at_once(work: Any) -> Any:
    """What a coroutine gives that waits for nobody."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for somebody")
