"""The real vault, in a test: its own database, a clock that the test moves, a provider instead of the world.

    async with deployment(tmp_path) as vault:
        await vault.connect("user-1")
        reply = await vault.get("/vault/connections/crm/sandbox-crm")
        assert reply.data["state"] == "callable"

Only time and the network are doubled. The application, its store and its keyring are those that serve.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from starlette.types import ASGIApp

from holdfast import wiring, worker
from holdfast.config import Settings
from holdfast.domain.credential import Secret
from holdfast.http.app import app
from holdfast.store.seal.masterkey import create_master_key_file
from holdfast.testing.asgi import Answer, call
from holdfast.testing.browser import Browser, Page
from holdfast.testing.clock import TestClock
from holdfast.testing.connectors import sandbox_manifest
from holdfast.testing.network import FakeNetwork
from holdfast.testing.provider import RegisteredClient, SandboxProvider
from holdfast.usecases import manage
from holdfast.usecases.vault import Vault

PUBLIC_URL = "http://127.0.0.1:8000"
PROVIDER_URL = "http://127.0.0.1:9000"
ADMIN_TOKEN = "hf_admin_for_tests_only"
RETURN_TO = "https://app.example.com/integrations"
CLIENT_ID, CLIENT_SECRET = "sandbox-client", "sandbox-secret"
SERVICE = "sandbox-crm"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the API."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def location(self) -> str:
        return self.headers["location"]

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters in the query and fragment of the place that the reply redirects to."""
        return Page(self.location, self.status, {}, "", Browser()).query


@dataclass(slots=True)
class Deployment:
    """A running vault with one application, and the provider that its sandbox connector leads to."""

    vault: Vault
    app: ASGIApp
    clock: TestClock
    network: FakeNetwork
    provider: SandboxProvider
    application_id: str
    api_key: str
    settings: Settings
    consumer: str = "user-1"
    cookies: dict[str, str] = field(default_factory=dict)

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str | None] | None = None,
        consumer: str | None = None,
    ) -> Reply:
        """An API call with the application's key. A header given as None is not sent."""
        content = _encoded(json) if json is not None else body or b""
        sent: dict[str, str | None] = {
            "authorization": f"Bearer {self.api_key}",
            "x-apideck-app-id": self.application_id,
            "x-apideck-consumer-id": consumer or self.consumer,
            **({"content-type": "application/json"} if content else {}),
            **(headers or {}),
        }
        pairs = [(name, value) for name, value in sent.items() if value is not None]
        return _reply(await call(self.app, method, PUBLIC_URL + path, pairs, content))

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Reply:
        return await self.request("POST", path, **options)

    async def patch(self, path: str, **options: Any) -> Reply:
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> Reply:
        return await self.request("DELETE", path, **options)

    async def manage(self, method: str, path: str, *, json: Any = None) -> Reply:
        """A call of the management API with the admin token."""
        content = _encoded(json) if json is not None else b""
        headers = [("authorization", f"Bearer {ADMIN_TOKEN}"), ("content-type", "application/json")]
        return _reply(await call(self.app, method, f"{PUBLIC_URL}/manage{path}", headers, content))

    async def open(self, url: str, *, cookie: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Opens one of the browser's endpoints, as a program does, without following where it leads."""
        at = urlsplit(url)
        target = f"{PUBLIC_URL}{at.path}" + (f"?{at.query}" if at.query else "")
        sent = {**(headers or {}), **({"cookie": cookie} if cookie else {})}
        return _reply(await call(self.app, "GET", target, list(sent.items())))

    def browser(self) -> Browser:
        """A person's browser that reaches the vault and the provider and stops at the product."""
        apps = {urlsplit(PUBLIC_URL).netloc: self.app, urlsplit(PROVIDER_URL).netloc: self.provider.app}
        stops = (RETURN_TO, f"{PUBLIC_URL}/oauth/callback")
        return Browser(apps={**self.network.apps, **apps}, stop_at=stops, clock=self.clock)

    async def connection(self, service: str = SERVICE, api: str = "crm", **options: Any) -> Any:
        """The consumer's connection as the API tells it."""
        return (await self.get(f"/vault/connections/{api}/{service}", **options)).data

    async def authorize_url(self, service: str = SERVICE, api: str = "crm", **query: str) -> str:
        """The connection's connect link with the redirect URI, and more parameters, on it."""
        consumer = query.pop("consumer", None)
        connection = await self.connection(service, api, consumer=consumer)
        return str(connection["authorize_url"]) + "&" + urlencode({"redirect_uri": RETURN_TO, **query}, quote_via=quote)

    async def connect(self, consumer: str | None = None, **query: str) -> Page:
        """Connects the sandbox as a person does: opens the link, consents, comes back."""
        url = await self.authorize_url(**query, **({"consumer": consumer} if consumer else {}))
        page = await self.browser().visit(url, initiator=RETURN_TO)
        return await page.allow()

    async def work(self) -> int:
        """Does what is due now, as the worker would; how many jobs that were."""
        return await worker.drain(self.vault)

    async def events(self, consumer: str | None = None) -> list[str]:
        """The types of the consumer's events so far, without their common prefix."""
        from holdfast.domain.tenancy import Caller, ConsumerScope
        from holdfast.store import events

        scope = ConsumerScope(self.application_id, Caller.own("test"), consumer or self.consumer)
        found = await events.announced(scope, self.vault.store)
        return [event.removeprefix("vault.connection.") for event in found]


@contextlib.asynccontextmanager
async def deployment(
    directory: Path,
    *,
    database_url: str | None = None,
    public_url: str = PUBLIC_URL,
    confirmation: Any = "auto",
    clock: TestClock | None = None,
    provider: SandboxProvider | None = None,
) -> AsyncIterator[Deployment]:
    """A vault with its data in `directory` (or at `database_url`), one application and the sandbox integration."""
    clock = clock or TestClock()
    settings = _settings(directory, database_url, public_url)
    wiring.prepare(settings)
    network = FakeNetwork()
    async with wiring.open_vault(settings, clock=clock, door=network) as vault:
        application, key = await manage.create_application(vault, "Acme", (RETURN_TO,), confirmation)
        client = manage.IntegrationChange(client_id=CLIENT_ID, client_secret=Secret(CLIENT_SECRET))
        integration = await manage.put_integration(vault, application.id, "crm", SERVICE, client)
        provider = provider or SandboxProvider(clock=clock)
        registered = RegisteredClient(CLIENT_ID, CLIENT_SECRET, (integration.redirect_uri or "",), "Acme")
        provider.clients[CLIENT_ID] = registered
        provider.url = PROVIDER_URL
        network.apps[urlsplit(PROVIDER_URL).netloc] = provider.app
        served = app(vault, ADMIN_TOKEN)
        yield Deployment(vault, served, clock, network, provider, application.id, key, settings)


def _settings(directory: Path, database_url: str | None, public_url: str) -> Settings:
    manifest = directory / "connectors" / SERVICE / "connector.yaml"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(sandbox_manifest(PROVIDER_URL))
    settings = Settings.from_env(
        {
            "HOLDFAST_DATA_DIR": str(directory / "data"),
            "HOLDFAST_CONNECTORS_DIR": str(directory / "connectors"),
            "HOLDFAST_PUBLIC_URL": public_url,
        }
    )
    if database_url is None:
        return settings
    key_file = directory / "data" / wiring.MASTER_KEY_FILE
    key_file.parent.mkdir(parents=True, exist_ok=True)
    if not key_file.exists():
        create_master_key_file(key_file)
    return replace(settings, database_url=database_url)


def _encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def _reply(answer: Answer) -> Reply:
    headers = {name: answer.header(name) for name, _ in answer.headers}
    return Reply(answer.status, headers, answer.body.decode())
