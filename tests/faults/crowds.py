"""Many callers for one expired token, over several processes, who stay or leave: one token request."""

from __future__ import annotations

import asyncio
import random
from urllib.parse import urlsplit

from tests.faults.node import Node
from tests.faults.provider import ROTATIONS
from tests.faults.site import Account, Site
from tests.faults.story import Story, ends_well

from holdfast.testing.provider import Behaviour
from holdfast.testing.provider.shape import RotationMode

AT_ONCE = 50


async def reads(site: Site, processes: int, count: int) -> list[Story]:
    """`count` reads of one customer's expired token, over so many processes."""
    nodes = [site.nodes[0], *(site.node(f"reader-{number}") for number in range(1, processes))]
    await asyncio.gather(*(node.start() for node in nodes[1:]))
    account = await site.connect(nodes[0], "family", good=False)
    await site.expired([account])
    case = f"{site.engine} {count} reads over {processes} processes"
    wrong = await _all(site, nodes, account, count, AT_ONCE)
    return [await ends_well(site, nodes[0], account, case, wrong=wrong)]


async def herd(site: Site, count: int) -> list[Story]:
    """So many calls at each of two nodes, all at once, while the provider takes its time."""
    nodes = [site.nodes[0], site.node("herd")]
    await nodes[1].start()
    return [await _herd(site, nodes, rotation, count) for rotation in ROTATIONS]


async def _herd(site: Site, nodes: list[Node], rotation: RotationMode, count: int) -> Story:
    account = await site.connect(nodes[0], rotation, good=False)
    await site.expired([account])
    account.provider.treat_next(account.grant, Behaviour(delay=1, delay_after=1))
    wrong = await _all(site, nodes, account, len(nodes) * count, len(nodes) * count)
    case = f"{site.engine} {count} calls at each of {len(nodes)} nodes, {rotation}"
    return await ends_well(site, nodes[0], account, case, wrong=wrong)


async def leavers(site: Site, count: int, seed: int) -> list[Story]:
    """Callers who hang up at a moment that the seed gives, from before their request is whole to after its answer."""
    moments = random.Random(seed)
    cases = [(ROTATIONS[number % len(ROTATIONS)], moments.uniform(0, 0.6), moments.random()) for number in range(count)]
    return await asyncio.gather(*(_leaver(site, *case, seed) for case in cases))


async def _leaver(site: Site, rotation: RotationMode, seconds: float, part: float, seed: int) -> Story:
    home = site.nodes[0]
    account = await site.connect(home, rotation, good=False)
    await site.expired([account])
    at = urlsplit(home.url)
    request = site.raw(account, "/leads/custom-fields")
    account.provider.treat_next(account.grant, Behaviour(delay=0.15, delay_after=0.15))
    _, writer = await asyncio.open_connection(at.hostname, at.port)
    # A tenth of them hang up before their request is whole.
    writer.write(request[: round(len(request) * part * 10)] if part < 0.1 else request)
    await writer.drain()
    await asyncio.sleep(seconds)
    writer.transport.abort()
    case = f"{site.engine} caller leaves after {seconds:.2f} s, {rotation}, seed {seed}"
    return await ends_well(site, home, account, case)


async def _all(site: Site, nodes: list[Node], account: Account, count: int, at_once: int) -> list[str]:
    """Calls by turns at each node, so many at a time; what went wrong."""
    turns, wrong = iter(range(count)), set[str]()

    async def caller() -> None:
        for turn in turns:
            answer = await site.read(nodes[turn % len(nodes)], account)
            if answer.status != 200:
                wrong.add(f"a call was answered with {answer.status}")

    await asyncio.gather(*(caller() for _ in range(at_once)))
    return sorted(wrong)
