"""A state for products that send their customer to the provider themselves: no cookie, but the product's key."""

from __future__ import annotations

from typing import Any

import pytest
from dance import changed
from nodes import another_node
from traces import traces

from holdfast.domain.credential import Secret
from holdfast.testing.harness import CLIENT_ID, PROVIDER_URL, RETURN_TO, SERVICE, Deployment
from holdfast.testing.provider.ledger import Grant
from holdfast.usecases import manage

PATH = f"/vault/connections/crm/{SERVICE}"


async def delegate(vault: Deployment, **options: Any) -> str:
    reply = await vault.post(f"{PATH}/callback-state", **options)
    assert reply.status == 200, reply.text
    return str(reply.data["state"])


def callback(vault: Deployment, state: str) -> str:
    """The callback of somebody whom the product has sent to the provider, without PKCE, and who has consented."""
    redirect_uri = vault.provider.clients[CLIENT_ID].redirect_uris[0]
    grant = Grant(CLIENT_ID, vault.provider.users[0], ("leads:read", "users:read", "pipelines:read"))
    code = vault.provider.ledger.code(grant, redirect_uri, None)
    return changed(redirect_uri, state=state, code=code, iss=PROVIDER_URL)


async def test_a_delegated_state_needs_no_cookie_and_serves_once(vault: Deployment) -> None:
    """The product answers for who comes back, so any browser, or the product's own server, may open the callback."""
    url = callback(vault, await delegate(vault))

    first = await vault.open(url)
    second = await vault.open(url)
    async with another_node(vault) as restarted:
        third = await restarted.open(url)

    assert first.location == RETURN_TO
    assert (await vault.connection())["state"] == "callable"
    assert [second.status, third.status] == [400, 400]
    assert vault.provider.calls["token"] == 1


async def test_it_connects_the_consumer_for_whom_it_was_made(vault: Deployment) -> None:
    """The state stands for the consumer of the call that made it, whoever opens the callback."""
    await vault.open(callback(vault, await delegate(vault, consumer="user-2")))

    assert (await vault.connection(consumer="user-2"))["state"] == "callable"
    assert (await vault.connection())["state"] == "available"


async def test_it_expires(vault: Deployment) -> None:
    """After half an hour."""
    state = await delegate(vault)
    vault.clock.advance(30 * 60)

    assert (await vault.open(callback(vault, state))).status == 400
    assert vault.provider.calls["token"] == 0


async def test_a_state_of_another_application_does_not_fit_this_callback(vault: Deployment) -> None:
    """Connectors outside the shipped catalogue have a callback for each application."""
    other, key = await manage.create_application(vault.vault, "Other", (RETURN_TO,))
    client = manage.IntegrationChange(client_id="x", client_secret=Secret("y"))
    await manage.put_integration(vault.vault, other.id, "crm", SERVICE, client)
    theirs = await delegate(vault, headers={"x-apideck-app-id": other.id, "authorization": f"Bearer {key}"})

    assert (await vault.open(callback(vault, theirs))).status == 400
    assert vault.provider.calls["token"] == 0


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"redirect_uri": "https://evil.example/"}, 400),
        ({"redirect_uri": RETURN_TO + "/"}, 400),
        ({"redirect_uri": 7}, 400),
        ({"redirect_uri": RETURN_TO}, 200),
        ({}, 200),
    ],
)
async def test_it_ends_at_a_registered_address(vault: Deployment, sent: dict[str, Any], status: int) -> None:
    """Named when the state is made, so that no URL of the provider can change it."""
    reply = await vault.post(f"{PATH}/callback-state", json=sent)

    assert reply.status == status


async def test_only_a_key_makes_one(vault: Deployment) -> None:
    """It replaces the browser's cookie, so it is worth as much as the key."""
    before = await traces(vault)

    reply = await vault.post(f"{PATH}/callback-state", headers={"authorization": None})

    assert reply.status == 401
    assert await traces(vault) == before


async def test_a_connector_without_a_consent_page_has_none(vault: Deployment) -> None:
    """There is nothing to come back from."""
    path = f"/applications/{vault.application_id}/integrations/crm/activecampaign"
    assert (await vault.manage("PUT", path, json={})).status == 200

    reply = await vault.post("/vault/connections/crm/activecampaign/callback-state")

    assert (reply.status, reply.body["type_name"]) == (422, "InvalidStateError")
