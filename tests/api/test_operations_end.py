"""connectionsDelete and connectionsRevoke: an end here, and an end at the provider."""

from __future__ import annotations

import pytest
from accounts import open_account

from holdfast.testing.harness import RETURN_TO, Deployment
from holdfast.testing.provider import fail

ONE = "/vault/connections/crm/sandbox-crm"


async def revoke(vault: Deployment) -> str:
    """Opens the connection's revoke link; gives where it led."""
    link = (await vault.connection())["revoke_url"]
    reply = await vault.open(f"{link}&redirect_uri={RETURN_TO}")
    assert reply.status == 301, reply.text
    return reply.location


async def test_a_deleted_connection_is_available_again(vault: Deployment) -> None:
    """204 without a body; nothing is left of settings and metadata, and the grant has ended."""
    await vault.connect()
    await vault.patch(ONE, json={"metadata": {"plan": "pro"}, "settings": {"owner_id": "17"}})

    reply = await vault.delete(ONE)

    connection = await vault.connection()
    assert (reply.status, reply.text) == (204, "")
    assert (connection["state"], connection["enabled"], connection["revoke_url"]) == ("available", False, None)
    assert not {"settings", "metadata", "created_at", "configuration", "health"} & connection.keys()
    assert all(grant.ended for grant in vault.provider.ledger.grants)
    assert (await vault.events())[-1] == "deleted"


async def test_what_is_not_there_cannot_be_deleted(vault: Deployment) -> None:
    """404, the second time too."""
    await vault.post(ONE)
    assert (await vault.delete(ONE)).status == 204

    reply = await vault.delete(ONE)

    assert (reply.status, reply.body["type_name"]) == (404, "ConnectionNotFoundError")
    assert await vault.events() == ["created", "deleted"]


async def test_a_deletion_does_not_wait_for_the_provider(vault: Deployment) -> None:
    """It is gone here, whatever the provider says; the revocation is tried again later."""
    await vault.connect()
    with vault.provider.behave("revoke", fail(503)):
        assert (await vault.delete(ONE)).status == 204

    assert (await vault.connection())["state"] == "available"
    assert vault.provider.calls["revoke"] >= 1


async def test_a_deleted_connection_can_be_made_anew(vault: Deployment) -> None:
    """Nothing of the old one comes back."""
    await vault.connect()
    await vault.patch(ONE, json={"metadata": {"plan": "pro"}})
    await vault.delete(ONE)

    await vault.connect()

    connection = await vault.connection()
    assert (connection["state"], connection["metadata"]) == ("callable", {})


async def test_an_api_key_connection_is_deleted_without_a_word_to_anybody(vault: Deployment) -> None:
    """There is no grant that could be ended."""
    campaign = await open_account(vault, "activecampaign", "crm")
    await campaign.connect()
    asked = len(vault.network.requests)

    assert (await vault.delete(campaign.path)).status == 204

    assert (await campaign.told())["state"] == "available"
    assert len(vault.network.requests) == asked


async def test_a_revocation_ends_the_grant_and_keeps_the_form(vault: Deployment) -> None:
    """The consumer comes back exactly to where the product said; what she has filled in is still there."""
    await vault.connect()
    await vault.patch(ONE, json={"settings": {"owner_id": "18204412"}, "metadata": {"plan": "pro"}})

    location = await revoke(vault)

    connection = await vault.connection()
    assert location == RETURN_TO
    assert (connection["state"], connection["health"], connection["enabled"]) == ("added", "revoked", True)
    assert connection["revoke_url"] is None
    assert connection["authorize_url"]
    assert (connection["settings"]["owner_id"], connection["metadata"]) == ("18204412", {"plan": "pro"})
    assert all(grant.ended for grant in vault.provider.ledger.grants)
    assert (await vault.events())[-2:] == ["updated", "revoked"]


async def test_after_a_revocation_the_account_can_be_authorized_again(vault: Deployment) -> None:
    """The connection is the same one, and healthy."""
    await vault.connect()
    created_at = (await vault.connection())["created_at"]
    await revoke(vault)
    vault.clock.advance(3600)

    await vault.connect()

    connection = await vault.connection()
    assert (connection["state"], connection["health"]) == ("callable", "ok")
    assert connection["created_at"] == created_at
    assert (await vault.events())[-2:] == ["updated", "callable"]


async def test_a_revocation_that_the_provider_does_not_hear_is_one_here(vault: Deployment) -> None:
    """The consumer has said that it ends; `revoked` is announced when the provider knows, too."""
    await vault.connect()
    with vault.provider.behave("revoke", fail(503)):
        assert await revoke(vault) == RETURN_TO

    assert ((await vault.connection())["state"], "revoked" in await vault.events()) == ("added", False)


@pytest.mark.parametrize("path", ["", "/import", "/token"])
async def test_an_unknown_connector_cannot_be_deleted_or_changed(vault: Deployment, path: str) -> None:
    """The error names what was not found."""
    one = f"/vault/connections/crm/nobody-knows{path}"
    reply = await (vault.post(one, json={}) if path else vault.delete(one))

    assert (reply.status, reply.body["type_name"]) == (404, "ConnectorNotFoundError")
    assert reply.body["detail"] == {"not_found": {"entity": "connector", "id": "crm+nobody-knows"}}
