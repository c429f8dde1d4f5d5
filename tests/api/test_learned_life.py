"""Tokens whose life nobody tells: they serve until the service says no, and what that teaches is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from proxying import proxy
from structlog.testing import capture_logs

from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.store import connections, lifespan
from holdfast.testing.clock import TestClock
from holdfast.testing.harness import SERVICE, Deployment, Reply, deployment
from holdfast.testing.provider import Lifetimes, SandboxProvider, TokenAnswer, fail
from holdfast.testing.provider.sandbox import CRM

HOUR, MINUTE = 3600, 60
REFRESHES = "token:refresh_token"
API = "api:GET /api/v1/leadFields"
# As Salesforce does it: the answer tells no lifetime, the session policy of each org has one.
SILENT = replace(CRM, answer=TokenAnswer(expires=None), lifetimes=Lifetimes(access=2 * HOUR))


@pytest.fixture
async def silent(migrated_url: str, tmp_path: Path) -> AsyncIterator[Deployment]:
    """A vault whose provider tells no lifetimes."""
    clock = TestClock()
    provider = SandboxProvider(clock=clock, shape=SILENT)
    async with deployment(tmp_path, database_url=migrated_url, clock=clock, provider=provider) as vault:
        await vault.connect()
        yield vault


async def use(vault: Deployment) -> Reply:
    reply = await vault.get(f"/vault/connections/crm/{SERVICE}/leads/custom-fields")
    await vault.vault.store.journal.drain()
    return reply


async def row(vault: Deployment) -> dict[str, int | None]:
    found = await vault.vault.store.q.one("SELECT expires_at, learned_life, due_at, issued_at FROM connections")
    assert found is not None
    return dict(found)


async def test_an_unknown_expiry_serves_until_the_service_says_no(silent: Deployment) -> None:
    """Then the token is replaced and the call made again; whoever asked sees nothing of it."""
    silent.clock.advance(1.9 * HOUR)
    before = await use(silent)
    early = silent.provider.calls[REFRESHES]
    silent.clock.advance(HOUR)
    after = await use(silent)

    assert (before.status, early, after.status, silent.provider.calls[REFRESHES]) == (200, 0, 200, 1)


async def test_how_long_a_token_lived_is_learned(silent: Deployment) -> None:
    """The next one is replaced before it dies: from then on the service says no to nobody."""
    silent.clock.advance(2 * HOUR + MINUTE)
    with capture_logs() as logs:
        await use(silent)
    learned = await row(silent)
    calls = silent.provider.calls[API]
    for _ in range(20):
        silent.clock.advance(25 * MINUTE)
        await silent.work()
        assert (await use(silent)).status == 200

    assert (learned["learned_life"], learned["expires_at"]) == ((2 * HOUR + MINUTE) * 1000, None)
    assert [entry["seconds"] for entry in logs if entry["event"] == "life_learned"] == [2 * HOUR + MINUTE]
    assert silent.provider.calls[API] - calls == 20
    assert 4 <= silent.provider.calls[REFRESHES] <= 7


async def test_a_proxied_call_teaches_the_same(silent: Deployment) -> None:
    """If it is answered with the new token; one that is refused again teaches nothing."""
    silent.clock.advance(2 * HOUR)
    with silent.provider.behave(API, fail(401)):
        refused = await proxy(silent, "GET", "/leadFields")
    nothing = (await row(silent))["learned_life"]
    silent.clock.advance(2 * HOUR + MINUTE)
    reply = await proxy(silent, "GET", "/leadFields")

    assert (refused.status, nothing) == (401, 0)
    assert (reply.status, (await row(silent))["learned_life"]) == (200, (2 * HOUR + MINUTE) * 1000)


async def test_the_shortest_life_that_was_seen_counts(silent: Deployment) -> None:
    """A token that nobody used for days had died long before that was noticed."""
    silent.clock.advance(5 * 24 * HOUR)
    await use(silent)
    first = (await row(silent))["learned_life"]
    silent.clock.advance(2 * HOUR + MINUTE)
    await use(silent)
    second = (await row(silent))["learned_life"]

    assert (first, second) == (5 * 24 * HOUR * 1000, (2 * HOUR + MINUTE) * 1000)


async def test_a_refusal_that_a_new_token_does_not_mend_teaches_nothing(silent: Deployment) -> None:
    """A service says 401 for other reasons too; whoever asked is told what it said."""
    silent.clock.advance(HOUR)
    with silent.provider.behave(API, fail(401)):
        reply = await use(silent)

    assert reply.status == 401
    assert (await row(silent))["learned_life"] == 0


async def test_a_token_that_somebody_ended_teaches_nothing(silent: Deployment) -> None:
    """It lived for minutes only, which the next one will not do."""
    silent.clock.advance(4 * MINUTE)
    with silent.provider.behave(API, fail(401), times=1):
        reply = await use(silent)

    assert (reply.status, (await row(silent))["learned_life"]) == (200, 0)


async def test_a_token_that_the_service_calls_dead_does_not_serve(silent: Deployment) -> None:
    """Also where it cannot be replaced at the moment: its expiry was not known, and is now."""
    silent.clock.advance(3 * HOUR)
    with silent.provider.behave(REFRESHES, fail(503)):
        replies = [await use(silent) for _ in range(3)]
    asked = silent.provider.calls[API]
    silent.clock.advance(30)

    assert {reply.status for reply in replies} == {422}
    assert asked == 1
    assert (await row(silent))["expires_at"] == silent.clock.now() - 30_000
    assert (await use(silent)).status == 200


async def test_a_guess_that_has_passed_is_no_expiry(silent: Deployment) -> None:
    """What was learned tells when to ask for a new token; the old one serves if there is none."""
    silent.clock.advance(2 * HOUR + MINUTE)
    await use(silent)
    silent.clock.advance(1.9 * HOUR)
    with silent.provider.behave(REFRESHES, fail(503)):
        reply = await use(silent)

    assert reply.status == 200
    assert silent.provider.calls[REFRESHES] == 2


async def test_a_new_consent_begins_anew(silent: Deployment) -> None:
    """Whatever was learned of the account before may not be so of this one."""
    silent.clock.advance(2 * HOUR + MINUTE)
    await use(silent)
    await silent.connect()

    assert (await row(silent))["learned_life"] == 0


async def test_a_token_that_was_replaced_meanwhile_is_not_called_dead(silent: Deployment) -> None:
    """The service refused the one before: somebody else has refreshed it since."""
    scope = ConsumerScope(silent.application_id, Caller.own("test"), silent.consumer)
    old = await connections.one(scope, silent.vault.store, "crm", SERVICE)
    assert old is not None
    assert (await silent.post(f"/vault/connections/crm/{SERVICE}/validate")).status == 200

    await lifespan.died(scope, silent.vault.store, old)

    assert (await row(silent))["expires_at"] is None


async def test_a_connection_that_was_made_anew_is_taught_nothing(silent: Deployment) -> None:
    """What an older one saw is not its own: one deletes it while the call is under way."""
    scope = ConsumerScope(silent.application_id, Caller.own("test"), silent.consumer)
    old = await connections.one(scope, silent.vault.store, "crm", SERVICE)
    assert old is not None
    await silent.delete(f"/vault/connections/crm/{SERVICE}")
    silent.clock.advance(1)
    await silent.connect()

    await lifespan.learn(scope, silent.vault.store, old, 1000, None)
    await lifespan.died(scope, silent.vault.store, old)

    found = await row(silent)
    assert (found["learned_life"], found["expires_at"]) == (0, None)
