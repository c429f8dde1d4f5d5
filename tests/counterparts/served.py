"""The vault as `holdfast serve` runs it: its server, its worker and its outbound door, on real sockets.

Only its clock is the test's, because what it talks to lives in the machine's time and cannot be moved.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from holdfast import wiring
from holdfast.clock import SystemClock
from holdfast.config import Settings
from holdfast.server import listening
from holdfast.server.access import AccessLog
from holdfast.testing.harness import RETURN_TO

CONSUMER = "test_user_id"


class MovableClock(SystemClock):
    """The machine's time, which a test may put forward."""

    def __init__(self) -> None:
        self._ahead = 0

    def now(self) -> int:
        return super().now() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += round(seconds * 1000)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the API."""

    status: int
    body: Any

    @property
    def data(self) -> Any:
        return self.body["data"]


@dataclass(frozen=True, slots=True)
class ServedVault:
    """A running vault with one application. `statuses` are those of all its answers, in order."""

    url: str
    settings: Settings
    clock: MovableClock
    http: aiohttp.ClientSession
    application_id: str = ""
    api_key: str = field(default="", repr=False)
    statuses: list[int] = field(default_factory=list)

    async def call(self, method: str, path: str, json: Any = None) -> Reply:
        """A call of the Vault API with the application's key, for `CONSUMER`."""
        selectors = {"x-apideck-app-id": self.application_id, "x-apideck-consumer-id": CONSUMER}
        return await self._request(method, path, self.api_key, selectors, json)

    async def manage(self, method: str, path: str, json: Any = None) -> Any:
        """The data that the management API answers with."""
        reply = await self._request(method, f"/manage{path}", wiring.admin_token(self.settings), {}, json)
        assert reply.status == 200, reply.body
        return reply.data

    async def integrate(self, service: str, **members: Any) -> Any:
        """Sets up the integration of `service`; gives it back with the redirect URI to register at the provider."""
        path = f"/applications/{self.application_id}/integrations/crm/{service}"
        return await self.manage("PUT", path, members)

    async def _request(self, method: str, path: str, key: str, headers: Mapping[str, str], json: Any) -> Reply:
        sent = {"authorization": f"Bearer {key}", **headers}
        async with self.http.request(method, self.url + path, headers=sent, json=json) as answer:
            return Reply(answer.status, await answer.json() if answer.status != 204 else None)


@contextlib.asynccontextmanager
async def served(directory: Path, manifests: Mapping[str, str]) -> AsyncIterator[ServedVault]:
    """A vault with its data in `directory`, and with connectors of its own beside the shipped ones, by their id."""
    listener = listening.listen("127.0.0.1", 0)
    settings = _settings(directory, listening.address(listener), manifests)
    wiring.prepare(settings)
    async with aiohttp.ClientSession() as http, _node(settings, MovableClock(), http, listener) as vault:
        application = await vault.manage("POST", "/applications", {"name": "Acme", "redirect_uris": [RETURN_TO]})
        yield replace(vault, **application)


@contextlib.asynccontextmanager
async def another_node(vault: ServedVault) -> AsyncIterator[ServedVault]:
    """A second process of the same deployment, as far as the vault can tell: they share the database and the time."""
    listener = listening.listen("127.0.0.1", 0)
    async with _node(vault.settings, vault.clock, vault.http, listener) as node:
        yield replace(node, application_id=vault.application_id, api_key=vault.api_key)


@contextlib.asynccontextmanager
async def _node(
    settings: Settings, clock: MovableClock, http: aiohttp.ClientSession, listener: socket.socket
) -> AsyncIterator[ServedVault]:
    vault = ServedVault(listening.address(listener), settings, clock, http)
    async with wiring.serving(settings, clock=clock) as app:
        watched = AccessLog(app, lambda method, route, status, ms: vault.statuses.append(status))
        async with listening.in_background(watched, listener):
            yield vault
    # Two of the published clients repeat such a request for a quarter of an hour.
    assert [status for status in vault.statuses if status >= 500] == []


def _settings(directory: Path, url: str, manifests: Mapping[str, str]) -> Settings:
    for id, text in manifests.items():
        file = directory / "connectors" / id / "connector.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    return Settings.from_env(
        {
            "HOLDFAST_DATA_DIR": str(directory / "data"),
            "HOLDFAST_CONNECTORS_DIR": str(directory / "connectors"),
            "HOLDFAST_PUBLIC_URL": url,
            "HOLDFAST_EGRESS_ALLOW": "127.0.0.1",
        }
    )
