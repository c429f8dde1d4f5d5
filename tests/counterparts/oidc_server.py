"""npm oidc-provider beside the tests: its clients, its own account of what happened, and a manifest for it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote_plus

import aiohttp

Auth = Literal["basic", "body", "none"]

SERVICE = "oidc-crm"
# The manifest's words and the provider's (RFC 7591 section 2).
METHODS: dict[Auth, str] = {"basic": "client_secret_basic", "body": "client_secret_post", "none": "none"}


@dataclass(frozen=True, slots=True)
class OidcClient:
    """A client that is registered at the server."""

    client_id: str
    client_secret: str | None = field(repr=False)
    auth: Auth


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the server says happened to one of its clients."""

    name: str
    client_id: str | None = None
    token: str | None = field(default=None, repr=False)
    grant_type: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class OidcServer:
    """A running server. What is asked here is asked as anybody could who has a client's secret or a token."""

    url: str

    async def register(self, auth: Auth, redirect_uri: str, *, rotates: bool = True, pkce: bool = True) -> OidcClient:
        """A new client. `rotates`: its refresh tokens are good once; `pkce`: it must use RFC 7636."""
        metadata = {
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": METHODS[auth],
            "rotates": rotates,
            "insists_on_pkce": pkce,
        }
        async with aiohttp.ClientSession() as http, http.post(f"{self.url}/reg", json=metadata) as answer:
            registered = await answer.json()
        return OidcClient(registered["client_id"], registered.get("client_secret"), auth)

    async def is_good(self, client: OidcClient, token: str) -> bool:
        """Whether the server still honours `token` (RFC 7662)."""
        return bool((await self._post(client, "/token/introspection", token=token))["active"])

    async def refresh(self, client: OidcClient, refresh_token: str) -> Any:
        """What a token request gives to whoever has got hold of a refresh token."""
        return await self._post(client, "/token", grant_type="refresh_token", refresh_token=refresh_token)

    async def events(self, client: OidcClient, name: str) -> list[Event]:
        """The events of this name that concern `client`, oldest first."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/events") as answer:
            told = [Event(**event) for event in json.loads(await answer.text())]
        return [event for event in told if event.client_id == client.client_id and event.name == name]

    async def _post(self, client: OidcClient, path: str, **form: str) -> Any:
        headers, members = _authentication(client)
        async with (
            aiohttp.ClientSession() as http,
            http.post(self.url + path, data=form | members, headers=headers) as answer,
        ):
            return await answer.json()


def manifest(url: str, auth: Auth = "basic", *, pkce: bool = True, iss: bool = True) -> str:
    """A connector for the server at `url`. JSON is YAML too. `iss`: whether callbacks must say who sent them."""
    connector = {
        "schema": 1,
        "id": SERVICE,
        "name": "OIDC CRM",
        "website": "https://github.com/panva/node-oidc-provider",
        "unified_apis": {"crm": {"resources": {"leads": ["all"]}}},
        "hosts": [url.removeprefix("http://")],
        "auth": {
            "type": "oauth2",
            "oauth": {
                "client": {"auth": auth},
                "pkce": "required" if pkce else "off",
                **({"issuer": url, "requires_iss": True} if iss else {}),
                "scopes": {"default": ["openid", "leads:read"]},
                "authorize": {"url": f"{url}/auth"},
                "token": {"url": f"{url}/token"},
                "refresh": {"rotation": "family"},
                "revoke": {"url": f"{url}/token/revocation"},
            },
        },
        "request": {"base_url": url, "auth": [{"value": "Bearer {cred.access_token}"}]},
        "verify": {"request": {"path": "/me"}},
        "custom_fields": {
            "leads": {
                "request": {"path": "/me"},
                "items": "$.lead_fields",
                "map": {"id": "key", "name": "name"},
            }
        },
        "verified": {"by": "oidc-provider 9.13.3", "on": "2026-11-23"},
    }
    return json.dumps(connector)


def _authentication(client: OidcClient) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and form members (RFC 6749 section 2.3.1: Basic holds the form-encoded id and secret)."""
    if client.client_secret is None:
        return {}, {"client_id": client.client_id}
    if client.auth == "body":
        return {}, {"client_id": client.client_id, "client_secret": client.client_secret}
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, {}
