"""kill -9 at each step of a refresh, for each way to rotate, with the access token still good and already expired."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.faults.node import Node
from tests.faults.provider import ROTATIONS
from tests.faults.site import Account, Site
from tests.faults.story import Left, Story, follow

from holdfast.testing.provider import Behaviour
from holdfast.testing.provider.shape import RotationMode

# In the order of a refresh. `received` and `committed` are the provider's: before it acts, and before it answers.
STEPS: Final[dict[str, Left]] = {
    "begun": "untouched", "locked": "untouched", "claimed": "untouched",
    "marked": "lost", "guarded": "lost", "received": "lost", "committed": "lost", "answered": "lost",
    "spooling": "lost",
    "spooled": "kept", "storing": "kept", "stored": "kept", "cleaned": "kept",
}  # fmt: skip
# Inside a transaction, of which SQLite has one at a time.
ALONE: Final = "storing"


@dataclass(frozen=True)
class Blow:
    """One death: at a step, of a process that is refreshing for these customers at that moment, all at that step."""

    step: str
    customers: Sequence[tuple[RotationMode, bool]]


def blows(
    engine: str, steps: Sequence[str] = tuple(STEPS), rotations: Sequence[RotationMode] = ROTATIONS,
    goods: Sequence[bool] = (True, False),
) -> Iterator[Blow]:  # fmt: skip
    """Every case, as few deaths as there can be: a process dies with all of its flights."""
    customers = [(rotation, good) for good in goods for rotation in rotations]
    for step in steps:
        if step == ALONE and engine == "sqlite":
            yield from (Blow(step, (one,)) for one in customers)
        else:
            yield Blow(step, customers)


async def strike(site: Site, victim: Node, blow: Blow) -> list[tuple[Account, str, Left, float]]:
    """The customers of one death; the victim is dead afterwards."""
    home = site.nodes[0]
    accounts = [await site.connect(home, rotation, good=good) for rotation, good in blow.customers]
    inside = blow.step not in ("received", "committed")
    await _taken_up(site, victim)
    await victim.start(_armed(blow) if inside else "")
    await site.expired(account for account, (_, good) in _with(accounts, blow) if not good)
    with contextlib.ExitStack() as stack:
        if not inside:
            slow = Behaviour(delay=5) if blow.step == "received" else Behaviour(delay_after=15)
            for provider in site.providers.values():
                stack.enter_context(provider.behave("token:refresh_token", slow))
        calls = [asyncio.create_task(_refresh(site, victim, one, good)) for one, (_, good) in _with(accounts, blow)]
        if not inside:
            await _presented(accounts, committed=blow.step == "committed")
            await victim.kill()
        await victim.died()
    died = time.monotonic()
    await asyncio.gather(*calls)
    names = [f"kill {blow.step}, {rotation}, {'good' if good else 'expired'}" for rotation, good in blow.customers]
    return [(account, name, STEPS[blow.step], died) for account, name in zip(accounts, names, strict=True)]


async def kills(site: Site, blows: Sequence[Blow], *, ahead: float = 0) -> list[Story]:
    """The stories of all the blows. The victim starts anew for each of them, and once more, unharmed, at the end; a
    neighbour lives on all the time. The victim's clock is so many seconds `ahead`."""
    home, victim = site.nodes[0], site.node("victim", ahead=ahead)
    following: list[asyncio.Task[Story]] = []
    for blow in blows:
        for account, case, left, died in await strike(site, victim, blow):
            story = follow(
                site, home, account, f"{site.engine} {case}{f', {ahead:+.0f} s' if ahead else ''}", left, since=died
            )
            following.append(asyncio.create_task(story))
    await victim.start()
    return await asyncio.gather(*following)


async def _taken_up(site: Site, victim: Node) -> None:
    """Returns when nothing is left in the victim's spool: what it takes up would pass the armed steps. On SQLite the
    neighbour does that, on PostgreSQL a node alone for itself."""
    spool = victim.data / "spool"
    if site.engine == "postgresql" and [*spool.glob("*.answer")]:
        await victim.start()
        await victim.end()
    async with asyncio.timeout(60):
        while [*spool.glob("*.answer")]:
            await asyncio.sleep(0.2)


async def _refresh(site: Site, node: Node, account: Account, good: bool) -> None:
    await (site.validate(node, account) if good else site.use(node, account))


def _with(accounts: Sequence[Account], blow: Blow) -> Iterator[tuple[Account, tuple[RotationMode, bool]]]:
    return zip(accounts, blow.customers, strict=True)


def _armed(blow: Blow) -> str:
    """All but the last to come wait at the step; the last one kills them all."""
    last = len(blow.customers)
    waiting = [f"refresh.{blow.step}=wait:60@{number}" for number in range(1, last)]
    return ",".join([*waiting, f"refresh.{blow.step}=kill@{last}"])


async def _presented(accounts: Sequence[Account], *, committed: bool) -> None:
    """Returns when the provider has every token, and has acted on it if that is wanted."""
    async with asyncio.timeout(60):
        while not all(one.provider.of(one.grant) and (len(one.grant.access) > 1 or not committed) for one in accounts):
            await asyncio.sleep(0.02)
