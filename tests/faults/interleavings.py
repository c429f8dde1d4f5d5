"""Two operations on one connection at once, on one node or on two, in orders that a seed gives.

In one process, on a real database: what is random is how long each statement and each request is kept waiting.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

from tests.api.dance import came_back
from tests.api.nodes import another_node
from tests.api.passing_time import while_time_passes
from tests.api.watched_database import WatchedDatabase, with_vault
from tests.faults.provider import Watched
from tests.faults.story import Story

from holdfast.domain.door import STREAM, WHOLE, Door, Limits, Ready, Upload
from holdfast.domain.exchange import Request, Response
from holdfast.testing.clock import TestClock
from holdfast.testing.harness import PUBLIC_URL, RETURN_TO, SERVICE, Deployment, Reply, deployment

PATH = f"/vault/connections/crm/{SERVICE}"
CALLBACK_PAGE = f"{PUBLIC_URL}/oauth/callback"
# Seconds that an access token lives: it has expired before a flow has.
LIFE = 300

Operation = Callable[[Deployment], Awaitable[Reply]]


@dataclass(frozen=True)
class Pair:
    """Two operations, and the seed of their order."""

    operations: tuple[str, str]
    seed: int

    @property
    def ends(self) -> bool:
        """Whether a connection may be without a grant afterwards."""
        return bool({"delete", "revoke"} & set(self.operations))

    @property
    def replaces(self) -> bool:
        """Whether another grant may take the place of the first."""
        return bool({"callback", "confirm", "import"} & set(self.operations))

    def __str__(self) -> str:
        return f"{' and '.join(self.operations)}, seed {self.seed}"


def pairs(seeds: Sequence[int]) -> Iterator[Pair]:
    """Every two operations, also twice the same, for each seed."""
    for operations in combinations_with_replacement(OPERATIONS, 2):
        yield from (Pair(operations, seed) for seed in seeds)


async def interleaved(directory: Path, database_url: str, cases: Sequence[Pair]) -> list[Story]:
    """The stories of all cases, each with a customer of its own."""
    clock = TestClock()
    provider = Watched("family", LIFE, clock)
    async with (
        deployment(directory, database_url=database_url, clock=clock, provider=provider) as one,
        another_node(one) as other,
    ):
        nodes = [_Unsteady(one), _Unsteady(other)]
        return [await _story(nodes, case, f"customer-{number}") for number, case in enumerate(cases)]


async def _story(nodes: Sequence[_Unsteady], case: Pair, consumer: str) -> Story:
    vault, dice = replace(nodes[0].steady, consumer=consumer), random.Random(f"{case}")
    provider: Any = vault.provider
    since = len(provider.ledger.grants)
    await vault.connect()
    operations = [await OPERATIONS[name](vault) for name in case.operations]
    vault.clock.advance(LIFE + 5)
    at = [replace(node.shaken(dice), consumer=consumer) for node in (nodes[0], dice.choice(nodes))]
    running = asyncio.gather(*(run(node) for run, node in zip(operations, at, strict=True)))
    replies = await while_time_passes(vault.clock, running)
    await while_time_passes(vault.clock, vault.work())
    story = Story(f"{vault.vault.store.database.kind} {case}")
    story.wrong += [f"answered {reply.status}" for reply in replies if reply.status >= 500 and reply.status != 503]
    grants = provider.ledger.grants[since:]
    presented = [one for grant in grants for one in provider.of(grant)]
    story.requests, story.presented = len(presented), presented
    story.extra = sum(one.again for one in presented)
    # A grant that another consent took the place of is left to its provider: for many the two are one.
    kept = grants[1:] if case.replaces else grants
    await _judge(vault, case, story, [grant for grant in kept if not grant.ended])
    return story


async def _judge(vault: Deployment, case: Pair, story: Story, living: list[Any]) -> None:
    """A grant that is there works; one that is not is told as such, and does not live on at the provider."""
    state = await _state(vault)
    if state == "callable":
        proof = await while_time_passes(vault.clock, vault.post(f"{PATH}/validate"))
        story.verdict = "recovered" if proof.status == 200 and await _state(vault) == "callable" else "silent"
    elif case.ends:
        story.verdict = "flagged"
        if living:
            story.wrong.append(f"{len(living)} grants live on at the provider that nobody knows of")
    else:
        story.wrong.append(f"nobody ended it, and it is {state}")


async def _state(vault: Deployment) -> str:
    """The connection's state; its health where that is more than all is well."""
    told = await vault.get(PATH)
    if told.status != 200:
        return "available"
    health = told.data.get("health", "ok")
    return str(told.data["state"] if health == "ok" else health)


async def _refresh(vault: Deployment) -> Operation:
    return lambda node: node.get(f"{PATH}/leads/custom-fields")


async def _validate(vault: Deployment) -> Operation:
    return lambda node: node.post(f"{PATH}/validate")


async def _callback(vault: Deployment) -> Operation:
    begun, url = await came_back(vault, consumer=vault.consumer)
    return lambda node: node.open(url, cookie=begun.cookie, headers={"referer": RETURN_TO})


async def _confirm(vault: Deployment) -> Operation:
    page = await vault.connect(nonce="5f0c", redirect_uri=CALLBACK_PAGE)
    token = page.query["confirm_token"]
    return lambda node: node.post(f"{PATH}/confirm", json={"confirm_token": token})


async def _import(vault: Deployment) -> Operation:
    issue = vault.provider.issue()
    assert issue.refresh
    given = {"access_token": issue.access.value, "refresh_token": issue.refresh.value}
    return lambda node: node.post(f"{PATH}/import", json={"credentials": given})


async def _patch(vault: Deployment) -> Operation:
    return lambda node: node.patch(PATH, json={"metadata": {"plan": "gold"}, "enabled": True})


async def _delete(vault: Deployment) -> Operation:
    return lambda node: node.delete(PATH)


async def _revoke(vault: Deployment) -> Operation:
    link = f"{(await vault.connection())['revoke_url']}&redirect_uri={RETURN_TO}"
    return lambda node: node.open(link)


OPERATIONS: dict[str, Callable[[Deployment], Awaitable[Operation]]] = {
    "refresh": _refresh,
    "validate": _validate,
    "callback": _callback,
    "confirm": _confirm,
    "import": _import,
    "patch": _patch,
    "delete": _delete,
    "revoke": _revoke,
}


class _Unsteady:
    """A node whose statements and requests are kept waiting, as `shaken` by dice."""

    def __init__(self, vault: Deployment) -> None:
        self.steady = vault
        store = vault.vault.store
        self._database = WatchedDatabase(store.database)
        self._door = _Detour(vault.vault.door)
        watched = replace(store, database=self._database, q=self._database)
        self._unsteady = with_vault(vault, store=watched, door=self._door)

    def shaken(self, dice: random.Random) -> Deployment:
        async def wait(_: str = "") -> None:
            for _turn in range(dice.choice((0, 0, 1, 3, 9))):
                await asyncio.sleep(0)
            if dice.random() < 0.1:
                await asyncio.sleep(0.002)

        self._database.before = self._door.wait = wait
        return self._unsteady


@dataclass
class _Detour:
    """A door whose requests and answers are kept waiting."""

    door: Door
    wait: Callable[[], Awaitable[None]] = field(default=lambda: asyncio.sleep(0))

    async def send(self, request: Request, *, limits: Limits = WHOLE, ready: Ready | None = None) -> Response:
        await self.wait()
        response = await self.door.send(request, limits=limits, ready=ready)
        await self.wait()
        return response

    def open(self, request: Request, upload: Upload | None = None, *, limits: Limits = STREAM) -> Any:
        return self.door.open(request, upload, limits=limits)
