"""Products at work, through the front: each writes, and reads at once what it has written."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from dataclasses import dataclass, field

import httpx
from cluster import Nodes
from fronts import NAME, Front

PRODUCTS = 6
PATH = "/vault/connections/crm/pipedrive"


@dataclass
class Load:
    """What became of every request: how often which answer came, and every story that was not as it should be."""

    front: Front
    nodes: Nodes
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    rounds: int = 0
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Goes on until it is told to end."""
        await asyncio.gather(*(self._product(number) for number in range(PRODUCTS)))

    def end(self) -> None:
        """Ends with the round that has begun."""
        self._over.set()

    async def _product(self, number: int) -> None:
        context = ssl.create_default_context(cafile=str(self.front.certificate))
        transport = httpx.AsyncHTTPTransport(verify=context)
        base = f"https://127.0.0.1:{self.front.port}"
        async with httpx.AsyncClient(transport=transport, base_url=base, timeout=30) as client:
            round_ = 0
            while not self._over.is_set():
                round_ += 1
                await self._round(client, f"customer-{number}-{round_}", round_)

    async def _round(self, client: httpx.AsyncClient, consumer: str, round_: int) -> None:
        made = await self._ask(client, "POST", consumer, {"metadata": {"round": round_}})
        read = await self._ask(client, "GET", consumer)
        changed = await self._ask(client, "PATCH", consumer, {"metadata": {"round": -round_}})
        again = await self._ask(client, "GET", consumer)
        seen = [answer and answer["data"]["metadata"] for answer in (made, read, changed, again)]
        if seen != [{"round": round_}] * 2 + [{"round": -round_}] * 2:
            self.wrong.append(f"{consumer} saw {seen}")
        self.rounds += 1

    async def _ask(
        self, client: httpx.AsyncClient, method: str, consumer: str, body: object = None
    ) -> dict[str, dict[str, object]] | None:
        headers = {**self.nodes.headers(consumer), "Host": NAME}
        try:
            extensions = {"sni_hostname": NAME}
            answer = await client.request(method, PATH, headers=headers, json=body, extensions=extensions)
        except httpx.HTTPError as error:
            self.wrong.append(f"{method} for {consumer}: {error!r}")
            return None
        self.answers[f"{method} {answer.status_code}"] += 1
        if answer.status_code not in (200, 201):
            self.wrong.append(f"{method} for {consumer}: {answer.status_code} {answer.text}")
            return None
        found: dict[str, dict[str, object]] = answer.json()
        return found
