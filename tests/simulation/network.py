"""Requests on their way: when the provider acts on each, when its answer arrives, and whether anybody still listens."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.domain.exchange import Request, Response
from holdfast.errors import NoAnswer

if TYPE_CHECKING:
    from tests.simulation.machines import Running
    from tests.simulation.world import World


@dataclass(eq=False)
class Call:
    """One request. `acts_at` and `arrives_at` are the earliest moments (ms) of the two things that can follow."""

    number: int
    by: Running
    task: asyncio.Task[object] | None
    request: Request
    answer: asyncio.Future[Response]
    claimed_at: int
    acts_at: int
    arrives_at: int
    settles_at: int | None = None
    listens: bool = True
    acted: bool = False
    broken: bool = False
    response: Response | None = None
    granted: str | None = None

    @property
    def heard(self) -> bool:
        """Whether somebody lives to hear the answer."""
        return self.listens and self.by.alive

    @property
    def is_token(self) -> bool:
        return not self.request.url.endswith("/revoke")


class Network:
    """What is on its way."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._numbers = itertools.count(1)
        self.calls: list[Call] = []

    def sent(self, by: Running, request: Request) -> Call:
        """`request` leaves."""
        now, world = self._world.loop.now, self._world
        acts, arrives = world.fate.delays() if request.url.endswith("/token") else (0, 0)
        call = Call(
            next(self._numbers), by, asyncio.current_task(), request, world.loop.create_future(), by.claimed_at,
            now + acts, now + acts + arrives,
        )  # fmt: skip
        self.calls.append(call)
        world.laws.presents(call)
        return call

    def steps(self) -> list[tuple[str, Call]]:
        """What can happen now: `acts` or `arrives`."""
        now = self._world.loop.now
        found = []
        for call in list(self.calls):
            if call.acted and not call.heard:
                self.calls.remove(call)  # nobody listens
            elif not call.acted and not call.heard and call.settles_at is not None and now >= call.settles_at:
                self.calls.remove(call)  # what is abandoned is acted on while it may be, or never
            elif not call.acted and now >= call.acts_at:
                found.append(("acts", call))
            elif call.acted and now >= call.arrives_at and not call.by.paused:
                found.append(("arrives", call))
        return found

    def next_moment(self) -> int | None:
        now = self._world.loop.now
        moments = [call.arrives_at if call.acted else call.acts_at for call in self.calls]
        return min((m for m in moments if m > now), default=None)

    def acts(self, call: Call) -> None:
        call.acted = True
        world = self._world
        call.response, call.granted = world.provider.acts(call.request, world.loop.now, claimed_at=call.claimed_at)
        world.laws.acted(call)

    def arrives(self, call: Call) -> None:
        self.calls.remove(call)
        assert call.response is not None
        if not call.answer.done():
            self._world.laws.arrives(call)
            call.answer.set_result(call.response)

    def lost(self, call: Call, *, arrives_later: bool) -> None:
        """The connection breaks. What the provider has not acted on yet it never will, or for a while it may."""
        call.broken, call.listens = True, False
        call.settles_at = self._world.loop.now + (self._world.lease if arrives_later else 0)
        if call.acted or not arrives_later:
            self.calls.remove(call)
        if not call.answer.done():
            call.answer.set_exception(NoAnswer("The connection was lost.", may_have_acted=True))

    def abandoned(self, by: Running, settles_at: int | None) -> None:
        """Its process is dead. What has not been acted on may be, for as long as its presentation has not settled."""
        for call in self.calls:
            if call.by is by:
                call.settles_at = settles_at if settles_at is not None else self._world.loop.now
