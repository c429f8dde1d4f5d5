"""connectionsAdd and connectionsUpdate: what a caller may set, and what becomes of the connection."""

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


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"body": b"", "headers": {"content-type": "application/json"}}])
async def test_a_connection_is_added_by_an_empty_body(vault: Deployment, body: dict[str, Any]) -> None:
    """It is enabled, and it waits for its consumer. HTTP says 200 and the body 201, as clients expect."""
    reply = await vault.post(ONE, **body)

    assert (reply.status, reply.body["status_code"]) == (200, 201)
    assert (reply.data["state"], reply.data["health"], reply.data["enabled"]) == ("added", "needs_auth", True)
    assert (reply.data["settings"], reply.data["metadata"]) == ({}, {})
    assert (reply.data["created_at"], reply.data["updated_at"]) == (vault.clock.now(), None)
    assert await vault.events() == ["created"]


async def test_a_patch_adds_what_is_not_there(vault: Deployment) -> None:
    """Published components add a connection by switching it on."""
    reply = await vault.patch(ONE, json={"enabled": True})

    assert (reply.status, reply.body["status_code"], reply.data["state"]) == (200, 200, "added")
    assert await vault.events() == ["created"]


async def test_an_api_key_makes_a_connection_callable_at_once(campaign: Account) -> None:
    """The key is a setting; it is tried, kept, and shown to nobody again."""
    reply = await campaign.vault.post(campaign.path, json={"settings": campaign.typed, "metadata": {"plan": "pro"}})

    fields = {field["id"]: field["value"] for field in reply.data["form_fields"]}
    assert (reply.data["state"], reply.data["health"]) == ("callable", "ok")
    assert reply.data["settings"] == {"base_url": campaign.typed["base_url"]}
    assert fields["base_url"] == campaign.typed["base_url"]
    assert campaign.typed["api_key"] not in reply.text
    assert reply.data["metadata"] == {"plan": "pro"}
    assert await campaign.events() == ["created", "updated", "callable"]


async def test_what_is_added_again_is_updated(campaign: Account) -> None:
    """Another create does not lose what the first one brought."""
    await campaign.vault.post(campaign.path, json={"settings": campaign.typed, "metadata": {"plan": "pro"}})

    reply = await campaign.vault.post(campaign.path, json={"metadata": {"seats": 5}})

    assert (reply.status, reply.data["state"]) == (200, "callable")
    assert reply.data["metadata"] == {"plan": "pro", "seats": 5}
    assert await campaign.events() == ["created", "updated", "callable", "updated"]


async def test_a_connection_can_be_added_switched_off(campaign: Account) -> None:
    """Its credentials are kept for later."""
    reply = await campaign.vault.post(campaign.path, json={"enabled": False, "settings": campaign.typed})

    assert (reply.data["enabled"], reply.data["state"]) == (False, "authorized")
    assert (await campaign.patch(enabled=True)).data["state"] == "callable"
    assert (await campaign.events())[-2:] == ["updated", "callable"]


async def test_a_connection_that_nothing_must_be_proven_for_is_callable_when_it_is_filled_in(vault: Deployment) -> None:
    """Without a credential, what is missing can only be a setting."""
    chat = await open_account(vault, "crisp", "script")

    added = await vault.post(chat.path)
    filled = await chat.fill_in()

    assert (added.data["state"], added.data["health"]) == ("authorized", "missing_settings")
    assert (filled.data["state"], filled.data["health"]) == ("callable", "ok")
    assert await vault.events() == ["created", "updated", "callable"]


async def test_a_form_is_filled_in_step_by_step(campaign: Account) -> None:
    """A setting that is not sent keeps its value; the last one that is missing makes the connection callable."""
    first = await campaign.patch(settings={"base_url": campaign.typed["base_url"]})
    campaign.vault.clock.advance(1)
    second = await campaign.patch(settings={"api_key": campaign.typed["api_key"]})

    assert (first.data["state"], first.data["health"]) == ("added", "missing_settings")
    assert (second.data["state"], second.data["settings"]) == ("callable", {"base_url": campaign.typed["base_url"]})
    assert second.data["updated_at"] == second.data["created_at"] + 1000
    assert await campaign.events() == ["created", "updated", "updated", "callable"]


@pytest.mark.parametrize("nothing", [None, ""])
async def test_a_setting_can_be_taken_away(campaign: Account, nothing: str | None) -> None:
    """Null or the empty text clears one, which is then missing; others stay."""
    await campaign.connect()

    reply = await campaign.patch(settings={"api_key": nothing})

    assert (reply.data["state"], reply.data["health"]) == ("added", "missing_settings")
    assert reply.data["settings"] == {"base_url": campaign.typed["base_url"]}


async def test_a_setting_that_the_form_does_not_have_is_kept(campaign: Account) -> None:
    """Products store what they need beside the form."""
    await campaign.connect()

    reply = await campaign.patch(settings={"pipeline": "b2b"})

    assert reply.data["settings"] == {"base_url": campaign.typed["base_url"], "pipeline": "b2b"}
    assert "pipeline" not in [field["id"] for field in reply.data["form_fields"]]


async def test_metadata_is_merged_by_key(vault: Deployment) -> None:
    """`{}` changes nothing, because some clients send it after losing the keys; null clears."""
    await vault.patch(ONE, json={"metadata": {"plan": "pro", "tags": ["a", {"b": 1}]}})

    merged = await vault.patch(ONE, json={"metadata": {"plan": "team", "seats": 5}})
    unchanged = await vault.patch(ONE, json={"metadata": {}})
    cleared = await vault.patch(ONE, json={"metadata": None})

    assert merged.data["metadata"] == {"plan": "team", "tags": ["a", {"b": 1}], "seats": 5}
    assert unchanged.data["metadata"] == merged.data["metadata"]
    assert cleared.data["metadata"] == {}


async def test_the_company_in_the_metadata_stays(vault: Deployment) -> None:
    """It names the account that a connection leads to, and is not a note of the product's."""
    await vault.patch(ONE, json={"metadata": {"company_id": "4711"}})

    await vault.patch(ONE, json={"metadata": {"company_id": "4712", "plan": "pro"}})
    cleared = await vault.patch(ONE, json={"metadata": None})

    assert cleared.data["metadata"] == {"company_id": "4711"}


async def test_defaults_of_several_resources_are_set_at_once(campaign: Account) -> None:
    """Those of a resource that is named are replaced, those of others stay."""
    await campaign.connect()

    def defaults(resource: str, **values: Any) -> dict[str, Any]:
        return {"resource": resource, "defaults": [{"id": id, "value": value} for id, value in values.items()]}

    await campaign.patch(
        configuration=[defaults("opportunities", currency="EUR", owner_id=7), defaults("leads", a=True)]
    )
    reply = await campaign.patch(configuration=[defaults("opportunities", currency="SEK")])

    told = {item["resource"]: item["defaults"] for item in reply.data["configuration"]}
    assert told == {
        "opportunities": [{"id": "currency", "value": "SEK", "target": "resource"}],
        "leads": [{"id": "a", "value": True, "target": "resource"}],
    }


async def test_a_connection_is_switched_off_and_on(campaign: Account) -> None:
    """Off, it keeps its credentials and is not called; on again, it is as it was."""
    await campaign.connect()

    off = await campaign.patch(enabled=False)
    again = await campaign.patch(enabled=False)
    on = await campaign.patch(enabled=True)

    assert (off.data["state"], off.data["health"], off.data["enabled"]) == ("authorized", "ok", False)
    assert again.data["updated_at"] == off.data["updated_at"]
    assert (on.data["state"], on.data["enabled"]) == ("callable", True)
    assert await campaign.events() == ["created", "updated", "callable", "updated", "disabled", "updated", "callable"]


async def test_what_is_read_can_be_sent_back(campaign: Account) -> None:
    """Clients change one member of what they got and send all of it; the rest is as before."""
    await campaign.connect()
    await campaign.patch(
        configuration=[{"resource": "opportunities", "defaults": [{"id": "currency", "value": "EUR"}]}]
    )
    read = await campaign.told()

    reply = await campaign.patch(**{**read, "enabled": False})

    unlike = {name for name in read if reply.data[name] != read[name]}
    assert unlike == {"enabled", "state"}
    assert (await campaign.patch(**{**reply.data, "enabled": True})).data["state"] == "callable"


async def test_a_patch_that_changes_nothing_is_no_change(campaign: Account) -> None:
    """No event, and no other time of change; it adds the connection all the same."""
    added = await campaign.patch()
    campaign.vault.clock.advance(60)

    again = await campaign.patch()

    assert added.data["state"] == "added"
    assert again.data["updated_at"] is None
    assert await campaign.events() == ["created"]


async def test_a_setting_that_is_missing_after_authorizing_is_asked_for(vault: Deployment) -> None:
    """Authorized, and not yet callable: the consumer picks one of several organisations."""
    books = await open_account(vault, "xero", "accounting")
    with books.provider.behave("api", fail(500)):
        await books.take_over()
    waiting = await books.told()

    picked = await books.patch(settings={"tenant_id": "5c1f"})

    assert (waiting["state"], waiting["health"]) == ("authorized", "missing_settings")
    assert (picked.data["state"], picked.data["health"]) == ("callable", "ok")
    assert await vault.events() == ["created", "updated", "updated", "callable"]
