"""A customer's account at a service of the shipped catalogue, which answers as the connector's manifest has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from holdfast.catalog import Catalog
from holdfast.catalog.index import allowed_hosts
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.manifest.template import render
from holdfast.testing.browser import Browser, Page
from holdfast.testing.from_manifest import Example, example, provider_for
from holdfast.testing.harness import PUBLIC_URL, RETURN_TO, Deployment, Reply
from holdfast.testing.provider import SandboxProvider

CONNECTORS = {connector.id: connector for connector in Catalog.load().all()}


@dataclass(frozen=True, slots=True)
class Account:
    """The account, and the vault in which the application has set the integration up."""

    vault: Deployment
    connector: Connector
    api: str
    example: Example
    provider: SandboxProvider

    @property
    def path(self) -> str:
        return f"/vault/connections/{self.api}/{self.connector.id}"

    @property
    def typed(self) -> dict[str, str]:
        """What a person can fill in before the account is connected."""
        fields = (s for s in self.connector.at("connection") if s.filled_by == "user" and not s.options_from)
        return {s.id: self.example.settings[s.id] for s in fields}

    async def told(self) -> Any:
        """The connection as the API tells it."""
        return (await self.vault.get(self.path)).data

    async def events(self) -> list[str]:
        return await self.vault.events()

    async def patch(self, **members: Any) -> Reply:
        return await self.vault.patch(self.path, json=members)

    async def fill_in(self, **changes: str) -> Reply:
        """Sends the form as a person fills it in, with some fields otherwise."""
        return await self.patch(settings={**self.typed, **changes})

    def tokens(self, **changes: Any) -> dict[str, Any]:
        """Credentials that other software has got for the account, of an hour's life from now."""
        issue = self.provider.issue()
        refresh = {"refresh_token": issue.refresh.value} if issue.refresh else {}
        issued_at = datetime.fromtimestamp(self.vault.clock.now() / 1000, UTC).isoformat()
        known = {"access_token": issue.access.value, **refresh, "issued_at": issued_at, "expires_in": 3600}
        return {name: value for name, value in {**known, **changes}.items() if value is not None}

    async def take_over(self, **members: Any) -> Reply:
        """Imports the account."""
        return await self.vault.post(f"{self.path}/import", json={"credentials": self.tokens(), **members})

    async def connect(self) -> Reply:
        """Takes the account over with tokens and settings from elsewhere, or fills in its form."""
        if self.connector.auth.oauth is None:
            return await self.fill_in()
        return await self.take_over(settings=dict(self.example.settings))

    async def authorize(self, **query: str) -> Page:
        """Goes the way of the browser, to its end at the product."""
        url = await self.vault.authorize_url(self.connector.id, self.api, **query)
        apps = {**self.vault.network.apps, urlsplit(PUBLIC_URL).netloc: self.vault.app}
        browser = Browser(apps=apps, stop_at=RETURN_TO, clock=self.vault.clock)
        return await (await browser.visit(url, initiator=RETURN_TO)).allow()


async def open_account(vault: Deployment, id: str, api: str) -> Account:
    """An account at the service of a shipped connector, whose integration is set up under `api`."""
    connector = CONNECTORS[id]
    held = example(connector, files("holdfast") / "connectors" / id)
    client = {"client_id": held.client.client_id, "client_secret": held.client.client_secret}
    path = f"/applications/{vault.application_id}/integrations/{api}/{id}"
    made = await vault.manage("PUT", path, json={**client, "settings": dict(held.app)})
    assert made.data["integration_state"] == "configured", made.text
    provider = provider_for(connector, held, clock=vault.clock, redirect_uri=made.data["redirect_uri"])
    vault.network.apps |= dict.fromkeys(allowed_hosts(connector), provider.app)
    if connector.auth.oauth and connector.auth.oauth.authorize:
        vault.network.apps[_consent_host(connector, held)] = provider.app
    return Account(vault, connector, api, held, provider)


def _consent_host(connector: Connector, held: Example) -> str:
    assert connector.auth.oauth
    assert connector.auth.oauth.authorize
    return urlsplit(render(connector.auth.oauth.authorize.url, held.values(0))).netloc
