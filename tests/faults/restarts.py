"""kill -9 once more, while a start takes up what an earlier death has left."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from tests.faults.kills import Blow, strike
from tests.faults.provider import ROTATIONS
from tests.faults.site import Site
from tests.faults.story import Story, follow

# Where the first death was, and where the second one is. What is `stored` and not yet removed is found again by the
# third start: it must see that this very answer is in force, and end nothing.
TWICE: Final = (("spooled", "found"), ("spooled", "stored"), ("marked", "spoken_for"))


async def restarts(site: Site) -> list[Story]:
    """One after the other, and nobody else is there to take anything up."""
    return [story for steps in TWICE for story in await _restart(site, *steps)]


async def _restart(site: Site, step: str, again: str) -> list[Story]:
    home, victim = site.nodes[0], site.node(f"victim-{again}")
    blow = Blow(step, [(rotation, False) for rotation in ROTATIONS])
    struck = await strike(site, victim, blow, alone=True)
    await victim.launch(f"recovery.{again}=kill")
    await victim.died()
    second = time.monotonic()
    await victim.start()
    cases = [(account, f"{site.engine} {name}, then {again}", left) for account, name, left, _ in struck]
    stories = await asyncio.gather(
        *(follow(site, victim, account, name, left, since=second) for account, name, left in cases)
    )
    await victim.end()
    await home.start()
    return stories
