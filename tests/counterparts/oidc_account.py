"""An integration with the OIDC server, and a person who has an account there."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from oidc_server import SERVICE, Auth, OidcClient, OidcServer, manifest
from served import Reply, ServedVault, served

from holdfast.testing.browser import Browser, Page
from holdfast.testing.harness import RETURN_TO

PATH = f"/vault/connections/crm/{SERVICE}"


@dataclass(frozen=True, slots=True)
class Account:
    """The consumer's account at the server, and the vault that it is to be connected to."""

    vault: ServedVault
    server: OidcServer
    client: OidcClient

    async def connection(self) -> Any:
        return (await self.vault.call("GET", PATH)).data

    async def connect(self) -> Page:
        """What a person does who opens the connect link: she signs in and agrees."""
        return await (await self.sign_in()).allow()

    async def sign_in(self, *, stop_at: str = RETURN_TO) -> Page:
        """The consent page of the connect link."""
        login = await self.follow("authorize_url", stop_at=stop_at)
        return await login.submit(login="alice", password="wonder")

    async def callback(self) -> Page:
        """The callback that the server sends the browser to, before the browser goes there."""
        consent = await self.sign_in(stop_at=f"{self.vault.url}/vault/callback")
        callback = await consent.allow()
        callback.browser.stop_at = RETURN_TO
        return callback

    async def follow(self, link: str, *, stop_at: str = RETURN_TO) -> Page:
        """Where a link of the connection leads a new browser, which goes no further than `stop_at`."""
        url = f"{(await self.connection())[link]}&redirect_uri={quote(RETURN_TO, safe='')}"
        return await Browser(stop_at=stop_at).visit(url, initiator=RETURN_TO)

    async def validate(self) -> Reply:
        return await self.vault.call("POST", f"{PATH}/validate")

    async def issued(self, kind: str) -> list[str]:
        """Every `access_token` or `refresh_token` that the server has issued, oldest first."""
        return [str(event.token) for event in await self.server.events(self.client, f"{kind}.saved")]

    async def honoured(self) -> list[str]:
        """Those of all tokens that the server still takes."""
        tokens = [*await self.issued("access_token"), *await self.issued("refresh_token")]
        return [token for token in tokens if await self.server.is_good(self.client, token)]

    async def granted(self, grant_type: str) -> int:
        """How many token requests of this grant type the server has granted."""
        return sum(e.grant_type == grant_type for e in await self.server.events(self.client, "grant.success"))


@contextlib.asynccontextmanager
async def account(
    directory: Path,
    server: OidcServer,
    auth: Auth = "basic",
    *,
    rotates: bool = True,
    insists_on_pkce: bool = True,
    pkce: bool = True,
    iss: bool = True,
) -> AsyncIterator[Account]:
    """An account that is not connected yet. `pkce` and `iss` are the manifest's, the others the server's."""
    async with served(directory, {SERVICE: manifest(server.url, auth, pkce=pkce, iss=iss)}) as vault:
        integration = await vault.integrate(SERVICE)
        client = await server.register(auth, integration["redirect_uri"], rotates=rotates, pkce=insists_on_pkce)
        await vault.integrate(SERVICE, client_id=client.client_id, client_secret=client.client_secret)
        yield Account(vault, server, client)


def changed(url: str, **parameters: str | None) -> str:
    """`url` with parameters of its query replaced or, given as None, taken away."""
    address = urlsplit(url)
    query = {**dict(parse_qsl(address.query)), **parameters}
    kept = {name: value for name, value in query.items() if value is not None}
    return urlunsplit(address._replace(query=urlencode(kept, quote_via=quote)))
