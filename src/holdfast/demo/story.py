"""What happens in the demo. Each step is done over HTTP and checked; a check that fails is `Unexpected`."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from holdfast.demo.node import second_node
from holdfast.demo.product import Product, Unexpected
from holdfast.demo.stage import ACCESS_LIFETIME, CLIENT_ID, SERVICE, Stage
from holdfast.demo.teller import Invitation, Step, Teller
from holdfast.errors import NoAnswer
from holdfast.outbound import EgressPolicy, Outbound
from holdfast.testing.browser import Page

CUSTOMER, VISITOR = "northwind-freight", "your-company"
CONNECTION = f"/vault/connections/crm/{SERVICE}"
# How many requests come at the moment in which the access token has expired.
CROWD = 25
# A token is refreshed a tenth of its life before its end.
REFRESHED_FROM = ACCESS_LIFETIME * 0.9


async def tell(stage: Stage, teller: Teller) -> Product:
    """The whole story; gives the product of which it is told."""
    async with _network(stage) as product:
        story = Story(stage, product)
        for title, happens in story.steps():
            with teller.step(title) as step:
                await happens(step)
        return product


async def invite(stage: Stage, product: Product) -> Invitation:
    """What somebody at the terminal can try on their own."""
    async with _network(stage, product) as visitor:
        link = (await visitor.ask("GET", CONNECTION, VISITOR))["authorize_url"]
    return Invitation(
        url=stage.url,
        link=f"{link}&redirect_uri={quote(_landing(stage), safe='')}",
        path=CONNECTION,
        consumer=VISITOR,
        application_id=product.application_id,
        api_key=product.api_key,
    )


@dataclass(slots=True)
class Story:
    """The steps, in order, and what one of them leaves for the next."""

    stage: Stage
    product: Product
    page: Page | None = None
    connected_at: float = 0

    def steps(self) -> tuple[tuple[str, Callable[[Step], Awaitable[None]]], ...]:
        return (
            ("A provider starts", self.provider_starts),
            ("The vault starts", self.vault_starts),
            ("Application created", self.application_created),
            ("Integration set up", self.integration_set_up),
            ("A customer opens the connect link", self.link_opened),
            ("The customer consents at the provider", self.consented),
            ("The connection is callable", self.callable),
            ("The product uses it", self.used),
            ("The access token expires", self.expired),
            ("A node is killed in the middle of a refresh", self.killed),
            ("At rest, everything secret is sealed", self.sealed),
            ("The customer disconnects", self.disconnected),
            ("And connects again", self.connected_again),
        )

    async def provider_starts(self, step: Step) -> None:
        step.say(f"{self.stage.provider.url}, OAuth 2.0 with PKCE, a consent page, a small CRM")
        step.say(f"Access tokens live {ACCESS_LIFETIME} s; a refresh token that comes twice ends the whole grant")

    async def vault_starts(self, step: Step) -> None:
        page = await self.stage.browser().visit(f"{self.stage.url}/ready")
        _check(page.status == 200, f"{self.stage.url}/ready answered {page.status}")
        step.say(f"{self.stage.url}, open after {self.stage.startup:.2f} s, with SQLite and a new master key")
        step.say(f"Data in {self.stage.directory}")

    async def application_created(self, step: Step) -> None:
        wanted = {"name": "Acme", "redirect_uris": ["https://app.example.com/integrations"]}
        made = await self.product.manage("POST", "/applications", wanted, self.stage.admin_token)
        self.product.application_id, self.product.api_key = made["application_id"], made["api_key"]
        step.say(f"POST /manage/applications: {made['application_id']}, with an API key")

    async def integration_set_up(self, step: Step) -> None:
        path = f"/applications/{self.product.application_id}/integrations/crm/{SERVICE}"
        client = {"client_id": CLIENT_ID, "client_secret": self.stage.client_secret}
        made = await self.product.manage("PUT", path, client, self.stage.admin_token)
        _check(made["integration_state"] == "configured", f"the integration is {made['integration_state']}")
        self.stage.register(made["redirect_uri"])
        step.say(f"PUT …/integrations/crm/{SERVICE}: the application's OAuth client, its secret sealed")
        step.say(f"Registered at the provider: {made['redirect_uri']}")

    async def link_opened(self, step: Step) -> None:
        connection = await self._connection("available")
        asked = await self.stage.browser().visit(self._link(connection["authorize_url"]))
        _check(asked.url.startswith(f"{self.stage.url}/") and bool(asked.forms), f"nothing was asked: {asked.status}")
        self.page = await asked.allow()
        at_provider = self.page.url.startswith(f"{self.stage.provider.url}/")
        _check(at_provider and bool(self.page.forms), f"{_place(self.page)} answered {self.page.status}")
        step.say(f"{_path(connection['authorize_url'])}?state=…")
        step.say("Opened from the terminal, it first asks whose account this becomes; the customer presses Continue")
        step.say(f"It leads to {_place(self.page)}, bound to this browser by a cookie")

    async def consented(self, step: Step) -> None:
        assert self.page is not None
        back = await self.page.allow()
        self.connected_at = time.monotonic()
        _check("error_type" not in back.query, f"the callback says: {back.query.get('error_message')}")
        _check(_place(back) == _landing(self.stage), f"the browser ended at {_place(back)}")
        step.say("The callback spends the state, redeems the code with PKCE, and stores sealed tokens")
        step.say(f"The browser goes on to {_place(back)}")

    async def callable(self, step: Step) -> None:
        connection = await self._connection("callable")
        _check(connection["health"] == "ok", f"its health is {connection['health']}")
        company = connection["settings"].get("company_id")
        _check(company is not None, "the calls after connecting did not fill in company_id")
        step.say(f"state: callable, health: ok, company_id: {company} (asked of the CRM right after the consent)")

    async def used(self, step: Step) -> None:
        before = self.stage.provider.calls["api"]
        fields = await self.product.ask("GET", f"{CONNECTION}/leads/custom-fields", CUSTOMER)
        _check(self.stage.provider.calls["api"] == before + 1, "the CRM was not asked exactly once")
        _check(bool(fields), "the CRM's custom fields are missing")
        leads = await self.product.through(SERVICE, "/leads?limit=3", CUSTOMER)
        _check(self.stage.provider.calls["api"] == before + 2, "the CRM was not called through the proxy")
        _check(len(leads["data"]) == 3, "the CRM's leads are missing")
        step.say(f"GET …/crm/{SERVICE}/leads/custom-fields: {', '.join(f['name'] for f in fields)}")
        step.say(f"GET /proxy to /leads?limit=3: {', '.join(lead['organization']['name'] for lead in leads['data'])}")
        step.say("Both with the customer's token, which the product never sees")

    async def expired(self, step: Step) -> None:
        await step.wait(self.connected_at + REFRESHED_FROM + 0.1 - time.monotonic())
        before, known = self.stage.provider.calls["token"], len(self.stage.provider.ledger.access)
        path = f"{CONNECTION}/leads/custom-fields"
        began = time.perf_counter()
        await asyncio.gather(*(self.product.ask("GET", path, CUSTOMER) for _ in range(CROWD)))
        milliseconds = (time.perf_counter() - began) * 1000
        asked, issued = self.stage.provider.calls["token"] - before, len(self.stage.provider.ledger.access) - known
        _check(asked == issued == 1, f"the provider was asked {asked} times and issued {issued} tokens")
        step.say("It counts as expired a tenth of its life before its end, which is now")
        step.say(f"{CROWD} requests at once: 1 refresh, {CROWD} answers in {milliseconds:.0f} ms")

    async def killed(self, step: Step) -> None:
        before, path = self.stage.provider.calls["token"], f"{CONNECTION}/validate"
        async with second_node(self.stage.environment, "refresh.spooled=kill") as node:
            async with _network(replace(self.stage, url=node.url), self.product) as elsewhere:
                with contextlib.suppress(NoAnswer):
                    await elsewhere.ask("POST", path, CUSTOMER)
            _check(await node.killed(), "the node lives on")
        asked = self.stage.provider.calls["token"] - before
        _check(asked == 1, f"the node asked the provider {asked} times")
        step.say(f"A second node, {node.url}, asks for a new token and is killed by SIGKILL with the answer in hand")
        began = time.perf_counter()
        await self.product.ask("POST", path, CUSTOMER)
        milliseconds = (time.perf_counter() - began) * 1000
        asked = self.stage.provider.calls["token"] - before
        _check(asked == 1, f"the provider was asked {asked} times")
        await self.product.through(SERVICE, "/leads?limit=1", CUSTOMER)
        step.say(f"The first one finds it on disk and stores it, {milliseconds:.0f} ms: asked 1 time, lost 0")

    async def sealed(self, step: Step) -> None:
        kept = await asyncio.to_thread(_contents, self.stage.directory)
        secrets = [*self.stage.tokens(), self.stage.client_secret, self.product.api_key]
        found = sum(secret.encode() in kept for secret in secrets)
        _check(found == 0, f"{found} secrets lie open in {self.stage.directory}")
        step.say(f"{len(secrets)} secrets issued so far, none of them in the {len(kept) // 1024} KiB on disk")

    async def disconnected(self, step: Step) -> None:
        connection = await self._connection("callable")
        asked = await self.stage.browser().visit(self._link(connection["revoke_url"]))
        back = await asked.submit("Disconnect")
        _check("error_type" not in back.query, f"the revoke link says: {back.query.get('error_message')}")
        after = await self._connection("added")
        _check(after["health"] == "revoked", f"its health is {after['health']}")
        _check(all(grant.ended for grant in self.stage.provider.ledger.grants), "the grant lives on at the provider")
        step.say(f"{_path(connection['revoke_url'])}?state=…, and a click on Disconnect")
        step.say("Gone here, and ended at the provider (RFC 7009): state: added, health: revoked")

    async def connected_again(self, step: Step) -> None:
        connection = await self._connection("added")
        page = await self.stage.browser().visit(self._link(connection["authorize_url"]))
        await (await page.allow()).allow()
        await self._connection("callable")
        step.say("Same settings, new grant: state: callable")

    async def _connection(self, state: str) -> dict[str, Any]:
        """The customer's connection, which is in `state`."""
        found = await self.product.ask("GET", CONNECTION, CUSTOMER)
        _check(found["state"] == state, f"the connection is {found['state']} instead of {state}")
        return dict(found)

    def _link(self, link: str) -> str:
        return f"{link}&redirect_uri={quote(_landing(self.stage), safe='')}"


@asynccontextmanager
async def _network(stage: Stage, product: Product | None = None) -> AsyncIterator[Product]:
    """The product with its way to the vault."""
    outbound = Outbound(EgressPolicy.parse(urlsplit(stage.url).netloc))
    known = product or Product("", outbound.send)
    try:
        yield Product(stage.url, outbound.send, known.application_id, known.api_key)
    finally:
        await outbound.close()


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Unexpected(f"{otherwise.rstrip('.')}.")


def _landing(stage: Stage) -> str:
    """Holdfast's own page after an authorization."""
    return f"{stage.url}/oauth/callback"


def _place(page: Page) -> str:
    """Where a browser is, without the query, which holds codes."""
    return page.url.partition("?")[0]


def _path(url: str) -> str:
    return urlsplit(url).path


def _contents(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(directory.iterdir()) if file.is_file())
