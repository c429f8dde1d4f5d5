"""Where a browser is sent in the end: exactly a registered address, or nowhere (RFC 9700 section 4.1.3)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from redirect_uri_variants import VARIANTS
from traces import traces

from holdfast.testing.harness import PUBLIC_URL, RETURN_TO, Deployment
from holdfast.usecases import manage

CALLBACK_PAGE = f"{PUBLIC_URL}/oauth/callback"
FOREIGN_CALLBACK_PAGE = "https://vault.apideck.com/oauth/callback"
UNREGISTRABLE = (
    "http://app.example.com/cb", "ftp://app.example.com/cb", "javascript:alert(1)", "data:text/html,x", "//app.example",
    "https://", "https:///cb", "https://user@app.example.com/cb", "https://user:pw@app.example.com/cb",
    "https://app.example.com/cb#f", "https://app.example.com/cb#", "https://app.example.com/c b",
    "https://a\\b.example", "https://app.example.com/cb\r\nx", "https://app.example.com/\x00", "https://app.example.com/\t",
    "https://äpp.example",
    "http://127.0.0.1.evil.example/cb", "http://localhost.evil.example/cb", "https://app.example.com:99999/cb",
    "https://app.example.com:x/cb", "https://[::1", "https://app.example.com/" + "a" * 2048, "app.example.com/cb", "",
)  # fmt: skip


@pytest.fixture
async def other_application(vault: Deployment) -> str:
    """Another tenant, whose redirect URI is registered, but not for the tenant under test."""
    application, _ = await manage.create_application(vault.vault, "Other", ("https://other.example.com/integrations",))
    return application.id


async def test_a_variant_of_a_registered_address_is_refused(vault: Deployment, other_application: str) -> None:
    """400, without redirect, cookie or flow: an open redirector would hand out confirm tokens."""
    before = await traces(vault)

    replies = {name: await vault.open(await vault.authorize_url(redirect_uri=uri)) for name, uri in VARIANTS.items()}

    assert {name: reply.status for name, reply in replies.items() if reply.status != 400} == {}
    assert not [name for name, reply in replies.items() if {"location", "set-cookie"} & set(reply.headers)]
    assert {reply.body["type_name"] for reply in replies.values()} == {"OAuthRedirectUriError"}
    assert await traces(vault) == before


async def test_a_variant_is_refused_for_a_revocation_too(vault: Deployment, other_application: str) -> None:
    """And the grant lives on."""
    await vault.connect()
    revoke_url = (await vault.connection())["revoke_url"]
    before = await traces(vault)

    for name, uri in VARIANTS.items():
        reply = await vault.open(f"{revoke_url}&redirect_uri={quote(uri, safe='')}")
        assert (reply.status, "location" in reply.headers) == (400, False), name
    assert await traces(vault) == before


async def test_without_a_redirect_uri_an_authorization_ends_at_the_default(vault: Deployment) -> None:
    """The first address that is registered; a revocation has no default."""
    page = await vault.connect(redirect_uri="")
    revoked = await vault.open((await vault.connection())["revoke_url"])

    assert page.url == RETURN_TO
    assert (revoked.status, revoked.body["type_name"]) == (400, "OAuthRedirectUriError")


async def test_an_application_without_addresses_has_nowhere_to_send_a_browser(vault: Deployment) -> None:
    """400, before anything is begun."""
    await vault.manage("PATCH", f"/applications/{vault.application_id}", json={"redirect_uris": []})

    reply = await vault.open((await vault.authorize_url()).partition("&redirect_uri")[0])

    assert (reply.status, reply.body["type_name"]) == (400, "OAuthRedirectUriError")


async def test_the_page_that_published_components_fall_back_to_is_ours(vault: Deployment) -> None:
    """They name the hosted service's page when they are told of none; a confirm token must not go there."""
    page = await vault.connect(redirect_uri=FOREIGN_CALLBACK_PAGE, nonce="5f0c")

    assert page.url.startswith(f"{CALLBACK_PAGE}?outcome=")
    assert "#nonce=5f0c&confirm_token=" in page.url


async def test_a_query_that_is_registered_stays_and_an_error_joins_it(vault: Deployment) -> None:
    """The address is given back unchanged; only an error adds parameters to it."""
    address = "https://app.example.com/back?tenant=7&lang=de"
    await vault.manage("PATCH", f"/applications/{vault.application_id}", json={"redirect_uris": [address]})

    failed = await vault.open(await vault.authorize_url(redirect_uri=address, scope="admin"))
    page = await vault.browser().visit(await vault.authorize_url(redirect_uri=address), initiator=address)
    page.browser.stop_at = "https://app.example.com/"
    page = await page.allow()

    assert failed.location.startswith(f"{address}&error_type=")
    assert page.url == address


@pytest.mark.parametrize("through", ["POST", "PATCH"])
async def test_an_address_that_cannot_be_trusted_is_not_registered(vault: Deployment, through: str) -> None:
    """https, or http to this machine; no user, no fragment, nothing that two parsers read differently."""
    path = {"POST": "/applications", "PATCH": f"/applications/{vault.application_id}"}[through]

    for uri in UNREGISTRABLE:
        members: dict[str, Any] = {"name": "Acme", "redirect_uris": [uri]}
        reply = await vault.manage(through, path, json=members)
        assert reply.status == 400, uri


@pytest.mark.parametrize("uri", ["https://app.example.com/cb?a=b", "http://127.0.0.1:3000/cb", "http://localhost/cb"])
async def test_an_ordinary_address_is_registered(vault: Deployment, uri: str) -> None:
    """Development on one's own machine included."""
    path = f"/applications/{vault.application_id}"

    reply = await vault.manage("PATCH", path, json={"redirect_uris": [uri]})

    assert reply.data["redirect_uris"] == [uri]
