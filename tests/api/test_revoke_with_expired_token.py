"""A revocation that rests on an access token which has expired: the token is refreshed first, and never lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from accounts import Account, open_account
from watched_database import leave_alone, refuse, watched

from holdfast.testing.harness import Deployment
from holdfast.testing.provider import Behaviour, RawAnswer, drop, fail, say
from holdfast.usecases.credential.insist import PAUSES
from holdfast.usecases.revocations import DELAYS

HOUR = 3600
REFRESHES = "token:refresh_token"
JSON = {"Content-Type": "application/json"}
# Slack's way to tell that there is no such grant any more.
DEAD = say(RawAnswer(200, JSON, b'{"ok": false, "error": "invalid_refresh_token"}'))


async def expired(vault: Deployment) -> Account:
    """An account that is revoked with its access token, an hour after that has expired."""
    slack = await open_account(vault, "slack", "team-messaging")
    reply = await slack.connect()
    assert reply.data["state"] == "callable", reply.text
    vault.clock.advance(2 * HOUR)
    return slack


async def evidence(vault: Deployment) -> list[tuple[Any, ...]]:
    rows = await vault.vault.store.q.all("SELECT outcome, attempts, settled_at FROM revocations")
    return [(row["outcome"], row["attempts"], row["settled_at"] is not None) for row in rows]


async def left(vault: Deployment) -> int:
    """Jobs that still hold a token."""
    return len(await vault.vault.store.q.all("SELECT id FROM jobs WHERE sealed IS NOT NULL"))


async def test_an_expired_token_is_refreshed_before_it_ends_its_grant(vault: Deployment) -> None:
    """Nobody waits for it: the connection is gone at once, and the worker does the rest."""
    slack = await expired(vault)

    reply = await vault.delete(slack.path)
    asked = slack.provider.calls[REFRESHES], slack.provider.calls["revoke"]
    done = await vault.work()

    assert (reply.status, asked, done) == (204, (0, 0), 1)
    assert (slack.provider.calls[REFRESHES], slack.provider.calls["revoke"]) == (1, 1)
    assert [grant.ended for grant in slack.provider.ledger.grants] == [True]
    assert (await evidence(vault), await left(vault)) == ([("revoked", 1, True)], 0)


async def test_a_living_token_is_used_as_it_is(vault: Deployment) -> None:
    """At once, and without asking for another one."""
    slack = await open_account(vault, "slack", "team-messaging")
    await slack.connect()

    await vault.delete(slack.path)

    assert (slack.provider.calls[REFRESHES], await evidence(vault)) == (0, [("revoked", 1, True)])


async def test_a_grant_that_cannot_be_refreshed_has_ended(vault: Deployment) -> None:
    """The provider says so itself; there is nothing left to revoke."""
    slack = await expired(vault)
    await vault.delete(slack.path)

    with slack.provider.behave(REFRESHES, DEAD):
        await vault.work()

    assert (slack.provider.calls["revoke"], await evidence(vault)) == (0, [("revoked", 1, True)])


@pytest.mark.parametrize("trouble", [fail(503), drop(committed=False)])
async def test_a_refresh_that_fails_for_now_is_tried_again(vault: Deployment, trouble: Behaviour) -> None:
    """As a revocation that fails for now is; no answer is no proof that the grant has ended."""
    slack = await expired(vault)
    await vault.delete(slack.path)
    with slack.provider.behave(REFRESHES, trouble):
        await vault.work()
    during = await evidence(vault)
    vault.clock.advance(DELAYS[0])

    await vault.work()

    assert (during, await evidence(vault)) == ([(None, 1, False)], [("revoked", 2, True)])


async def test_the_next_try_knows_the_token_that_the_last_one_got(vault: Deployment) -> None:
    """It is kept before it is used: the provider has spent the old one, and would take it for stolen."""
    slack = await expired(vault)
    await vault.delete(slack.path)
    with slack.provider.behave("revoke", fail(503)):
        await vault.work()
    vault.clock.advance(DELAYS[0])

    await vault.work()

    assert (slack.provider.calls[REFRESHES], slack.provider.calls["revoke"]) == (1, 2)
    assert await evidence(vault) == [("revoked", 2, True)]


async def test_a_token_waits_for_the_database_before_it_is_used(vault: Deployment) -> None:
    """A local fault in the worst moment loses nothing."""
    slack = await expired(vault)
    await vault.delete(slack.path)
    seen, database = watched(vault)
    database.before = refuse("SET sealed = :sealed")
    working = asyncio.create_task(seen.work())
    await vault.clock.asleep(2)  # the pause, and the heart of the job
    meanwhile = slack.provider.calls["revoke"]
    database.before = leave_alone
    vault.clock.advance(PAUSES[0])
    await working

    assert (meanwhile, slack.provider.calls[REFRESHES], await evidence(vault)) == (0, 1, [("revoked", 1, True)])
