"""What a careless provider, a careless operator or many hands at once do to a connection: nothing that lasts."""

from __future__ import annotations

import asyncio

from holdfast.testing.harness import PUBLIC_URL, RETURN_TO, SERVICE, Deployment
from holdfast.testing.provider import RawAnswer, lie, say

ONE = f"/vault/connections/crm/{SERVICE}"


async def test_an_unconfirmed_callback_switches_nothing_on(vault: Deployment) -> None:
    """A connection that its consumer has disabled stays so until somebody confirms."""
    await vault.connect()
    await vault.patch(ONE, json={"enabled": False})
    before = len(await vault.events())
    url = await vault.authorize_url(redirect_uri=f"{PUBLIC_URL}/oauth/callback", nonce="5f0c")

    page = await (await vault.browser().visit(url, initiator=RETURN_TO)).allow()

    assert "confirm_token" in page.query
    assert (await vault.connection())["enabled"] is False
    assert "callable" not in (await vault.events())[before:]


async def test_a_refresh_is_kept_whatever_its_lifetime_looks_like(vault: Deployment) -> None:
    """The old token is spent by then: an unreadable lifetime means an unknown one."""
    await vault.connect()
    for lifetime in ("never", -1, True):
        vault.clock.advance(7200)
        with vault.provider.behave("token:refresh_token", lie(expires_in=lifetime)):
            await vault.post(f"{ONE}/validate")

    assert (await vault.get(f"{ONE}/leads/custom-fields")).status == 200
    assert (await vault.connection())["health"] == "ok"


async def test_half_a_pair_of_surrogates_costs_no_token(vault: Deployment) -> None:
    """A text that was cut inside an emoji is stored and told with a replacement."""
    await vault.connect()
    vault.clock.advance(7200)

    with vault.provider.behave("token:refresh_token", lie(scope="leads \ud83d")):
        used = await vault.get(f"{ONE}/leads/custom-fields")

    assert used.status == 200
    assert (await vault.connection())["state"] == "callable"


async def test_half_a_pair_of_surrogates_costs_no_list(vault: Deployment) -> None:
    """A custom field whose name was cut inside an emoji is told with the others."""
    await vault.connect()
    body = b'{"data": [{"key": "a1", "name": "Region \\ud83d", "edit_flag": true}]}'

    with vault.provider.behave("api:GET /api/v1/leadFields", say(RawAnswer(200, {}, body))):
        listed = await vault.get(f"{ONE}/leads/custom-fields")

    assert (listed.status, [field["id"] for field in listed.data]) == (200, ["a1"])


async def test_an_operator_s_scopes_are_no_templates(vault: Deployment) -> None:
    """They are sent as they were set: braces neither fail nor name a secret."""
    path = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
    await vault.manage("PUT", path, json={"scopes": ["read{x", "{cred.client_secret}"]})

    reply = await vault.open(await vault.authorize_url())

    assert reply.parameters["scope"] == "read{x {cred.client_secret}"
    assert "sandbox-secret" not in reply.location


async def test_a_damaged_row_stays_alone(vault: Deployment) -> None:
    """A connection whose settings do not open needs to be connected again, in the list and by name."""
    await vault.connect()
    await vault.vault.store.q.run("UPDATE connections SET settings = :sealed", sealed=b"HF\x01" + bytes(100))

    listed, named = await vault.get("/vault/connections"), await vault.get(ONE)

    assert [(c["state"], c["health"]) for c in (*listed.data, named.data)] == [("added", "needs_auth")] * 2


async def test_an_empty_configuration_changes_nothing(vault: Deployment) -> None:
    """Two published clients lose the member's content and send an empty object."""
    await vault.connect()
    defaults = [{"id": "pipeline_id", "value": "1", "target": "resource"}]
    await vault.patch(f"{ONE}/leads/config", json={"configuration": [{"resource": "leads", "defaults": defaults}]})

    reply = await vault.patch(f"{ONE}/leads/config", json={})

    assert reply.data["configuration"] == [{"resource": "leads", "defaults": defaults}]


async def test_many_changes_at_once_all_succeed(vault: Deployment) -> None:
    """Writers of one connection wait for each other; none is refused."""
    await vault.connect()

    replies = await asyncio.gather(*(vault.patch(ONE, json={"metadata": {f"k{n}": n}}) for n in range(30)))

    assert {reply.status for reply in replies} == {200}
    assert len((await vault.connection())["metadata"]) == 30


async def test_integrations_set_up_at_once_with_a_cold_key(vault: Deployment) -> None:
    """A data key that is not in memory is read through the transaction that needs it."""
    vault.vault.store.keyring._boxes.clear()
    path = f"/applications/{vault.application_id}/integrations/crm"

    replies = await asyncio.gather(
        *(vault.manage("PUT", f"{path}/{id}", json={"enabled": True}) for id in ("pipedrive", "hubspot", "close") * 5)
    )

    assert {reply.status for reply in replies} == {200}


async def test_reading_back_where_the_browser_was_sent(vault: Deployment) -> None:
    """Holdfast's own page says what happened; a product's page is returned to as it was named."""
    await vault.connect()
    link = (await vault.connection())["revoke_url"]

    ended = await vault.open(f"{link}&redirect_uri={PUBLIC_URL}/oauth/callback")
    returned = await vault.open(f"{link}&redirect_uri={RETURN_TO}")

    assert ended.location.startswith(f"{PUBLIC_URL}/oauth/callback?outcome=")
    assert "is disconnected" in (await vault.open(ended.location)).text
    assert returned.location == RETURN_TO
