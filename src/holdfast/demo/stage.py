"""The stage: a sandbox provider and a vault, each a server of its own on the loopback interface.

The vault is the one that `holdfast serve` runs: the same application, protocol and limits, SQLite, keys in files,
and the outbound door, which here is allowed to reach one private address: the provider's.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from holdfast import wiring
from holdfast.config import Settings
from holdfast.server import listening
from holdfast.server.access import AccessLog
from holdfast.testing.browser import Browser
from holdfast.testing.connectors import sandbox_manifest
from holdfast.testing.provider import Lifetimes, Received, RegisteredClient, SandboxProvider, Shape, fail
from holdfast.testing.provider.crm import SCOPES

SERVICE = "sandbox-crm"
CLIENT_ID = "acme-at-sandbox-crm"
# Seconds. The vault refreshes a token that has less than 30 to live, so this one is due after two.
ACCESS_LIFETIME = 4

# Who answered, and what: "vault", method, route, status.
Request = Callable[[str, str, str, int], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """What the story plays on."""

    directory: Path
    environment: Mapping[str, str]
    """The settings of the vault, for a node beside it."""
    url: str
    admin_token: str
    provider: SandboxProvider
    client_secret: str
    startup: float
    """Seconds until the vault was open."""

    def register(self, redirect_uri: str) -> None:
        """What a developer does once in the provider's console: registers the OAuth client."""
        client = RegisteredClient(CLIENT_ID, self.client_secret, (redirect_uri,), "Acme")
        self.provider.clients[CLIENT_ID] = client

    def browser(self) -> Browser:
        """The browser of one person, over HTTP like any other."""
        return Browser()

    def tokens(self) -> list[str]:
        """Every token that the provider has issued."""
        return [*self.provider.ledger.access, *self.provider.ledger.refresh]

    def counts(self) -> dict[str, int]:
        """What the provider was asked, and how often."""
        calls = self.provider.calls
        return {
            "Consent pages shown": calls["authorize"],
            "Authorization codes redeemed": calls["token:authorization_code"],
            "Refreshes": calls["token:refresh_token"],
            "Tokens revoked": calls["revoke"],
            "API calls with a token": calls["api"],
        }


@contextlib.asynccontextmanager
async def staged(
    directory: Path, listener: socket.socket, request: Request, broken: str | None = None
) -> AsyncIterator[Stage]:
    """Both servers, running. `broken` is an endpoint of the provider that answers 503."""
    provider = _provider(request)
    with _breaking(provider, broken):
        async with provider.serve():
            began = time.perf_counter()
            environment = _environment(directory, listening.address(listener), provider.url)
            settings = Settings.from_env(environment)
            wiring.prepare(settings)
            # Without its worker, or a token might be refreshed ahead of the story.
            async with wiring.serving(settings, works=False) as app:
                startup = time.perf_counter() - began
                logged = AccessLog(app, lambda method, route, status, _: request("vault", method, route, status))
                async with listening.in_background(logged, listener):
                    token, secret = wiring.admin_token(settings), secrets.token_urlsafe(24)
                    url = settings.public_url
                    yield Stage(settings.data_dir, environment, url, token, provider, secret, startup)


def _provider(request: Request) -> SandboxProvider:
    def answered(received: Received, status: int) -> None:
        grant = received.endpoint.removeprefix("token:") if received.endpoint.startswith("token:") else ""
        request("provider", received.method, f"{received.path}  {grant}".rstrip(), status)

    shape = Shape(scopes=SCOPES, lifetimes=Lifetimes(access=ACCESS_LIFETIME, rotation="family"))
    return SandboxProvider(shape=shape, on_answer=answered)


@contextlib.contextmanager
def _breaking(provider: SandboxProvider, endpoint: str | None) -> Iterator[None]:
    with provider.behave(endpoint, fail(503)) if endpoint else contextlib.nullcontext():
        yield


def _environment(directory: Path, url: str, provider_url: str) -> Mapping[str, str]:
    manifest = directory / "connectors" / SERVICE / "connector.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(sandbox_manifest(provider_url))
    return {
        "HOLDFAST_DATA_DIR": str(directory / "data"),
        "HOLDFAST_CONNECTORS_DIR": str(directory / "connectors"),
        "HOLDFAST_PUBLIC_URL": url,
        "HOLDFAST_EGRESS_ALLOW": urlsplit(provider_url).netloc,
    }
