"""Between callback and confirmation: nothing is usable, nobody else can confirm, and nothing old is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nodes import another_node
from traces import rows, traces

from holdfast.domain.credential import Secret
from holdfast.store.flows import TRIES
from holdfast.testing.browser import Page
from holdfast.testing.harness import CLIENT_ID, CLIENT_SECRET, PUBLIC_URL, RETURN_TO, SERVICE, Deployment, Reply
from holdfast.usecases import manage

PATH = f"/vault/connections/crm/{SERVICE}"
CALLBACK_PAGE = f"{PUBLIC_URL}/oauth/callback"
HALF_AN_HOUR = 30 * 60


async def connect_unconfirmed(vault: Deployment, consumer: str | None = None) -> Page:
    """An authorization up to our own page, which holds the confirm token in its fragment."""
    return await vault.connect(consumer=consumer, nonce="5f0c", redirect_uri=CALLBACK_PAGE)


async def confirm(vault: Deployment, token: str, path: str = PATH, **options: Any) -> Reply:
    return await vault.post(f"{path}/confirm", json={"confirm_token": token}, **options)


async def test_the_token_arrives_in_the_fragment(vault: Deployment) -> None:
    """Fragments reach neither servers nor their logs; the nonce is echoed beside the token."""
    page = await connect_unconfirmed(vault)

    address, _, fragment = page.url.partition("#")
    assert address.startswith(f"{CALLBACK_PAGE}?outcome=")
    assert fragment.startswith("nonce=5f0c&confirm_token=")
    assert fragment.endswith(f"&service_id={SERVICE}")
    assert len(page.query["confirm_token"]) >= 43


async def test_before_the_confirmation_nothing_is_usable(vault: Deployment) -> None:
    """The code is not even redeemed, so there is no token that could leak; no operation helps it along."""
    await connect_unconfirmed(vault)
    connection = await vault.connection()

    used = [
        await vault.get(f"{PATH}/leads/custom-fields"),
        await vault.get(f"{PATH}/leads/config"),
        await vault.post(f"{PATH}/token"),
    ]
    await vault.patch(PATH, json={"enabled": True})
    validated = await vault.post(f"{PATH}/validate")

    assert (connection["state"], connection["health"]) == ("authorized", "pending_confirmation")
    assert [reply.status for reply in used] == [422, 422, 422]
    assert validated.data["state"] == "authorized"
    assert vault.network.requests == []
    assert "callable" not in await vault.events()


async def test_a_confirmation_redeems_the_code(vault: Deployment) -> None:
    """Once; a second one finds nothing."""
    token = (await connect_unconfirmed(vault)).query["confirm_token"]

    first, second = await confirm(vault, token), await confirm(vault, token)

    assert (first.status, first.data) == (200, {"confirmed": True})
    assert second.status == 404
    assert (await vault.connection())["state"] == "callable"
    assert vault.provider.calls["token"] == 1
    assert (await vault.events())[:3] == ["created", "updated", "callable"]


@pytest.fixture
async def stranger(vault: Deployment) -> dict[str, str]:
    """The headers of another application that has the same integration and a consumer of the same name."""
    other, key = await manage.create_application(vault.vault, "Other", (RETURN_TO,))
    client = manage.IntegrationChange(client_id=CLIENT_ID, client_secret=Secret(CLIENT_SECRET))
    await manage.put_integration(vault.vault, other.id, "crm", SERVICE, client)
    return {"x-apideck-app-id": other.id, "authorization": f"Bearer {key}"}


async def test_nobody_else_can_confirm(vault: Deployment, stranger: dict[str, str]) -> None:
    """Another consumer, application, service or API: 401 or 404, and the right one still can."""
    pipedrive = f"/applications/{vault.application_id}/integrations/crm/pipedrive"
    await vault.manage("PUT", pipedrive, json={"client_id": "x", "client_secret": "y"})
    token = (await connect_unconfirmed(vault)).query["confirm_token"]

    wrong = [
        await confirm(vault, token, consumer="user-2"),
        await confirm(vault, token, headers=stranger),
        await confirm(vault, token, path="/vault/connections/crm/pipedrive"),
        await confirm(vault, token, path=f"/vault/connections/lead/{SERVICE}"),
    ]
    right = await confirm(vault, token)

    assert [reply.status for reply in wrong] == [401, 401, 401, 401]
    assert right.status == 200
    assert (await vault.connection(headers=stranger))["state"] == "available"


async def test_a_token_is_burnt_after_a_few_wrong_tries(vault: Deployment) -> None:
    """Then nobody can use it any more, its owner included."""
    token = (await connect_unconfirmed(vault)).query["confirm_token"]

    wrong = [await confirm(vault, token, consumer="user-2") for _ in range(TRIES + 1)]

    assert [reply.status for reply in wrong] == [401] * TRIES + [404]
    assert (await confirm(vault, token)).status == 404
    assert vault.provider.calls["token"] == 0


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "a" * 65_000, "é", "../", "%00"])
async def test_a_token_that_was_never_made_is_not_found(vault: Deployment, token: str) -> None:
    """The same answer as for one that was used or has expired."""
    await connect_unconfirmed(vault)

    reply = await confirm(vault, token)

    assert (reply.status, reply.body["type_name"]) == (404, "EntityNotFoundError")


@pytest.mark.parametrize("body", [{}, {"confirm_token": None}, {"confirm_token": 7}, {"confirm_token": ["x"]}, []])
async def test_a_body_without_a_token_is_malformed(vault: Deployment, body: Any) -> None:
    """400, not 404: the caller has a mistake to correct."""
    assert (await vault.post(f"{PATH}/confirm", json=body)).status == 400


async def test_of_many_confirmations_at_once_one_wins(vault: Deployment) -> None:
    """Over two nodes: one exchange, one success, one event."""
    token = (await connect_unconfirmed(vault)).query["confirm_token"]

    async with another_node(vault) as other:
        replies = await asyncio.gather(*(confirm(node, token) for _ in range(25) for node in (vault, other)))

    assert sorted(reply.status for reply in replies) == [200] + [404] * 49
    assert vault.provider.calls["token"] == 1
    assert (await vault.events()).count("callable") == 1


async def test_a_confirmation_is_waited_for_half_an_hour(vault: Deployment) -> None:
    """Then the token finds nothing, and the connection says that it needs authorization."""
    token = (await connect_unconfirmed(vault)).query["confirm_token"]
    vault.clock.advance(HALF_AN_HOUR + 1)

    reply = await confirm(vault, token)

    connection = await vault.connection()
    assert reply.status == 404
    assert (connection["state"], connection["health"]) == ("added", "needs_auth")
    assert vault.provider.calls["token"] == 0


async def test_a_re_authorization_that_nobody_confirms_changes_nothing(vault: Deployment) -> None:
    """Somebody who is lured through the flow must not cut off a connection that works."""
    await vault.connect()
    await connect_unconfirmed(vault)

    during = await vault.connection()
    in_use = await vault.get(f"{PATH}/leads/custom-fields")
    vault.clock.advance(HALF_AN_HOUR + 1)
    afterwards = await vault.connection()

    assert [c["state"] for c in (during, afterwards)] == ["callable", "callable"]
    assert in_use.status == 200
    assert vault.provider.calls["token"] == 1


async def test_a_re_authorization_that_nobody_confirms_switches_nothing_on(vault: Deployment) -> None:
    """Whoever disabled the connection decides when it is used again."""
    await vault.connect()
    await vault.patch(PATH, json={"enabled": False})

    await connect_unconfirmed(vault)

    connection = await vault.connection()
    assert (connection["enabled"], connection["state"]) == (False, "authorized")


async def test_a_confirmed_code_that_is_refused_leaves_the_old_grant_in_force(vault: Deployment) -> None:
    """The new authorization has failed, the old one has not."""
    await vault.connect()
    token = (await connect_unconfirmed(vault)).query["confirm_token"]
    vault.clock.advance(120)

    reply = await confirm(vault, token)

    connection = await vault.connection()
    assert reply.status == 422
    assert (await vault.get(f"{PATH}/leads/custom-fields")).status == 200
    assert (connection["state"], connection["health"]) == ("callable", "ok")


async def test_of_two_flows_each_is_confirmed_by_its_own_consumer(vault: Deployment) -> None:
    """Tokens of two consumers do not cross."""
    mine = (await connect_unconfirmed(vault)).query["confirm_token"]
    theirs = (await connect_unconfirmed(vault, consumer="user-2")).query["confirm_token"]

    crossed = [await confirm(vault, theirs), await confirm(vault, mine, consumer="user-2")]
    own = [await confirm(vault, mine), await confirm(vault, theirs, consumer="user-2")]

    assert [reply.status for reply in crossed] == [401, 401]
    assert [reply.status for reply in own] == [200, 200]


async def test_a_code_that_the_provider_does_not_take_confirms_nothing(vault: Deployment) -> None:
    """A code lives for a minute at this provider: the answer says that the authorization must be begun again."""
    token = (await connect_unconfirmed(vault)).query["confirm_token"]
    vault.clock.advance(120)

    reply = await confirm(vault, token)

    assert (reply.status, reply.body["type_name"]) == (422, "OAuthCodeExchangeError")
    assert (await vault.connection())["state"] != "callable"
    assert "callable" not in await vault.events()


async def test_a_confirmation_without_a_key_is_no_confirmation(vault: Deployment) -> None:
    """The token alone opens nothing, and trying it so does not use it up."""
    token = (await connect_unconfirmed(vault)).query["confirm_token"]
    before = await traces(vault)

    reply = await confirm(vault, token, headers={"authorization": None})

    assert reply.status == 401
    assert await traces(vault) == before
    assert (await confirm(vault, token)).status == 200
    assert (await rows(vault))["confirmations"] == 1
