"""A vault on a real socket, whose catalogue leads to a sandbox provider on another, and the product between them.

The catalogue holds the services that the examples of the client's documentation name. They count as shipped with it,
so that `/vault/callback` is theirs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import aiohttp
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

from holdfast import wiring
from holdfast.catalog import Catalog
from holdfast.config import Settings
from holdfast.http.app import app
from holdfast.server import listening
from holdfast.testing.browser import Browser, Page
from holdfast.testing.connectors import PLACE, sandbox_manifest
from holdfast.testing.provider import ApiRoute, Authorization, RegisteredClient, SandboxProvider, Shape

ADMIN_TOKEN = "hf_admin_for_tests_only"
CLIENT_ID, CLIENT_SECRET = "sandbox-client", "sandbox-secret"
SCOPES = ["openid", "leads:write", "profile:read", "oauth", "crm.objects.contacts.read"]

# An API key that the customer has, and a service whose own client credentials she has.
ACTIVECAMPAIGN = """
schema: 1
id: activecampaign
name: ActiveCampaign
website: https://www.activecampaign.com/
unified_apis:
  crm: {resources: {contacts: [all]}}
hosts: ["*.api-us1.com"]
settings:
  - {id: base_url, label: API URL, required: true}
  - {id: api_key, label: API key, type: password, required: true}
auth: {type: apiKey}
request:
  base_url: "{base_url}/api/3"
  auth: [{name: Api-Token, value: "{api_key}"}]
verified: {by: nobody, "on": "2026-11-23"}
"""
PERSONIO = """
schema: 1
id: personio
name: Personio
website: https://www.personio.com/
unified_apis:
  hris: {resources: {employees: [all]}}
hosts: [sandbox.invalid]
settings:
  - {id: client_id, label: Client ID, required: true}
  - {id: client_secret, label: Client secret, type: password, required: true}
auth:
  type: oauth2
  oauth:
    grant: client_credentials
    client: {source: connection, auth: basic}
    scopes: {default: ["users:read"]}
    token: {url: "http://sandbox.invalid/oauth/token"}
request:
  base_url: http://sandbox.invalid/api/v1
  auth: [{value: "Bearer {cred.access_token}"}]
verified: {by: nobody, "on": "2026-11-23"}
"""


@dataclass(slots=True)
class Live:
    """A running vault with one application; `product` is the page that its customers return to."""

    url: str
    product: str
    provider: SandboxProvider
    http: aiohttp.ClientSession
    consumer: str = "test-consumer"
    application_id: str = ""
    api_key: str = field(default="", repr=False)

    async def call(self, method: str, path: str, json: Any = None) -> Any:
        """The data that a call of the Connections API answers with."""
        selectors = {"x-apideck-app-id": self.application_id, "x-apideck-consumer-id": self.consumer}
        return await self._data(method, f"/vault/connections{path}", self.api_key, selectors, json)

    async def manage(self, method: str, path: str, json: Any = None) -> Any:
        """The data that the management API answers with."""
        return await self._data(method, f"/manage{path}", ADMIN_TOKEN, {}, json)

    async def connection(self, api: str = "crm", service: str = "pipedrive") -> Any:
        return await self.call("GET", f"/{api}/{service}")

    def refresh_token(self) -> str:
        """A refresh token that the provider has issued to other software of the application."""
        refresh = self.provider.issue().refresh
        assert refresh
        return refresh.value

    async def connect(self) -> None:
        """Connects the customer's account by an import."""
        await self.call("POST", "/crm/pipedrive/import", {"credentials": {"refresh_token": self.refresh_token()}})

    async def consented(self) -> tuple[dict[str, str], str]:
        """What the customer's browser is sent to the callback with after her consent, and the cookie of the flow."""
        link = (await self.connection())["authorize_url"] + "&" + urlencode({"redirect_uri": self.product})
        page = await (await self._browser().visit(link, initiator=self.product)).allow()
        return self._parameters(page), page.browser.cookies.header(page.url, method="GET", initiator=None) or ""

    async def delegated(self) -> dict[str, str]:
        """The same for a customer whom the product itself has sent to the provider, with a callback state."""
        state = (await self.call("POST", "/crm/pipedrive/callback-state", {"redirect_uri": self.product}))["state"]
        asked = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": f"{self.url}/vault/callback",
            "state": state,
        }
        page = await self._browser().visit(f"{self.provider.url}/oauth/authorize?{urlencode(asked, quote_via=quote)}")
        return self._parameters(await page.allow())

    def _browser(self) -> Browser:
        return Browser(stop_at=f"{self.url}/vault/callback")

    def _parameters(self, page: Page) -> dict[str, str]:
        assert page.stopped, page
        return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}

    async def _data(self, method: str, path: str, key: str, headers: dict[str, str], json: Any) -> Any:
        sent = {"authorization": f"Bearer {key}", **headers}
        async with self.http.request(method, self.url + path, headers=sent, json=json) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.json())["data"]


@asynccontextmanager
async def live(directory: Path, api: Sequence[ApiRoute] | None = None) -> AsyncIterator[Live]:
    """A vault with its data in `directory`, its three integrations set up; `api` is the service's, if not the CRM."""
    shape = Shape(authorization=Authorization(pkce="optional"))
    async with (
        SandboxProvider(shape=shape, api=api).serve() as provider,
        _serving(Router([Route("/integrations", _welcome)])) as product,
        _vault(directory, provider.url) as url,
        aiohttp.ClientSession() as http,
    ):
        vault = Live(url, f"{product}/integrations", provider, http)
        application = await vault.manage("POST", "/applications", {"name": "Acme", "redirect_uris": [vault.product]})
        vault = replace(vault, **application)
        provider.clients[CLIENT_ID] = RegisteredClient(CLIENT_ID, CLIENT_SECRET, (f"{url}/vault/callback",), "Acme")
        await _integrate(vault)
        yield vault


async def _integrate(vault: Live) -> None:
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "scopes": SCOPES}
    path = f"/applications/{vault.application_id}/integrations"
    await vault.manage("PUT", f"{path}/crm/pipedrive", client)
    await vault.manage("PUT", f"{path}/crm/activecampaign")
    await vault.manage("PUT", f"{path}/hris/personio")


@asynccontextmanager
async def _vault(directory: Path, provider_url: str) -> AsyncIterator[str]:
    listener = listening.listen("127.0.0.1", 0)
    settings = Settings.from_env(
        {
            "HOLDFAST_DATA_DIR": str(directory / "data"),
            "HOLDFAST_CONNECTORS_DIR": str(_write_manifests(directory / "connectors", provider_url)),
            "HOLDFAST_PUBLIC_URL": listening.address(listener),
            "HOLDFAST_EGRESS_ALLOW": urlsplit(provider_url).netloc,
            "HOLDFAST_ADMIN_TOKEN": ADMIN_TOKEN,
        }
    )
    wiring.prepare(settings)
    async with wiring.open_vault(settings) as vault:
        own = [c for c in vault.catalog.all() if not vault.catalog.is_shipped(c.id)]
        async with listening.in_background(app(replace(vault, catalog=Catalog(own)), ADMIN_TOKEN), listener):
            yield settings.public_url


@asynccontextmanager
async def _serving(product: Router) -> AsyncIterator[str]:
    listener = listening.listen("127.0.0.1", 0)
    async with listening.in_background(product, listener):
        yield listening.address(listener)


async def _welcome(_: Request) -> Response:
    return PlainTextResponse("Welcome back.")


def _write_manifests(directory: Path, provider_url: str) -> Path:
    pipedrive = sandbox_manifest(provider_url).replace("id: sandbox-crm", "id: pipedrive")
    # connections_callback takes a state and a code, and no issuer.
    pipedrive = pipedrive.replace("    requires_iss: true\n", "")
    personio = PERSONIO.replace(f"http://{PLACE}", provider_url).replace(PLACE, urlsplit(provider_url).netloc)
    for id, text in {"pipedrive": pipedrive, "personio": personio, "activecampaign": ACTIVECAMPAIGN}.items():
        file = directory / id / "connector.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    return directory
