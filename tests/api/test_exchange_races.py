"""Stored credentials that are exchanged while somebody deletes them or fills them in anew; tokens that died early."""

from __future__ import annotations

import asyncio

import pytest
from accounts import Account, open_account

from holdfast.testing.harness import Deployment, Reply
from holdfast.testing.provider import stall


@pytest.fixture(params=[("personio", "hris"), ("ceridian-dayforce", "hris")], ids=["client_credentials", "password"])
async def account(request: pytest.FixtureRequest, vault: Deployment) -> Account:
    opened = await open_account(vault, *request.param)
    await opened.fill_in()
    return opened


async def asked(account: Account) -> asyncio.Task[Reply]:
    """An exchange whose answer is still on its way."""
    exchanging = asyncio.create_task(account.vault.post(f"{account.path}/token"))
    await account.vault.clock.asleep()
    return exchanging


async def test_what_was_deleted_meanwhile_stays_deleted(account: Account) -> None:
    """The token is kept nowhere, and whoever asked is told."""
    with account.provider.behave("token", stall(5, committed=True)):
        exchanging = await asked(account)
        await account.vault.delete(account.path)
        account.vault.clock.advance(5)
        reply = await exchanging

    assert (reply.status, reply.body["type_name"]) == (422, "InvalidStateError")
    assert (await account.told())["state"] == "available"


async def test_a_token_of_other_credentials_is_not_kept(account: Account) -> None:
    """Whoever exchanges the new ones asks for themselves, and is not answered with the old ones' token."""
    secret = next(s.id for s in account.connector.settings if s.sensitive and s.id in account.typed)
    with account.provider.behave("token", stall(5, committed=True), times=1):
        former = await asked(account)
        await account.fill_in(**{secret: "not-the-one"})
        latter = await account.vault.post(f"{account.path}/token")
        account.vault.clock.advance(5)

        assert (await former).body["type_name"] == "InvalidStateError"
    assert latter.status in (401, 422), latter.text
    assert (await account.told())["state"] != "callable"


async def test_a_token_that_died_early_is_obtained_anew(account: Account) -> None:
    """There is no refresh token, but what it was obtained with is still there."""
    await account.vault.post(f"{account.path}/token")
    for token in account.provider.ledger.access.values():
        token.ended = True
    asked = account.provider.calls["token"]

    reply = await account.vault.post(f"{account.path}/validate")

    assert reply.data["state"] == "callable", reply.text
    assert account.provider.calls["token"] == asked + 1
