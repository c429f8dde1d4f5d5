"""What happens to a connection while its credential is being refreshed, or its account being connected."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from passing_time import while_time_passes
from watched_database import leave_alone, watched, with_vault

from holdfast.domain.door import WHOLE, Door, Limits, Ready
from holdfast.domain.exchange import Request, Response
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.store import connections
from holdfast.testing.harness import SERVICE, Deployment
from holdfast.testing.provider import Behaviour, RawAnswer

ONE = f"/vault/connections/crm/{SERVICE}"
# The provider acts at once and answers when the test moves the time.
LATE = Behaviour(delay_after=5)
LATE_REFUSAL = replace(LATE, answer=RawAnswer(400, {"Content-Type": "application/json"}, b'{"error": "invalid_grant"}'))
# What the service says of an account that is not the one that is connected by then.
LATE_ACCOUNT = replace(
    LATE, answer=RawAnswer(200, {"Content-Type": "application/json"}, b'{"data": {"company_id": "older-company"}}')
)
# The statement that takes the right to refresh.
CLAIMS = "attempt_state = 'claimed'"
OTHER = {"access_token": "other-at", "refresh_token": "other-rt", "expires_in": 86_400}


class ConnectsSlowly:
    """A door behind which something happens while the first connection is being made."""

    def __init__(self, door: Door, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._door = door
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile

    async def send(self, request: Request, *, limits: Limits = WHOLE, ready: Ready | None = None) -> Response:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return await self._door.send(request, limits=limits, ready=ready)


async def kept_token(vault: Deployment) -> str:
    """The access token that is stored."""
    scope = ConsumerScope(vault.application_id, Caller.own("test"), vault.consumer)
    held = await connections.stored(scope, vault.vault.store, "crm", SERVICE)
    assert held is not None
    token = (await connections.open_credential(scope, vault.vault.store, held, "test")).token
    assert token is not None
    assert token.access_token is not None
    return token.access_token.reveal()


async def take_over_another_account(vault: Deployment) -> None:
    """Imports an account that is in order."""
    issue = vault.provider.issue()
    assert issue.refresh is not None
    tokens = {"access_token": issue.access.value, "refresh_token": issue.refresh.value, "expires_in": 86_400}
    await vault.post(f"{ONE}/import", json={"credentials": {**tokens, "issued_at": "2026-01-01T02:00:00Z"}})


async def test_a_late_answer_is_not_given_to_a_connection_made_anew(vault: Deployment) -> None:
    """Deleted and imported again while a refresh is under way: the other account keeps its own token."""
    await vault.connect()
    vault.clock.advance(7200)
    with vault.provider.behave("token:refresh_token", LATE, times=1):
        refreshing = asyncio.create_task(vault.post(f"{ONE}/validate"))
        await vault.clock.asleep()
        await vault.delete(ONE)
        await vault.post(f"{ONE}/import", json={"credentials": {**OTHER, "issued_at": "2026-01-01T02:00:00Z"}})

        vault.clock.advance(5)
        await refreshing

    assert await kept_token(vault) == "other-at"


async def test_a_late_refusal_says_nothing_of_a_connection_made_anew(vault: Deployment) -> None:
    """The refused grant went with the deleted connection: the other account is in good health."""
    await vault.connect()
    vault.clock.advance(7200)
    with vault.provider.behave("token:refresh_token", LATE_REFUSAL, times=1):
        refreshing = asyncio.create_task(vault.post(f"{ONE}/validate"))
        await vault.clock.asleep()
        await vault.delete(ONE)
        await take_over_another_account(vault)
        events = await vault.events()

        vault.clock.advance(5)
        await refreshing

    anew = await vault.connection()
    assert (anew["state"], anew["health"], anew["last_refresh_failed_at"]) == ("callable", "ok", 0)
    assert await vault.events() == events


async def test_a_grant_that_comes_before_the_claim_is_not_spent(vault: Deployment) -> None:
    """Reconnected between the look at the row and the claim: the claim is of the row as it was seen, and fails."""
    await vault.connect()
    vault.clock.advance(7200)
    refreshing, database = watched(vault)

    async def reconnect(sql: str) -> None:
        if CLAIMS in sql:
            database.before = leave_alone
            await vault.connect()

    database.before = reconnect
    reply = await while_time_passes(vault.clock, refreshing.get(f"{ONE}/leads/custom-fields"))

    assert reply.status == 200
    assert vault.provider.calls["token:authorization_code"] == 2
    assert vault.provider.calls["token:refresh_token"] == 0


async def test_a_grant_that_comes_after_the_claim_leaves_the_old_token_unspent(vault: Deployment) -> None:
    """Reconnected while the connection to the provider was being made: the mark fails, and nothing is sent."""
    await vault.connect()
    vault.clock.advance(7200)
    refreshing = with_vault(vault, door=ConnectsSlowly(vault.network, vault.connect))

    reply = await while_time_passes(vault.clock, refreshing.get(f"{ONE}/leads/custom-fields"))

    assert reply.status == 200
    assert vault.provider.calls["token:authorization_code"] == 2
    assert vault.provider.calls["token:refresh_token"] == 0


async def test_a_late_answer_is_not_given_to_a_newer_grant(vault: Deployment) -> None:
    """Reconnected while a refresh is under way: the newer token stays, and the connection with it."""
    await vault.connect()
    vault.clock.advance(7200)
    with vault.provider.behave("token:refresh_token", LATE, times=1):
        refreshing = asyncio.create_task(vault.post(f"{ONE}/validate"))
        await vault.clock.asleep()
        await vault.connect()
        newer = await kept_token(vault)

        vault.clock.advance(5)
        await refreshing

    assert await kept_token(vault) == newer
    assert (await vault.connection())["state"] == "callable"


async def test_an_older_account_fills_in_nothing(vault: Deployment) -> None:
    """The calls after a first consent, answered after a second one, change nothing of the newer account."""
    with vault.provider.behave("api:GET /api/v1/users/me", LATE_ACCOUNT, times=1):
        first = asyncio.create_task(vault.connect())
        await vault.clock.asleep()
        vault.clock.advance(1)
        await vault.connect()
        settings, events = (await vault.connection())["settings"], await vault.events()

        vault.clock.advance(5)
        await first

    assert (await vault.connection())["settings"] == settings
    assert await vault.events() == events
