"""A running vault whose keys are replaced: what was made under the former ones works until those are taken away."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from dance import came_back
from nodes import another_node
from turning import INSTANCE, add_data_key

from holdfast import wiring
from holdfast.store.seal.keyring import FOLLOW_EVERY
from holdfast.store.seal.masterkey import GivenKeys
from holdfast.testing.harness import CLIENT_ID, PUBLIC_URL, RETURN_TO, SERVICE, Deployment
from holdfast.usecases import manage

PATH = f"/vault/connections/crm/{SERVICE}"
CALLBACK_PAGE = f"{PUBLIC_URL}/oauth/callback"


async def turn(vault: Deployment, owner: str) -> str:
    """Gives `owner`, an application or the instance, a new key that is active at once; the node learns of it."""
    masters = GivenKeys.read(vault.settings.data_dir / wiring.MASTER_KEY_FILE)
    added = await add_data_key(vault.vault.store.q, masters, owner, vault.clock.now())
    await vault.vault.store.keyring.follow()
    return added


async def take_away(vault: Deployment, owner: str, kept: str) -> None:
    """Takes every key of `owner` away but one."""
    statement = "DELETE FROM data_keys WHERE application_id = :owner AND key_id <> :kept"
    assert await vault.vault.store.q.run(statement, owner=owner, kept=kept) == 1
    await vault.vault.store.keyring.follow()


async def new_key(vault: Deployment) -> str:
    made = await manage.create_key(vault.vault, vault.application_id, ("connections",))
    assert isinstance(made.api_key, str)
    return made.api_key


async def test_api_keys_outlive_a_turn_of_the_instance_key(vault: Deployment) -> None:
    """An old key works on every node, a new one names the new instance key, and neither needs the other's."""
    added = await turn(vault, INSTANCE)
    text = await new_key(vault)
    new = replace(vault, api_key=text)
    rows = await vault.vault.store.q.all("SELECT mac_key_id FROM api_keys ORDER BY created_at, id")

    async with another_node(vault) as restarted:
        old_and_new = [await restarted.get(PATH), await replace(restarted, api_key=text).get(PATH)]
    here = [await vault.get(PATH), await new.get(PATH)]
    vault.clock.advance(2)
    await take_away(vault, INSTANCE, added)

    assert [reply.status for reply in old_and_new + here] == [200] * 4
    assert [row["mac_key_id"] == added for row in rows].count(True) == 1
    assert [(await vault.get(PATH)).status, (await new.get(PATH)).status] == [401, 200]


async def test_a_browser_s_steps_outlive_a_turn_of_the_instance_key(vault: Deployment) -> None:
    """A link, a flow with its cookie, and a confirm token that were made before lead on afterwards."""
    link = await vault.authorize_url(consumer="user-2")
    begun, callback = await came_back(vault, consumer="user-3")
    token = (await vault.connect(nonce="5f0c", redirect_uri=CALLBACK_PAGE)).query["confirm_token"]
    await turn(vault, INSTANCE)

    opened = await (await vault.browser().visit(link, initiator=RETURN_TO)).allow()
    ended = await vault.open(callback, cookie=begun.cookie)
    confirmed = await vault.post(f"{PATH}/confirm", json={"confirm_token": token})

    assert opened.url == ended.location == RETURN_TO
    assert confirmed.status == 200
    states = [(await vault.connection(consumer=f"user-{n}"))["state"] for n in (1, 2, 3)]
    assert states == ["callable"] * 3


async def test_a_cookie_of_another_key_ends_no_flow(vault: Deployment) -> None:
    """The browser's binding is compared under the key that the flow was begun with, so another browser is refused."""
    begun, callback = await came_back(vault)
    await turn(vault, INSTANCE)
    name = begun.cookie.partition("=")[0]

    assert (await vault.open(callback, cookie=f"{name}=somebody-else")).status == 400
    assert (await vault.open(callback, cookie=begun.cookie)).location == RETURN_TO


async def test_nothing_of_a_key_that_is_gone_is_recognised(vault: Deployment) -> None:
    """Links, flows and confirm tokens made under an instance key end with it."""
    link = await vault.authorize_url()
    begun, callback = await came_back(vault)
    token = (await vault.connect(nonce="5f0c", redirect_uri=CALLBACK_PAGE)).query["confirm_token"]
    await take_away(vault, INSTANCE, await turn(vault, INSTANCE))
    vault.api_key = await new_key(vault)

    assert (await vault.open(link)).parameters["error_type"] == "OAuthInvalidStateError"
    assert (await vault.open(callback, cookie=begun.cookie)).status == 400
    assert (await vault.post(f"{PATH}/confirm", json={"confirm_token": token})).status == 404
    assert vault.network.requests == []


async def test_redirect_uris_outlive_a_turn_of_the_instance_key(vault: Deployment) -> None:
    """What an operator registered at a provider stays right: no key is in it."""
    registered = vault.provider.clients[CLIENT_ID].redirect_uris[0]
    await take_away(vault, INSTANCE, await turn(vault, INSTANCE))
    found = await manage.one_integration(vault.vault, vault.application_id, "crm", SERVICE)

    assert found.redirect_uri == registered


@pytest.mark.parametrize("warm", [True, False])
async def test_an_application_outlives_a_turn_of_its_data_key(vault: Deployment, warm: bool) -> None:
    """A node that has the former key in memory uses what another one sealed under the new key, and the reverse."""
    begun, callback = await came_back(vault)
    await turn(vault, vault.application_id)
    async with another_node(vault) as restarted:
        ended = await restarted.open(callback, cookie=begun.cookie)
        other, there = await came_back(restarted, consumer="user-3")
        page = await restarted.connect(consumer="user-2", nonce="5f0c", redirect_uri=CALLBACK_PAGE)
        await restarted.manage("PUT", _integration(vault), json={"scopes": ["leads:read"]})
    if not warm:
        vault.vault.store.keyring._boxes.clear()
    here = await vault.open(there, cookie=other.cookie)
    vault.clock.advance(2)

    confirm = {"confirm_token": page.query["confirm_token"]}
    assert ended.location == here.location == RETURN_TO
    assert (await vault.get("/vault/connections")).data != []
    assert (await vault.post(f"{PATH}/confirm", json=confirm, consumer="user-2")).status == 200


def _integration(vault: Deployment) -> str:
    return f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"


async def test_a_running_vault_learns_of_a_new_instance_key_by_itself(vault: Deployment) -> None:
    """It looks for one; nobody has to restart a node."""
    masters = GivenKeys.read(vault.settings.data_dir / wiring.MASTER_KEY_FILE)
    added = await add_data_key(vault.vault.store.q, masters, INSTANCE, vault.clock.now())
    following = asyncio.create_task(vault.vault.store.keyring.keep_following())

    await vault.clock.asleep()
    vault.clock.advance(FOLLOW_EVERY)
    await vault.clock.asleep()
    following.cancel()
    await asyncio.wait([following])

    assert vault.vault.keys.link.current.id == added
