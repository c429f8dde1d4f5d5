"""A client that knows OAuth and nothing of this vault fetches a customer's token: Authlib's."""

from __future__ import annotations

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from reading import newest, reader

from holdfast.testing.harness import PUBLIC_URL, SERVICE, Deployment

URL = f"{PUBLIC_URL}/oauth/token"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


def client(vault: Deployment, method: str, secret: str | None = None) -> AsyncOAuth2Client:
    """The application as an OAuth client, whose secret is a key."""
    return AsyncOAuth2Client(
        vault.application_id, secret or vault.api_key, token_endpoint_auth_method=method,
        transport=httpx.ASGITransport(app=vault.app),
    )  # fmt: skip


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
async def test_a_standard_client_fetches_a_token(vault: Deployment, method: str) -> None:
    """However it authenticates; it then has a token that it can call the service with, and knows its end."""
    await vault.connect()
    product = await reader(vault)
    exchange = {"subject_token": product.api_key, "subject_token_type": ACCESS_TOKEN}

    async with client(product, method) as oauth:
        token = await oauth.fetch_token(
            URL, grant_type=GRANT_TYPE, audience=f"user-1/crm/{SERVICE}", **exchange
        )  # fmt: skip

    assert token["access_token"] == newest(vault).value
    assert token["expires_in"] == 3600
    assert "refresh_token" not in token


async def test_a_standard_client_understands_a_refusal(vault: Deployment) -> None:
    """It raises the code and the sentence that it was told."""
    await vault.connect()
    product = await reader(vault)
    exchange = {"subject_token": product.api_key, "subject_token_type": ACCESS_TOKEN}

    async with client(product, "client_secret_basic") as oauth:
        with pytest.raises(OAuthError) as refused:
            await oauth.fetch_token(URL, grant_type=GRANT_TYPE, audience=f"user-2/crm/{SERVICE}", **exchange)

    assert refused.value.error == "invalid_target"
    assert refused.value.description
