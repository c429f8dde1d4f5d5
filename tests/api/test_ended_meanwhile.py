"""What was begun before a connection was deleted, disconnected or switched off does not connect it afterwards."""

from __future__ import annotations

import asyncio

import pytest
from dance import came_back
from traces import rows

from holdfast.testing.harness import RETURN_TO, SERVICE, Deployment
from holdfast.testing.provider import stall

PATH = f"/vault/connections/crm/{SERVICE}"
WAYS = ["delete", "disconnect", "switch off"]


async def end(vault: Deployment, way: str) -> None:
    """What somebody does meanwhile."""
    if way == "delete":
        await vault.delete(PATH)
    elif way == "disconnect":
        await vault.open(f"{(await vault.connection())['revoke_url']}&redirect_uri={RETURN_TO}")
    else:
        await vault.patch(PATH, json={"enabled": False})


def usable(connection: dict[str, object]) -> bool:
    return connection["state"] == "callable" or connection.get("health") == "pending_confirmation"


@pytest.mark.parametrize("way", WAYS)
async def test_a_flow_that_was_under_way_connects_nothing(vault: Deployment, way: str) -> None:
    """The person is sent back with the reason; the code is not redeemed."""
    await vault.connect()
    begun, callback = await came_back(vault)
    asked = vault.provider.calls["token"]
    await end(vault, way)

    reply = await vault.open(callback, cookie=begun.cookie)

    assert reply.location.startswith(f"{RETURN_TO}?error_type=InvalidStateError&")
    assert "since this authorization began" in reply.parameters["error_message"]
    assert vault.provider.calls["token"] == asked
    assert not usable(await vault.connection())


@pytest.mark.parametrize("way", WAYS)
async def test_a_confirmation_that_waited_confirms_nothing(vault: Deployment, way: str) -> None:
    """The code that waited is gone, and nothing is said to wait."""
    await vault.connect()
    token = (await vault.connect(nonce="5f0c")).query["confirm_token"]
    asked = vault.provider.calls["token"]
    await end(vault, way)

    reply = await vault.post(f"{PATH}/confirm", json={"confirm_token": token})

    kept = await vault.vault.store.q.all("SELECT sealed FROM confirmations")
    assert reply.status == 404
    assert [bytes(row["sealed"]) for row in kept] == [b""]
    assert vault.provider.calls["token"] == asked
    assert not usable(await vault.connection())


@pytest.mark.parametrize("way", WAYS)
async def test_a_code_that_was_being_redeemed_connects_nothing(vault: Deployment, way: str) -> None:
    """The provider has granted by then: what it granted is ended there."""
    await vault.connect()
    begun, callback = await came_back(vault)

    with vault.provider.behave("token:authorization_code", stall(5, committed=True)):
        coming_back = asyncio.create_task(vault.open(callback, cookie=begun.cookie))
        await vault.clock.asleep()
        await end(vault, way)
        vault.clock.advance(5)
        reply = await coming_back
    await vault.work()

    assert reply.location.startswith(f"{RETURN_TO}?error_type=InvalidStateError&")
    assert not usable(await vault.connection())
    # What is only switched off keeps its first grant.
    assert [grant.ended for grant in vault.provider.ledger.grants] == [way != "switch off", True]


async def test_what_was_begun_afterwards_connects(vault: Deployment) -> None:
    """Whoever deletes, disconnects or switches off may connect again."""
    for way in WAYS:
        await vault.connect()
        await end(vault, way)
        await vault.connect()
        assert (await vault.connection())["state"] == "callable", way


async def test_others_are_left_alone(vault: Deployment) -> None:
    """Another consumer's flow ends at its own connection."""
    await vault.connect()
    theirs, callback = await came_back(vault, consumer="user-2")
    await end(vault, "delete")

    reply = await vault.open(callback, cookie=theirs.cookie)

    assert reply.location == RETURN_TO
    assert (await rows(vault))["connections"] == 1


async def test_what_is_switched_off_waits_for_nobody(vault: Deployment) -> None:
    """The only authorization so far was still to be confirmed: there is nothing left to confirm."""
    await vault.connect(nonce="5f0c")
    await end(vault, "switch off")

    assert (await vault.connection())["health"] == "needs_auth"


async def test_switching_off_once_more_ends_what_was_begun_in_between(vault: Deployment) -> None:
    """Nothing of the connection changes, and yet the flow that would switch it on is over."""
    await vault.connect()
    await vault.patch(PATH, json={"enabled": False})
    begun, callback = await came_back(vault)

    await vault.patch(PATH, json={"enabled": False})
    reply = await vault.open(callback, cookie=begun.cookie)

    assert reply.location.startswith(f"{RETURN_TO}?error_type=InvalidStateError&")
    assert not usable(await vault.connection())
