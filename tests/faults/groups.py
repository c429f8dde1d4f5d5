"""What `make faults` breaks: groups of cases, each at a site of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.faults.answers import dropped, late
from tests.faults.codes import codes
from tests.faults.crowds import herd, leavers, reads
from tests.faults.interleavings import interleaved, pairs
from tests.faults.kills import blows, kills
from tests.faults.outages import cut_off, database_stopped, disk_full
from tests.faults.pauses import every_pause, pauses
from tests.faults.postgres import Postgres, postgres
from tests.faults.restarts import restarts
from tests.faults.site import Site, site
from tests.faults.story import Story
from tests.faults.surroundings import brought, cable, small_disk

ENGINES: Final = ("sqlite", "postgresql")
SEED: Final = 8
SEEDS: Final = range(20)
# A wrong clock is tried where a lease, a presentation, or an answer on disk is left behind.
SKEWED: Final = ("claimed", "marked", "answered", "spooled")


@dataclass(frozen=True)
class Place:
    """Where a group may make its site."""

    directory: Path
    engine: str
    server: Postgres

    async def url(self) -> str:
        return (
            f"sqlite:///{self.directory / 'holdfast.db'}" if self.engine == "sqlite" else await self.server.database()
        )


@dataclass(frozen=True)
class Group:
    """Cases by one name."""

    name: str
    run: Callable[[Place], Awaitable[list[Story]]]
    engines: Sequence[str] = ENGINES
    needs_root: bool = False


def _at(cases: Callable[[Site], Awaitable[list[Story]]], **options: Any) -> Callable[[Place], Awaitable[list[Story]]]:
    async def run(place: Place) -> list[Story]:
        async with site(place.directory, await place.url(), **options) as it:
            return await cases(it)

    return run


async def _database_stopped(place: Place) -> list[Story]:
    with postgres() as server:
        async with site(place.directory, await server.database()) as it:
            return await database_stopped(it, server)


async def _disk_full(place: Place) -> list[Story]:
    with small_disk(place.directory):
        async with site(place.directory, await place.url()) as it:
            return await disk_full(it, place.directory)


async def _cut_off(place: Place) -> list[Story]:
    async with contextlib.AsyncExitStack() as stack:
        laid, port = await stack.enter_async_context(cable(place.server.socket))
        it = await stack.enter_async_context(site(place.directory, await place.url()))
        ports = [urlsplit(provider.url).port or 0 for provider in it.providers.values()]
        await stack.enter_async_context(brought(laid, ports))
        return await cut_off(it, laid, port)


async def _interleaved(place: Place) -> list[Story]:
    return await interleaved(place.directory, await place.url(), [*pairs(SEEDS)])


GROUPS: Final = (
    Group("kill", _at(lambda it: kills(it, [*blows(it.engine)]))),
    Group("kill-ahead", _at(lambda it: kills(it, [*blows(it.engine, SKEWED)], ahead=600))),
    Group("kill-behind", _at(lambda it: kills(it, [*blows(it.engine, SKEWED)], ahead=-600))),
    Group("kill-twice", _at(restarts)),
    Group("kill-code", _at(codes)),
    Group("pause", _at(lambda it: pauses(it, every_pause(it.engine)))),
    Group("late-15", _at(lambda it: late(it, 15))),
    Group("late-45", _at(lambda it: late(it, 45))),
    Group("dropped", _at(dropped)),
    Group("reads", _at(lambda it: reads(it, processes=4, count=10_000))),
    Group("herd", _at(lambda it: herd(it, count=300))),
    Group("leavers", _at(lambda it: leavers(it, count=40, seed=SEED))),
    Group("interleaved", _interleaved),
    Group("database", _database_stopped, ("postgresql",)),
    Group("disk", _disk_full, needs_root=True),
    Group("network", _cut_off, ("postgresql",), needs_root=True),
)
