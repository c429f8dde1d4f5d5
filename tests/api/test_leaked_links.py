"""A connect link that somebody else got hold of: opened again and again, it takes nothing from its consumer."""

from __future__ import annotations

import asyncio

import pytest
from dance import begin, came_back, consent
from traces import rows

from holdfast.store import flows
from holdfast.testing.harness import RETURN_TO, Deployment
from holdfast.testing.provider import stall

KEPT = 20


@pytest.fixture(autouse=True)
def few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as a flood can fill in a moment."""
    monkeypatch.setattr(flows, "OPEN_FLOWS", KEPT)


async def flood(vault: Deployment, times: int) -> None:
    """Opens the link of the vault's consumer as somebody does who has no cookie of theirs."""
    link = await vault.authorize_url()
    for _ in range(times):
        vault.clock.advance(0.1)
        assert (await vault.open(link)).status == 301


async def test_whoever_began_before_is_not_pushed_out(vault: Deployment) -> None:
    """The consumer has the provider's page open all the while, and then connects."""
    begun, callback = await came_back(vault)

    await flood(vault, 3 * KEPT + 1)

    assert (await rows(vault))["flows"] == KEPT
    assert (await vault.open(callback, cookie=begun.cookie)).location == RETURN_TO
    assert (await vault.connection())["state"] == "callable"


async def test_whoever_begins_in_between_is_not_shut_out(vault: Deployment) -> None:
    """A sign-in takes its time; a few more openings in it do no harm."""
    await flood(vault, 2 * KEPT)
    begun, callback = await came_back(vault)

    await flood(vault, KEPT // 2 - 2)

    assert (await vault.open(callback, cookie=begun.cookie)).location == RETURN_TO


async def test_a_code_that_is_being_redeemed_is_left_alone(vault: Deployment) -> None:
    """Its flow is spent, and still asked for when the grant is kept."""
    await flood(vault, KEPT // 2)
    begun = await begin(vault)
    callback = await consent(vault, begun)
    with vault.provider.behave("token", stall(20)):
        redeeming = asyncio.create_task(vault.open(callback, cookie=begun.cookie))
        await vault.clock.asleep(1)

        await flood(vault, 2 * KEPT)
        vault.clock.advance(20)
        reply = await redeeming

    assert reply.location == RETURN_TO
    assert (await vault.connection())["state"] == "callable"


async def test_spent_ones_do_not_pile_up(vault: Deployment) -> None:
    """Whoever opens a link and makes up a code for each opening fills nothing either."""
    link = await vault.authorize_url()
    for _ in range(2 * KEPT):
        begun = await begin(vault)
        await vault.open(f"/vault/callback?code=made-up&state={begun.state}", cookie=begun.cookie)
    vault.clock.advance(flows.REDEEMING / 1000)
    await vault.open(link)

    assert (await rows(vault))["flows"] <= KEPT
