"""Answers that come late, that are broken off, or that nobody waits for any more."""

from __future__ import annotations

import asyncio
import time

from tests.faults.provider import ROTATIONS
from tests.faults.site import Site
from tests.faults.story import Story, ends_well, follow

from holdfast.testing.provider import Behaviour, drop
from holdfast.testing.provider.shape import RotationMode


async def late(site: Site, seconds: float) -> list[Story]:
    """The provider acts, and takes so long to say so, while two nodes want the token all the time."""
    other = site.node("late")
    await other.start()
    return await asyncio.gather(*(_late(site, rotation, seconds) for rotation in ROTATIONS))


async def _late(site: Site, rotation: RotationMode, seconds: float) -> Story:
    home, other = site.nodes[0], site.nodes[1]
    account = await site.connect(home, rotation, good=False)
    await site.expired([account])
    account.provider.treat_next(account.grant, Behaviour(delay_after=seconds))
    await asyncio.gather(*(site.use(node, account) for node in (home, other, home, other)))
    case = f"{site.engine} {seconds:.0f} s late, {rotation}"
    return await ends_well(site, home, account, case, within=seconds + 30)


async def dropped(site: Site) -> list[Story]:
    """The line breaks before or after the provider has acted; the process lives and says so."""
    cases = [(rotation, committed, good) for rotation in ROTATIONS for committed in (True, False) for good in (0, 1)]
    return await asyncio.gather(*(_dropped(site, *case) for case in cases))


async def _dropped(site: Site, rotation: RotationMode, committed: bool, good: int) -> Story:
    home = site.nodes[0]
    account = await site.connect(home, rotation, good=bool(good))
    if not good:
        await site.expired([account])
    account.provider.treat_next(account.grant, drop(committed=committed))
    await (site.validate(home, account) if good else site.use(home, account))
    what = "commit, then drop" if committed else "drop"
    case = f"{site.engine} {what}, {rotation}, {'good' if good else 'expired'}"
    return await follow(site, home, account, case, "lost", since=time.monotonic())
