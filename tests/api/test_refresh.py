"""Refresh: once, however many ask, whoever leaves, and whatever else happens to the connection meanwhile.

The provider ends a whole grant when a refresh token comes twice (RFC 9700 section 4.14.2), so that a second use
shows in every test here: the connection would not work afterwards.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nodes import Deploy, another_node
from passing_time import while_time_passes
from traces import rows
from watched_database import with_vault

from holdfast.store.engine.locks import NoLocks
from holdfast.store.presentations import Terms
from holdfast.testing.clock import TestClock
from holdfast.testing.harness import SERVICE, Deployment, Reply
from holdfast.testing.provider import LEFT_OUT, Lifetimes, SandboxProvider, Shape, fail, lie, stall
from holdfast.testing.provider.crm import SCOPES
from holdfast.testing.provider.shape import RotationMode

PATH = f"/vault/connections/crm/{SERVICE}"
HOUR, PATIENCE = 3600, 30
REFRESHES = "token:refresh_token"


def provider_with(rotation: RotationMode) -> dict[str, Any]:
    """A deployment's arguments: a provider that treats used refresh tokens so, and the clock that it shares."""
    clock, shape = TestClock(), Shape(scopes=SCOPES, lifetimes=Lifetimes(rotation=rotation))
    return {"clock": clock, "provider": SandboxProvider(clock=clock, shape=shape)}


async def use(vault: Deployment, **options: Any) -> Reply:
    """An operation that needs a token. One that waits for time that does not pass ends with a TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        return await vault.get(f"{PATH}/leads/custom-fields", **options)


async def refreshing(vault: Deployment) -> None:
    """Returns when a refresh waits for the provider's answer."""
    async with asyncio.timeout(PATIENCE):
        await vault.clock.asleep()


async def works_on(vault: Deployment) -> bool:
    """Whether the connection still works an hour later, and one more: its refresh token is the current one."""
    for _ in range(2):
        vault.clock.advance(HOUR)
        if (await use(vault)).status != 200:
            return False
    return True


async def test_a_token_is_refreshed_shortly_before_it_expires(vault: Deployment) -> None:
    """Half a minute in hand, so that it is still good when it arrives; before that, not at all."""
    await vault.connect()
    vault.clock.advance(HOUR - 31)
    await use(vault)
    early = vault.provider.calls[REFRESHES]
    vault.clock.advance(2)

    await use(vault)

    assert (early, vault.provider.calls[REFRESHES]) == (0, 1)


async def test_many_uses_of_an_expired_connection_refresh_it_once(vault: Deployment) -> None:
    """They join one flight, and all get the new token."""
    await vault.connect()
    vault.clock.advance(HOUR)

    replies = await asyncio.gather(*(use(vault) for _ in range(100)))

    assert {reply.status for reply in replies} == {200}
    assert vault.provider.calls[REFRESHES] == 1
    assert await works_on(vault)


async def test_many_uses_over_two_nodes_refresh_it_once(vault: Deployment) -> None:
    """Nodes share nothing but the database: one takes the lease, the other waits for its outcome."""
    await vault.connect()
    vault.clock.advance(HOUR)

    async with another_node(vault) as other:
        asked = asyncio.gather(*(use(node) for _ in range(25) for node in (vault, other)))
        replies = await while_time_passes(vault.clock, asked)

    assert {reply.status for reply in replies} == {200}
    assert vault.provider.calls[REFRESHES] == 1
    assert await works_on(vault)


async def test_connections_do_not_wait_for_each_other(vault: Deployment) -> None:
    """One refresh each, for ten consumers at once."""
    consumers = [f"user-{number}" for number in range(10)]
    for consumer in consumers:
        await vault.connect(consumer=consumer)
    vault.clock.advance(HOUR)

    replies = await asyncio.gather(*(use(vault, consumer=consumer) for consumer in consumers * 3))

    assert {reply.status for reply in replies} == {200}
    assert vault.provider.calls[REFRESHES] == 10


async def test_forced_refreshes_never_spend_a_token_twice(vault: Deployment) -> None:
    """Validation refreshes a token that looks good; fifty of them at once do so one after the other, or together."""
    await vault.connect()

    replies = await asyncio.gather(*(vault.post(f"{PATH}/validate") for _ in range(50)))

    assert {reply.data["state"] for reply in replies} == {"callable"}
    assert await works_on(vault)


async def test_a_caller_that_leaves_does_not_stop_a_refresh(vault: Deployment) -> None:
    """The provider has spent the old token by then: what it answers must be kept."""
    await vault.connect()
    vault.clock.advance(HOUR)
    with vault.provider.behave(REFRESHES, stall(5, committed=True)):
        caller = asyncio.ensure_future(use(vault))
        await refreshing(vault)

        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        vault.clock.advance(5)
        await vault.vault.flights.land()

    assert (await use(vault)).status == 200
    assert vault.provider.calls[REFRESHES] == 1
    assert await works_on(vault)


async def test_a_shutdown_waits_for_a_refresh(vault: Deployment) -> None:
    """A node that is told to stop while an answer is on its way stores it first."""
    await vault.connect()
    vault.clock.advance(HOUR)
    with vault.provider.behave(REFRESHES, stall(5, committed=True)):
        async with another_node(vault) as stopping:
            caller = asyncio.ensure_future(use(stopping))
            await refreshing(vault)
            caller.cancel()
            vault.clock.advance(5)

    assert (await use(vault)).status == 200
    assert vault.provider.calls[REFRESHES] == 1


async def test_whoever_is_refused_because_another_was_quicker_takes_its_token(deploy: Deploy) -> None:
    """A node that was held up past its lease finds its refresh token spent, looks again, and is content: where no lock
    kept the other one out."""
    async with deploy(**provider_with("strict")) as vault, another_node(vault) as another:
        first, other = (with_vault(n, locks=NoLocks(), terms=Terms(patience=0)) for n in (vault, another))
        await vault.connect()
        vault.clock.advance(HOUR)
        with vault.provider.behave(REFRESHES, stall(35), times=1):
            held_up = asyncio.ensure_future(use(first))
            await refreshing(vault)
            vault.clock.advance(31)

            quicker = await use(other)
            vault.clock.advance(5)

            assert [quicker.status, (await held_up).status] == [200, 200]
        assert (await vault.connection())["health"] == "ok"
        assert "token_refresh.pending" not in await vault.events()
        assert await works_on(vault)


@pytest.mark.parametrize("said", [LEFT_OUT, None, ""], ids=["left out", "null", "empty"])
async def test_a_refresh_token_that_does_not_come_back_is_kept(deploy: Deploy, said: object) -> None:
    """RFC 6749 section 6: the client then goes on with the old one."""
    async with deploy(**provider_with("none")) as vault:
        await vault.connect()

        with vault.provider.behave(REFRESHES, lie(refresh_token=said)):
            assert await works_on(vault)
        assert await works_on(vault)


async def test_a_new_consent_wins_over_a_refresh_of_the_old_one(vault: Deployment) -> None:
    """The token that the refresh brings belongs to a grant that nobody uses any more: it is ended, not stored."""
    await vault.connect()
    vault.clock.advance(HOUR)
    with vault.provider.behave(REFRESHES, stall(5)):
        asked = asyncio.ensure_future(use(vault))
        await refreshing(vault)

        await vault.connect()
        vault.clock.advance(5)
        await asked
    vault.clock.advance(61)
    await vault.work()

    old, new = vault.provider.ledger.grants
    assert (old.ended, new.ended) == (True, False)
    assert await works_on(vault)


async def test_a_deleted_connection_stays_deleted(vault: Deployment) -> None:
    """A refresh that ends after the deletion brings nothing back, and its token is ended too."""
    await vault.connect()
    vault.clock.advance(HOUR)
    with vault.provider.behave(REFRESHES, stall(5)):
        asked = asyncio.ensure_future(use(vault))
        await refreshing(vault)

        await vault.delete(PATH)
        vault.clock.advance(5)
        reply = await asked
    vault.clock.advance(61)
    await vault.work()

    assert 400 <= reply.status < 500
    assert (await vault.connection())["state"] == "available"
    assert (await rows(vault))["connections"] == 0
    assert not [token for token in vault.provider.ledger.access.values() if vault.provider.ledger.good(token)]


async def test_a_validation_tells_that_the_refresh_failed(vault: Deployment) -> None:
    """Validating is told that the provider refreshed nothing, although the token there is still good."""
    await vault.connect()

    with vault.provider.behave("token:refresh_token", fail(503)):
        reply = await vault.post("/vault/connections/crm/sandbox-crm/validate")

    assert (reply.status, reply.body["type_name"]) == (422, "OAuthConnectorError")
    assert (await vault.connection())["state"] == "callable"
