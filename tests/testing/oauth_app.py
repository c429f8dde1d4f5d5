"""An application that uses the provider, written out by hand: RFC 6749 and 7636 without any of Holdfast's grants."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import quote_plus, urlencode

from holdfast.testing.asgi import Answer, call
from holdfast.testing.browser import Browser, Page
from holdfast.testing.provider import RegisteredClient, SandboxProvider

BASE = "https://crm.example"
REDIRECT_URI = "http://127.0.0.1:8000/vault/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636 appendix B


class App:
    """Asks for consent, redeems codes, refreshes, calls the API."""

    def __init__(self, provider: SandboxProvider) -> None:
        self.provider = provider
        self.browser = Browser({"*.example": provider.app}, stop_at=REDIRECT_URI, clock=provider.clock)
        self.client = next(iter(provider.clients.values()))

    def authorize_url(self, **changes: str | None) -> str:
        """The authorization URL; a parameter that is None is left out."""
        params: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": "users:read leads:read",
            "state": "xyz",
            "code_challenge": s256(VERIFIER),
            "code_challenge_method": "S256",
            **changes,
        }
        return f"{BASE}/oauth/authorize?{urlencode({k: v for k, v in params.items() if v is not None})}"

    async def ask(self, **changes: str | None) -> Page:
        return await self.browser.visit(self.authorize_url(**changes))

    async def code(self, **changes: str | None) -> str:
        """A fresh authorization code."""
        page = await (await self.ask(**changes)).allow()
        return page.query["code"]

    async def token(self, *, by: RegisteredClient | None = None, **members: str) -> Answer:
        """A token request as the default shape wants it, by this application's client or another one."""
        client_id, secret = (by or self.client).client_id, (by or self.client).client_secret or ""
        pair = base64.b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()
        return await self.post("/oauth/token", members, Authorization=f"Basic {pair}")

    async def post(self, path: str, members: dict[str, str], **headers: str) -> Answer:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return await call(self.provider.app, "POST", BASE + path, headers.items(), urlencode(members).encode())

    async def redeem(self, code: str, *, by: RegisteredClient | None = None, **changes: str) -> Answer:
        members = {"code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER, **changes}
        return await self.token(by=by, grant_type="authorization_code", **members)

    async def refresh(self, refresh_token: str) -> Answer:
        return await self.token(grant_type="refresh_token", refresh_token=refresh_token)

    async def connect(self) -> dict[str, Any]:
        """The token answer of a whole flow."""
        return body(await self.redeem(await self.code()))

    async def get(self, path: str, access_token: str) -> Answer:
        headers = {"Authorization": f"Bearer {access_token}"}
        return await call(self.provider.app, "GET", BASE + path, headers.items())


def s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def body(answer: Answer) -> dict[str, Any]:
    document = json.loads(answer.body)
    assert isinstance(document, dict)
    return document
