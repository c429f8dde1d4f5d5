"""connectionsAll and connectionsOne: what there is to connect, and how far the consumer has come with it."""

from __future__ import annotations

from typing import Any

import pytest
from accounts import open_account

from holdfast.testing.harness import PUBLIC_URL, Deployment
from holdfast.testing.provider import USERS

ALL, ONE = "/vault/connections", "/vault/connections/crm/sandbox-crm"


async def ids(vault: Deployment, query: str = "") -> list[str]:
    return sorted(connection["id"] for connection in (await vault.get(ALL + query)).data)


async def test_an_integration_that_nobody_has_added_is_available(vault: Deployment) -> None:
    """200, not 404: pages of integrations are built from it, and it says how to begin."""
    reply = await vault.get(ONE)

    connection = reply.data
    assert (reply.status, reply.body["status_code"], reply.body["status"]) == (200, 200, "OK")
    assert (connection["id"], connection["name"], connection["enabled"]) == ("crm+sandbox-crm", "Sandbox CRM", False)
    assert (connection["state"], connection["integration_state"]) == ("available", "configured")
    assert not {"health", "settings", "metadata", "created_at", "updated_at", "configuration"} & connection.keys()
    assert connection["authorize_url"].startswith(
        f"{PUBLIC_URL}/vault/authorize/sandbox-crm/{vault.application_id}?state="
    )
    assert connection["revoke_url"] is None
    assert [field["id"] for field in connection["form_fields"]] == ["company_id", "owner_id"]
    assert connection["configurable_resources"] == connection["resource_settings_support"] == ["leads"]


async def test_looking_at_a_connection_changes_nothing(vault: Deployment) -> None:
    """Browsers ask again whenever their window is looked at: no record, no event, no call to the provider."""
    for _ in range(3):
        await vault.get(ONE)
        await vault.get(ALL)

    assert (await vault.connection())["state"] == "available"
    assert await vault.events() == []
    assert vault.network.requests == []


async def test_a_connected_account_says_so(vault: Deployment) -> None:
    """Callable and healthy, with a link to end it; times are milliseconds since the epoch."""
    await vault.connect()

    connection = await vault.connection()
    assert (connection["state"], connection["health"], connection["enabled"]) == ("callable", "ok", True)
    assert connection["created_at"] == connection["updated_at"] == vault.clock.now()
    assert connection["revoke_url"].startswith(f"{PUBLIC_URL}/vault/revoke/sandbox-crm/{vault.application_id}?state=")
    told = ("credentials_expire_at", "last_refresh_failed_at", "last_downstream_error_at")
    assert [connection[name] for name in told] == [0, 0, 0]
    assert connection["settings"] == {"company_id": str(USERS[0].company_id)}


async def test_the_list_has_every_integration_of_the_application(vault: Deployment) -> None:
    """Added or not; the same service under two APIs is two connections with states of their own."""
    await open_account(vault, "pipedrive", "crm")
    lead = await open_account(vault, "pipedrive", "lead")
    await lead.connect()

    found = {connection["id"]: connection["state"] for connection in (await vault.get(ALL)).data}

    assert found == {"crm+sandbox-crm": "available", "crm+pipedrive": "available", "lead+pipedrive": "callable"}


async def test_the_list_tells_a_connection_as_it_tells_itself(vault: Deployment) -> None:
    """A page may show one from either."""
    await vault.connect()

    [listed] = (await vault.get(ALL)).data
    connection = await vault.connection()
    assert {**listed, "authorize_url": 0, "revoke_url": 0} == {**connection, "authorize_url": 0, "revoke_url": 0}


async def test_the_list_of_one_api(vault: Deployment) -> None:
    """`api` keeps one unified API; one that nobody offers has nothing."""
    await open_account(vault, "pipedrive", "lead")
    await open_account(vault, "xero", "accounting")

    assert await ids(vault, "?api=lead") == ["lead+pipedrive"]
    assert await ids(vault, "?api=crm") == ["crm+sandbox-crm"]
    assert await ids(vault, "?api=ats") == []
    assert len(await ids(vault)) == len(await ids(vault, "?api=")) == 3


@pytest.mark.parametrize("yes", ["true", "True", "TRUE", "1"])
@pytest.mark.parametrize("no", ["false", "False", "0"])
async def test_the_list_of_what_was_added(vault: Deployment, yes: str, no: str) -> None:
    """`configured` tells what the consumer has added from what she has not, as each client spells it."""
    lead = await open_account(vault, "pipedrive", "lead")
    await lead.patch(enabled=True)

    assert await ids(vault, f"?configured={yes}") == ["lead+pipedrive"]
    assert await ids(vault, f"?configured={no}") == ["crm+sandbox-crm"]
    assert await ids(vault, f"?api=crm&configured={yes}") == []


@pytest.mark.parametrize("configured", ["maybe", "2", "null", "true&configured=false"])
async def test_a_filter_that_is_no_truth_value_is_refused(vault: Deployment, configured: str) -> None:
    """Rather than taken for one of the two."""
    reply = await vault.get(f"{ALL}?configured={configured}")

    assert (reply.status, reply.body["type_name"]) == (400, "RequestValidationError")


async def test_an_integration_that_is_switched_off_is_not_offered(vault: Deployment) -> None:
    """Not even to whoever has added it; asked for by name, it says why."""
    await vault.connect()
    path = f"/applications/{vault.application_id}/integrations/crm/sandbox-crm"
    await vault.manage("PUT", path, json={"enabled": False})

    assert await ids(vault) == []
    assert (await vault.connection())["integration_state"] == "disabled"


async def test_consumers_do_not_see_each_other(vault: Deployment) -> None:
    """What one has connected is available to the other."""
    await vault.connect()

    [theirs] = (await vault.get(ALL, consumer="user-2")).data
    assert theirs["state"] == "available"
    assert theirs["revoke_url"] is None


async def test_settings_that_the_link_needs_come_first(vault: Deployment) -> None:
    """Without them there is no link: the form is to be filled in before anybody is sent anywhere."""
    shop = await open_account(vault, "shopify-public-app", "ecommerce")

    before = await shop.told()
    await shop.fill_in()
    after = await shop.told()

    assert before["settings_required_for_authorization"] == ["shop"]
    assert before["authorize_url"] is None
    assert after["authorize_url"].startswith(PUBLIC_URL)
    assert (after["state"], after["health"]) == ("added", "needs_auth")


@pytest.mark.parametrize(
    ("id", "api", "expected"),
    [
        ("crisp", "script", {"auth_type": "none", "validation_support": False}),
        ("activecampaign", "crm", {"auth_type": "apiKey", "validation_support": True}),
        ("twilio", "sms", {"auth_type": "basic"}),
        ("personio", "hris", {"auth_type": "oauth2", "oauth_grant_type": "client_credentials"}),
        ("ceridian-dayforce", "hris", {"auth_type": "oauth2", "oauth_grant_type": "password"}),
    ],
)
async def test_only_a_consent_page_has_links(vault: Deployment, id: str, api: str, expected: dict[str, Any]) -> None:
    """Other kinds of credentials are filled in or exchanged, and their connections have no link to open."""
    account = await open_account(vault, id, api)
    await account.connect()

    connection = await account.told()
    assert {name: connection[name] for name in expected} == expected
    assert (connection["authorize_url"], connection["revoke_url"]) == (None, None)
    assert connection["state"] == "callable"
