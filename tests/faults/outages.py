"""The database, the disk or the way to the database is gone while an answer is on its way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tests.faults.node import Node
from tests.faults.postgres import Postgres
from tests.faults.provider import ROTATIONS
from tests.faults.site import Account, Site
from tests.faults.story import Story, ends_well
from tests.faults.surroundings import Cable, fill

from holdfast.testing.provider import Behaviour

MINUTE = 60.0
# The provider acts at once, and answers when the fault is there.
SLOW = Behaviour(delay_after=8)


@contextlib.asynccontextmanager
async def _answers_under_way(site: Site, nodes: Sequence[Node]) -> AsyncIterator[list[Account]]:
    """Customers of each rotation at each of the nodes: the provider has taken their tokens and not answered yet. In the
    end whoever asked has an answer."""
    at = [(node, rotation) for node in nodes for rotation in ROTATIONS]
    accounts = [await site.connect(site.nodes[0], rotation, good=False) for _, rotation in at]
    await site.expired(accounts)
    for account in accounts:
        account.provider.treat_next(account.grant, SLOW)
    pairs = zip(at, accounts, strict=True)
    calls = [asyncio.create_task(site.use(node, account)) for (node, _), account in pairs]
    async with asyncio.timeout(30):
        while not all(len(account.grant.access) > 1 for account in accounts):
            await asyncio.sleep(0.02)
    yield accounts
    await asyncio.wait(calls)


async def _end(site: Site, accounts: Sequence[Account], what: str, *, none: int = 1) -> list[Story]:
    """`none`: how many requests there may be of a token that can be used any number of times."""
    home, stories = site.nodes[0], []
    for account in accounts:
        rotation = account.provider.rotation
        most = none if rotation == "none" else 1
        stories.append(ends_well(site, home, account, f"{site.engine} {what}, {rotation}", most=most))
    return await asyncio.gather(*stories)


async def database_stopped(site: Site, server: Postgres) -> list[Story]:
    """PostgreSQL stopped `immediate`, as by a crash, for a minute. One node lives on; another one is killed while the
    database is away, and started again once it is back."""
    home, killed = site.nodes[0], site.node("killed")
    await killed.start()
    async with _answers_under_way(site, (home, killed)) as accounts:
        server.crash()
        await asyncio.sleep(MINUTE / 2)
        await killed.kill()
        await asyncio.sleep(MINUTE / 2)
        server.start()
        await killed.start()
    return await _end(site, accounts, "PostgreSQL stopped for a minute")


async def disk_full(site: Site, disk: Path) -> list[Story]:
    """Not a byte is left on the disk of the data directory for a minute."""
    async with _answers_under_way(site, site.nodes[:1]) as accounts:
        filler = fill(disk)
        await asyncio.sleep(MINUTE)
        filler.unlink()
    return await _end(site, accounts, "disk full for a minute")


async def cut_off(site: Site, cable: Cable, port: int) -> list[Story]:
    """The network between a node and the database swallows every packet for a minute, and tells nobody."""
    url = f"postgresql://postgres@{cable.database}:{port}{urlsplit(site.database_url).path}"
    node = site.node("far", url=url, prefix=cable.prefix, host=cable.node)
    await node.start()
    async with _answers_under_way(site, [node]) as accounts:
        cable.cut()
        await asyncio.sleep(MINUTE)
        cable.mend()
    return await _end(site, accounts, "cut off from PostgreSQL for a minute", none=2)
