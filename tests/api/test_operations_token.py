"""connectionsToken: stored credentials are exchanged for an access token, which nobody is shown."""

from __future__ import annotations

from typing import Any

import pytest
from accounts import Account, open_account

from holdfast.testing.harness import Deployment
from holdfast.testing.provider import fail

PERSONIO, DAYFORCE = ("personio", "hris"), ("ceridian-dayforce", "hris")


@pytest.fixture(params=[PERSONIO, DAYFORCE], ids=["client_credentials", "password"])
async def account(request: pytest.FixtureRequest, vault: Deployment) -> Account:
    """An account whose credentials are typed in: a client's, or a person's."""
    return await open_account(vault, *request.param)


async def test_typed_credentials_wait_for_their_exchange(account: Account) -> None:
    """They are kept; nothing is asked for before the call says so."""
    reply = await account.fill_in()

    assert (reply.data["state"], reply.data["health"]) == ("added", "needs_auth")
    assert account.provider.calls["token"] == 0


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"body": b"", "headers": {"content-type": "application/json"}}])
async def test_an_exchange_makes_the_connection_callable(account: Account, body: dict[str, Any]) -> None:
    """By the connector's grant; the answer is the connection and holds no token."""
    await account.fill_in()

    reply = await account.vault.post(f"{account.path}/token", **body)

    grant = account.connector.auth.oauth.grant if account.connector.auth.oauth else ""
    issued = [token.value for grant in account.provider.ledger.grants for token in grant.access]
    assert (reply.status, reply.body["status_code"]) == (200, 200)
    assert (reply.data["state"], reply.data["health"]) == ("callable", "ok")
    assert account.provider.calls[f"token:{grant}"] == 1
    assert issued
    assert not [token for token in issued if token in reply.text]
    assert await account.events() == ["created", "updated", "updated", "callable"]


@pytest.mark.parametrize("operation", ["token", "validate"])
async def test_a_body_with_a_member_is_refused(account: Account, operation: str) -> None:
    """Whoever sends credentials along would believe that they were used: nothing is asked of the service."""
    reply = await account.vault.post(f"{account.path}/{operation}", json={"client_secret": "s3"})

    assert (reply.status, reply.body["type_name"]) == (400, "RequestValidationError")
    assert account.vault.network.requests == []


@pytest.mark.parametrize(("scopes", "asked"), [(["only.this", "and.that"], "only.this and.that"), ([], "")])
async def test_an_exchange_asks_for_the_scopes_of_the_integration(
    account: Account, scopes: list[str], asked: str
) -> None:
    """As an authorization does: the application has chosen them."""
    integration = f"/applications/{account.vault.application_id}/integrations/hris/{account.connector.id}"
    await account.vault.manage("PUT", integration, json={"scopes": scopes})
    await account.fill_in()

    await account.vault.post(f"{account.path}/token")

    (request,) = [r for r in account.provider.received if r.endpoint.startswith("token")]
    assert request.members.get("scope", "") == asked


async def test_every_exchange_is_a_new_token(account: Account) -> None:
    """It may be repeated at any time."""
    await account.fill_in()

    replies = [await account.vault.post(f"{account.path}/token") for _ in range(2)]

    assert [reply.data["state"] for reply in replies] == ["callable", "callable"]
    assert account.provider.calls["token"] == 2


async def test_an_exchange_switches_nothing_on(account: Account) -> None:
    """A connection that its consumer has disabled gets its token and stays disabled."""
    await account.fill_in()
    await account.patch(enabled=False)

    reply = await account.vault.post(f"{account.path}/token")

    assert (reply.status, reply.data["enabled"], reply.data["state"]) == (200, False, "authorized")
    assert "callable" not in await account.events()


async def test_a_token_that_expired_is_exchanged_again_by_itself(account: Account) -> None:
    """The credentials are still there, so nobody has to ask."""
    await account.fill_in()
    await account.vault.post(f"{account.path}/token")
    account.vault.clock.advance(86_400)

    reply = await account.vault.get(f"{account.path}/employees/custom-fields")

    supported = "employees" in account.connector.custom_fields
    assert (reply.status, bool(reply.data)) == (200, supported)
    assert account.provider.calls["token"] == (2 if supported else 1)


async def test_wrong_credentials_are_refused_and_nothing_changes(account: Account) -> None:
    """The refusal is the caller's to read, and never a server error, which clients would repeat: 401 for a person whom
    the provider does not know, 422 for a client."""
    secret = next(s.id for s in account.connector.at("connection") if s.sensitive)
    await account.fill_in(**{secret: "not-the-secret"})

    reply = await account.vault.post(f"{account.path}/token")

    refused = 401 if account.connector.id == "ceridian-dayforce" else 422
    assert (reply.status, reply.body["type_name"]) == (refused, "OAuthConnectorError")
    assert "not-the-secret" not in reply.text
    assert (await account.told())["state"] == "added"


async def test_a_provider_in_trouble_is_no_trouble_of_ours(account: Account) -> None:
    """422, and the next try works."""
    await account.fill_in()
    with account.provider.behave("token", fail(503)):
        failed = await account.vault.post(f"{account.path}/token")

    assert (failed.status, failed.body["type_name"]) == (422, "OAuthConnectorError")
    assert (await account.vault.post(f"{account.path}/token")).data["state"] == "callable"


async def test_credentials_that_are_missing_are_named(vault: Deployment) -> None:
    """There is nothing to send to the provider."""
    account = await open_account(vault, *PERSONIO)
    await account.patch(enabled=True)

    reply = await vault.post(f"{account.path}/token")

    assert (reply.status, reply.body["type_name"]) == (422, "ConnectionSettingsError")
    assert "client_id" in reply.body["detail"]
    assert vault.network.requests == []


@pytest.mark.parametrize(
    ("id", "api"), [("pipedrive", "crm"), ("activecampaign", "crm")], ids=["needs a browser", "no OAuth"]
)
async def test_another_kind_of_connector_has_nothing_to_exchange(vault: Deployment, id: str, api: str) -> None:
    """A consent page or an API key is the way there."""
    account = await open_account(vault, id, api)
    await account.connect()

    reply = await vault.post(f"{account.path}/token")

    assert (reply.status, reply.body["type_name"]) == (422, "InvalidStateError")
    assert (await account.told())["state"] == "callable"


async def test_a_connection_that_was_not_added_has_nothing_to_exchange(account: Account) -> None:
    """404: its credentials would have to be somewhere."""
    reply = await account.vault.post(f"{account.path}/token")

    assert (reply.status, reply.body["type_name"]) == (404, "ConnectionNotFoundError")
