"""Credentials are tried: new settings when they are sent, all others by validateConnectionState."""

from __future__ import annotations

from typing import Any

import pytest
from accounts import Account, open_account

from holdfast.testing.harness import Deployment
from holdfast.testing.provider import fail

ONE = "/vault/connections/crm/sandbox-crm"


@pytest.fixture
async def campaign(vault: Deployment) -> Account:
    """An account at a service that takes an API key and can be asked whether it works."""
    return await open_account(vault, "activecampaign", "crm")


async def test_a_key_that_the_service_refuses_makes_the_connection_invalid(campaign: Account) -> None:
    """An answer like any other, whose state tells the form what to show."""
    reply = await campaign.fill_in(api_key="c41d8cd9")

    assert (reply.status, reply.data["state"], reply.data["health"]) == (200, "invalid", "needs_auth")
    assert await campaign.events() == ["created", "updated"]


async def test_a_right_key_puts_it_right(campaign: Account) -> None:
    """Callable, and back to invalid with the next wrong one."""
    await campaign.fill_in(api_key="c41d8cd9")

    right = await campaign.fill_in()
    wrong = await campaign.fill_in(api_key="c41d8cd9")

    assert (right.data["state"], wrong.data["state"]) == ("callable", "invalid")
    assert await campaign.events() == ["created", "updated", "updated", "callable", "updated"]


async def test_an_import_puts_it_right(campaign: Account) -> None:
    """What was found against the old key says nothing of the one that another system vouches for."""
    await campaign.fill_in(api_key="c41d8cd9")

    reply = await campaign.vault.post(f"{campaign.path}/import", json={"settings": campaign.typed})

    assert (reply.status, reply.data["state"], reply.data["health"]) == (200, "callable", "ok")


async def test_only_new_settings_are_tried(campaign: Account) -> None:
    """Neither metadata, nor the same form again, nor switching on is a reason to call the service."""
    await campaign.connect()
    asked = len(campaign.provider.received)

    await campaign.patch(metadata={"plan": "pro"})
    await campaign.fill_in()
    await campaign.patch(enabled=False)
    await campaign.patch(enabled=True)

    assert asked == 1
    assert len(campaign.provider.received) == asked


async def test_a_service_that_cannot_be_reached_says_nothing_against_a_key(campaign: Account) -> None:
    """What nobody could try is believed for now."""
    campaign.vault.network.fail_next("timeout")

    reply = await campaign.fill_in()

    assert (reply.status, reply.data["state"]) == (200, "callable")


async def test_a_form_that_is_not_complete_is_not_tried(campaign: Account) -> None:
    """There is nothing to try yet."""
    await campaign.patch(settings={"base_url": campaign.typed["base_url"]})

    assert campaign.provider.received == []


@pytest.mark.parametrize("body", [{}, {"json": {}}])
async def test_a_key_is_tried_on_demand(campaign: Account, body: dict[str, Any]) -> None:
    """The answer is the state that came of it: a key that was withdrawn is found out, and so is one that is back."""
    await campaign.connect()
    works = await campaign.vault.post(f"{campaign.path}/validate", **body)
    with campaign.provider.behave("api", fail(401)):
        withdrawn = await campaign.vault.post(f"{campaign.path}/validate", **body)
    back = await campaign.vault.post(f"{campaign.path}/validate", **body)

    assert (works.status, works.data) == (200, {"id": "crm+activecampaign", "state": "callable"})
    assert [withdrawn.data["state"], back.data["state"]] == ["invalid", "callable"]


async def test_a_token_is_refreshed_on_demand(vault: Deployment) -> None:
    """However long it would have lived; the new one is in use."""
    await vault.connect()

    reply = await vault.post(f"{ONE}/validate")

    assert reply.data == {"id": "crm+sandbox-crm", "state": "callable"}
    assert vault.provider.calls["token:refresh_token"] == 1
    assert (await vault.get(f"{ONE}/leads/custom-fields")).status == 200


async def test_a_grant_that_is_gone_is_found_out(vault: Deployment) -> None:
    """401 with the provider's word; the connection keeps its credentials for two days, and says so."""
    await vault.connect()
    vault.provider.withdraw()

    reply = await vault.post(f"{ONE}/validate")

    connection = await vault.connection()
    assert (reply.status, reply.body["type_name"]) == (401, "OAuthConnectorError")
    assert (connection["state"], connection["health"]) == ("callable", "pending_refresh")
    assert connection["last_refresh_failed_at"] == vault.clock.now()
    assert connection["credentials_expire_at"] == vault.clock.now() + 48 * 3600 * 1000
    assert (await vault.events())[-1] == "token_refresh.pending"


@pytest.mark.parametrize("added", [False, True])
async def test_without_credentials_there_is_nothing_to_try(vault: Deployment, added: bool) -> None:
    """The state is told as it is."""
    if added:
        await vault.post(ONE)

    reply = await vault.post(f"{ONE}/validate")

    assert (reply.status, reply.data["state"]) == (200, "added" if added else "available")
    assert vault.network.requests == []
