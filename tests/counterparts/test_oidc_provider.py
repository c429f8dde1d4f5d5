"""Whole lives of connections at an OAuth server that is not ours, which gives its own account of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from oidc_account import PATH, Account, account, changed
from oidc_server import SERVICE, Auth, OidcServer
from served import another_node

from holdfast.testing.harness import RETURN_TO

HOUR = 3600


@pytest.fixture
async def alice(tmp_path: Path, oidc_server: OidcServer) -> AsyncIterator[Account]:
    """An account at a server that insists on PKCE and ends a grant whose refresh token comes twice."""
    async with account(tmp_path, oidc_server) as alice:
        yield alice


@pytest.mark.parametrize("iss", [True, False], ids=["iss", "no iss"])
@pytest.mark.parametrize("pkce", [True, False], ids=["pkce", "no pkce"])
@pytest.mark.parametrize("rotates", [True, False], ids=["rotates", "keeps"])
@pytest.mark.parametrize("auth", ["basic", "body", "none"])
async def test_an_account_is_connected_refreshed_and_deleted(
    auth: Auth, rotates: bool, pkce: bool, iss: bool, tmp_path: Path, oidc_server: OidcServer
) -> None:
    """Whichever way the client authenticates, and whatever the two sides make of PKCE, `iss` and rotation."""
    async with account(tmp_path, oidc_server, auth, rotates=rotates, insists_on_pkce=pkce, pkce=pkce, iss=iss) as alice:
        page = await alice.connect()
        connected = await alice.connection()
        fields = (await alice.vault.call("GET", f"{PATH}/leads/custom-fields")).data
        validated = await alice.validate()
        refresh_tokens = await alice.issued("refresh_token")
        first_is_good = await oidc_server.is_good(alice.client, refresh_tokens[0])
        deleted = await alice.vault.call("DELETE", PATH)

        assert page.url == RETURN_TO
        assert (connected["state"], connected["health"]) == ("callable", "ok")
        assert [field["name"] for field in fields] == ["Preferred colour", "Shoe size"]
        assert validated.data["state"] == "callable"
        assert await alice.granted("refresh_token") == 1
        assert first_is_good == (not rotates)
        assert deleted.status == 204
        assert await alice.honoured() == []
        assert (await alice.connection())["state"] == "available"


async def test_a_revoke_link_ends_the_grant_at_the_server(alice: Account) -> None:
    """The person comes back disconnected, no token of hers works any more, and she can connect again."""
    await alice.connect()

    page = await alice.follow("revoke_url")

    revoked = await alice.connection()
    assert page.url == RETURN_TO
    assert (revoked["state"], revoked["health"], revoked["revoke_url"]) == ("added", "revoked", None)
    assert await alice.honoured() == []
    assert (await alice.connect()).url == RETURN_TO
    assert (await alice.connection())["state"] == "callable"


async def test_readers_of_an_expired_token_refresh_it_once(alice: Account) -> None:
    """Twenty readers on two nodes: one refresh, nobody turned away, and the grant lives on."""
    await alice.connect()
    alice.vault.clock.advance(HOUR)

    async with another_node(alice.vault) as other:
        fields = f"{PATH}/leads/custom-fields"
        replies = await asyncio.gather(*(node.call("GET", fields) for node in (alice.vault, other) * 10))

    assert [reply.status for reply in replies] == [200] * 20
    assert await alice.granted("refresh_token") == 1
    assert (await alice.validate()).data["state"] == "callable"


async def test_no_refresh_token_is_ever_sent_twice(alice: Account) -> None:
    """Validating refreshes each time; two nodes that do it at once never come with a token that the other one used."""
    await alice.connect()

    async with another_node(alice.vault) as other:
        replies = await asyncio.gather(*(node.call("POST", f"{PATH}/validate") for node in (alice.vault, other) * 10))

    used = await alice.server.events(alice.client, "refresh_token.consumed")
    assert [reply.status for reply in replies] == [200] * 20
    assert len({event.token for event in used}) == len(used) == await alice.granted("refresh_token")
    assert await alice.server.events(alice.client, "grant.revoked") == []
    assert await alice.server.is_good(alice.client, (await alice.issued("refresh_token"))[-1])


async def test_a_grant_that_the_server_ended_is_told(alice: Account) -> None:
    """Somebody sends a stolen, used refresh token, the server ends the family, and the vault's next refresh says so."""
    await alice.connect()
    await alice.validate()
    stolen, _ = await alice.issued("refresh_token")
    assert (await alice.server.refresh(alice.client, stolen))["error"] == "invalid_grant"

    refused = await alice.validate()

    assert (refused.status, refused.body["type_name"]) == (401, "OAuthConnectorError")
    assert (await alice.connection())["health"] == "pending_refresh"
    assert (await alice.connection())["last_refresh_failed_at"] > 0


async def test_a_wrong_client_secret_costs_no_connection(alice: Account) -> None:
    """The operator mistypes the secret: the refresh fails, no account is to blame, and the right secret heals it."""
    await alice.connect()
    await alice.vault.integrate(SERVICE, client_secret="p%2B a+b/=& mistyped")
    alice.vault.clock.advance(HOUR)

    refused = await alice.validate()
    blamed = await alice.connection()
    await alice.vault.integrate(SERVICE, client_secret=alice.client.client_secret)

    assert (refused.status, refused.body["type_name"]) == (422, "OAuthConnectorError")
    assert (blamed["state"], blamed["health"], blamed["credentials_expire_at"]) == ("callable", "pending_refresh", 0)
    assert (await alice.validate()).data["state"] == "callable"


@pytest.mark.parametrize("iss", ["https://evil.example", None], ids=["another", "none"])
async def test_a_callback_of_another_issuer_never_reaches_the_token_endpoint(iss: str | None, alice: Account) -> None:
    """A code is sent only to the server that says it issued it (RFC 9207); nothing is stored."""
    callback = await alice.callback()

    page = await callback.browser.visit(changed(callback.url, iss=iss))

    assert page.status == 400
    assert "OAuthInvalidStateError" in page.text
    assert await alice.server.events(alice.client, "grant.error") == []
    assert await alice.issued("access_token") == []
    assert (await alice.connection())["state"] == "available"


async def test_a_code_that_was_tampered_with_connects_nothing(alice: Account) -> None:
    """The server refuses it, the person is told, and nothing is stored."""
    callback = await alice.callback()

    page = await callback.browser.visit(changed(callback.url, code=callback.query["code"][::-1]))

    assert page.query["error_type"] == "OAuthCodeExchangeError"
    assert [event.error for event in await alice.server.events(alice.client, "grant.error")] == ["invalid_grant"]
    assert (await alice.connection())["state"] == "available"


async def test_a_callback_that_is_opened_twice_spends_its_code_once(alice: Account) -> None:
    """A server ends the grant of a code that comes twice (RFC 6749 section 4.1.2), so the vault sends it once."""
    callback = await alice.callback()

    pages = await asyncio.gather(*(callback.browser.visit(callback.url) for _ in range(2)))

    assert sorted(page.status for page in pages) == [301, 400]
    assert await alice.server.events(alice.client, "grant.error") == []
    assert (await alice.validate()).data["state"] == "callable"


async def test_a_person_who_cancels_is_brought_back(alice: Account) -> None:
    """The server's `access_denied` becomes an error redirect, and nothing is stored."""
    consent = await alice.sign_in()

    page = await consent.follow("[ Cancel ]")

    assert page.url.startswith(f"{RETURN_TO}?")
    assert page.query["error_type"] == "OAuthConnectorError"
    assert (await alice.connection())["state"] == "available"


async def test_a_server_that_insists_on_pkce_refuses_a_manifest_without_it(
    tmp_path: Path, oidc_server: OidcServer
) -> None:
    """The refusal comes as a redirect, before anybody has signed in, and is passed on."""
    async with account(tmp_path, oidc_server, pkce=False) as alice:
        page = await alice.follow("authorize_url")

        assert page.url.startswith(f"{RETURN_TO}?")
        assert page.query["error_type"] == "OAuthConnectorError"
        assert "(invalid_request)" in page.query["error_message"]
