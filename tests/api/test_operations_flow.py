"""connectionsAuthorize, connectionsCallback and connectionsImport: how a grant comes to be there, from end to end."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from accounts import Account, open_account
from dance import begin, came_back

from holdfast.testing.harness import PUBLIC_URL, RETURN_TO, Deployment
from holdfast.testing.provider import USERS

ONE = "/vault/connections/crm/sandbox-crm"


async def test_a_person_connects_her_account(vault: Deployment) -> None:
    """The link leads to the consent page, consent back to the product, exactly to where it said."""
    page = await vault.connect()

    connection = await vault.connection()
    assert page.url == RETURN_TO
    assert (connection["state"], connection["health"]) == ("callable", "ok")
    assert connection["settings"] == {"company_id": str(USERS[0].company_id)}
    assert (await vault.events())[:3] == ["created", "updated", "callable"]


async def test_a_connection_that_was_added_keeps_what_it_has(vault: Deployment) -> None:
    """Settings, metadata and defaults come from before the authorization, and the record is the same one."""
    owner = str(USERS[1].id)
    await vault.post(ONE, json={"settings": {"owner_id": owner}, "metadata": {"plan": "pro"}})
    vault.clock.advance(60)

    await vault.connect()

    connection = await vault.connection()
    assert connection["settings"]["owner_id"] == owner
    assert connection["metadata"] == {"plan": "pro"}
    assert connection["created_at"] == vault.clock.now() - 60_000
    assert (await vault.events())[:4] == ["created", "updated", "updated", "callable"]


async def test_options_of_the_account_are_in_the_form_afterwards(vault: Deployment) -> None:
    """A select whose options the account knows is shown as not to be filled in until then."""

    async def owner() -> dict[str, Any]:
        return next(f for f in (await vault.connection())["form_fields"] if f["id"] == "owner_id")

    before = await owner()
    await vault.connect()

    after = await owner()
    assert (before["disabled"], before["options"]) == (True, [])
    assert (after["disabled"], len(after["options"])) == (False, len(USERS))
    assert all(option["option_type"] == "simple" for option in after["options"])


async def test_authorizing_again_replaces_the_grant(vault: Deployment) -> None:
    """The connection is announced as callable again, and the newer grant is the one in use."""
    await vault.connect()
    before = len(await vault.events())
    vault.clock.advance(60)

    await vault.connect()

    assert (await vault.connection())["state"] == "callable"
    assert (await vault.events())[before:][:2] == ["updated", "callable"]
    vault.provider.ledger.grants[0].ended = True
    assert (await vault.get(f"{ONE}/leads/custom-fields")).status == 200


async def test_opening_the_link_adds_nothing(vault: Deployment) -> None:
    """Who looks at the consent page and leaves has added no connection."""
    await begin(vault)

    assert (await vault.connection())["state"] == "available"
    assert await vault.events() == []


async def test_a_redirect_uri_goes_with_or_without_encoding(vault: Deployment) -> None:
    """Browser components append it as it stands."""
    link = (await vault.connection())["authorize_url"]

    for redirect_uri in (RETURN_TO, quote(RETURN_TO, safe="")):
        page = await (await vault.browser().visit(f"{link}&redirect_uri={redirect_uri}", initiator=RETURN_TO)).allow()
        assert page.url == RETURN_TO


@pytest.mark.parametrize(
    "scope", ["leads:read users:read", '["leads:read","users:read"]'], ids=["by spaces", "as a JSON list"]
)
async def test_scopes_are_read_as_clients_write_them(vault: Deployment, scope: str) -> None:
    """One parameter, the values joined by spaces; or the list as JSON, as the API's own example has it."""
    begun = await begin(vault, scope=scope)

    assert begun.asked["scope"] == "leads:read users:read"


@pytest.mark.parametrize("scope", ['["admin"]', '["leads:read', '[["leads:read"]]', "[1]"])
async def test_a_list_of_scopes_lets_no_more_be_asked_for(vault: Deployment, scope: str) -> None:
    """What the integration does not have, or what is no list of words, is refused as ever."""
    reply = await vault.open(await vault.authorize_url(scope=scope))

    assert reply.parameters["error_type"] == "RequestValidationError"
    assert reply.location.startswith(RETURN_TO)


async def test_a_refusal_names_where_it_came_from(vault: Deployment) -> None:
    """The product reads what happened in the query of its own page."""
    begun, callback = await came_back(vault)
    vault.network.fail_next("refused")

    reply = await vault.open(callback, cookie=begun.cookie)

    assert (reply.status, reply.location.partition("?")[0]) == (301, RETURN_TO)
    told = reply.parameters
    assert (told["error_type"], told["origin"]) == ("OAuthCodeExchangeError", "callback")
    assert (told["service_id"], told["application_id"]) == ("sandbox-crm", vault.application_id)
    assert told["ref"].endswith("#oauthcodeexchangeerror")
    assert told["error_message"]


@pytest.mark.parametrize(
    ("id", "api", "captured"),
    [
        ("quickbooks", "accounting", {"realm_id"}),
        ("salesforce", "crm", {"instance_url"}),
        ("zoho-crm", "crm", {"accounts_server", "api_domain"}),
        ("pipedrive", "crm", {"api_domain"}),
    ],
)
async def test_what_a_service_tells_beside_its_token_is_filled_in(
    vault: Deployment, id: str, api: str, captured: set[str]
) -> None:
    """The host or company that calls go to comes from the redirect or from the token answer, into hidden fields."""
    account = await open_account(vault, id, api)
    await account.fill_in()

    page = await account.authorize()

    connection = await account.told()
    hidden = {field["id"]: field["value"] for field in connection["form_fields"] if field["hidden"]}
    assert (page.url, connection["state"]) == (RETURN_TO, "callable")
    assert captured <= hidden.keys()
    assert {name: hidden[name] for name in captured} == {name: account.example.settings[name] for name in captured}
    assert captured <= connection["settings"].keys()


async def test_one_choice_is_made_and_several_are_offered(vault: Deployment) -> None:
    """An organisation that is the only one needs no question."""
    books = await open_account(vault, "xero", "accounting")

    await books.authorize()

    connection = await books.told()
    assert (connection["state"], connection["settings"]) == ("callable", {"tenant_id": "choice-1"})


async def test_an_import_makes_a_connection(vault: Deployment) -> None:
    """Callable from the first moment, without a browser; its metadata come with it."""
    account = await open_account(vault, "pipedrive", "crm")

    reply = await account.take_over(metadata={"company_id": "4711"})

    assert (reply.status, reply.body["status_code"]) == (200, 201)
    assert (reply.data["state"], reply.data["enabled"]) == ("callable", True)
    assert reply.data["metadata"] == {"company_id": "4711"}
    assert await account.events() == ["created", "updated", "callable"]


async def test_an_import_overwrites_the_grant(vault: Deployment) -> None:
    """And nothing else of the connection."""
    account = await open_account(vault, "pipedrive", "crm")
    await account.connect()
    await account.patch(metadata={"plan": "pro"})
    created_at = (await account.told())["created_at"]
    vault.clock.advance(60)

    reply = await account.take_over()

    assert (reply.data["created_at"], reply.data["metadata"]) == (created_at, {"plan": "pro"})
    account.provider.ledger.grants[0].ended = True
    assert (await vault.get(f"{account.path}/leads/custom-fields")).status == 200


async def test_an_import_of_an_api_key_is_its_settings(vault: Deployment) -> None:
    """The key goes where the form would put it."""
    account: Account = await open_account(vault, "activecampaign", "crm")

    reply = await vault.post(f"{account.path}/import", json={"settings": account.typed})

    assert (reply.data["state"], account.typed["api_key"] in reply.text) == ("callable", False)


@pytest.mark.parametrize("body", [{}, {"json": {}}])
async def test_an_import_of_nothing_adds_the_connection(vault: Deployment, body: dict[str, Any]) -> None:
    """It waits for its consumer, as one that was created."""
    reply = await vault.post(f"{ONE}/import", **body)

    assert (reply.status, reply.data["state"], reply.data["enabled"]) == (200, "added", True)


async def test_a_confirmed_connection_is_callable(vault: Deployment) -> None:
    """Nonce out, token back, confirmation: the state in between says what is missing."""
    link = (await vault.connection())["authorize_url"]
    page = await (await vault.browser().visit(f"{link}&nonce=5f0c&redirect_uri={PUBLIC_URL}/oauth/callback")).allow()
    waiting = await vault.connection()

    reply = await vault.post(f"{ONE}/confirm", json={"confirm_token": page.query["confirm_token"]})

    assert (page.query["nonce"], page.query["service_id"]) == ("5f0c", "sandbox-crm")
    assert (waiting["state"], waiting["health"]) == ("authorized", "pending_confirmation")
    assert (reply.status, reply.body) == (200, {"status_code": 200, "status": "OK", "data": {"confirmed": True}})
    assert ((await vault.connection())["state"], (await vault.connection())["health"]) == ("callable", "ok")
    assert (await vault.events())[:2] == ["created", "updated"]
    assert "callable" in await vault.events()
