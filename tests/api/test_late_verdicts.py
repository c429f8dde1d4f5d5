"""What the service says of credentials that somebody has replaced while it was asked: nothing of the new ones."""

from __future__ import annotations

import asyncio

import pytest
from accounts import Account, open_account

from holdfast.testing.harness import SERVICE, Deployment
from holdfast.testing.provider import Behaviour, RawAnswer

ONE = f"/vault/connections/crm/{SERVICE}"
LATE_REFUSAL = Behaviour(acts=False, delay=5, answer=RawAnswer(401))
WRONG_KEY = "c41d8cd9"


@pytest.fixture
async def campaign(vault: Deployment) -> Account:
    """A connected account at a service that takes an API key and can be asked whether it works."""
    account = await open_account(vault, "activecampaign", "crm")
    assert (await account.fill_in()).data["state"] == "callable"
    return account


async def take_over(vault: Deployment) -> None:
    """Imports an access token without a refresh token: it is verified by a call, and cannot be refreshed."""
    credentials = {"access_token": vault.provider.issue().access.value, "expires_in": 86_400}
    reply = await vault.post(
        f"{ONE}/import", json={"credentials": {**credentials, "issued_at": "2026-01-01T00:00:00Z"}}
    )
    assert reply.data["state"] == "callable"


async def test_a_form_is_not_judged_by_what_became_of_another_one(vault: Deployment, campaign: Account) -> None:
    """The service is asked about a key at the old address; what it answers says nothing of that key at a new one."""
    with campaign.provider.behave("api", LATE_REFUSAL, times=1):
        first = asyncio.create_task(campaign.patch(settings={"api_key": WRONG_KEY}))
        await vault.clock.asleep()
        await campaign.patch(settings={"base_url": "https://another.api-us1.com"})
        vault.clock.advance(5)
        reply = await first

    assert (reply.status, reply.data["state"]) == (200, "callable")


async def test_a_new_key_is_not_judged_by_what_is_said_of_the_old_one(vault: Deployment, campaign: Account) -> None:
    """A validation of the old key is refused after the right one was filled in: the connection works."""
    await campaign.fill_in(api_key=WRONG_KEY)
    with campaign.provider.behave("api", LATE_REFUSAL, times=1):
        validating = asyncio.create_task(vault.post(f"{campaign.path}/validate"))
        await vault.clock.asleep()
        put_right = await campaign.fill_in()
        vault.clock.advance(5)
        await validating

    assert put_right.data["state"] == "callable"
    assert (await campaign.told())["state"] == "callable"


async def test_a_new_grant_is_not_judged_by_what_is_said_of_the_old_one(vault: Deployment) -> None:
    """A validation of the old token is refused after the account was connected again, with the same settings."""
    await take_over(vault)
    with vault.provider.behave("api", LATE_REFUSAL, times=1):
        validating = asyncio.create_task(vault.post(f"{ONE}/validate"))
        await vault.clock.asleep()
        vault.clock.advance(1)
        await take_over(vault)
        vault.clock.advance(4)
        await validating

    assert (await vault.connection())["state"] == "callable"
