"""A grant that is ended late: what happened meanwhile decides whether the provider is still asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nodes import another_node
from starlette.responses import Response
from work import until

from holdfast import worker
from holdfast.domain.credential import Credential, OAuthToken, Secret
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.grants.lifetime import WAIT_LIMIT
from holdfast.store import connections
from holdfast.store.engine.database import Row
from holdfast.testing.harness import RETURN_TO, SERVICE, Deployment
from holdfast.testing.provider import fail, stall
from holdfast.usecases import revocations
from holdfast.usecases.revocations import DELAYS
from holdfast.usecases.subject import find_subject

SANDBOX = f"/vault/connections/crm/{SERVICE}"
# A shipped connector of which nobody knows what its revocation ends, so it is taken for the whole grant.
PIPEDRIVE = "/vault/connections/crm/pipedrive"
DAY = 24 * 3600
STRAY = Credential(OAuthToken(Secret("at-2"), Secret("rt-2")))


async def evidence(vault: Deployment) -> list[Row]:
    return await vault.vault.store.q.all("SELECT * FROM revocations ORDER BY created_at, id")


async def outcomes(vault: Deployment) -> list[str | None]:
    return [row["outcome"] for row in await evidence(vault)]


async def settled(vault: Deployment, number: int) -> bool:
    """Whether the provider has ended so many grants."""
    return (await outcomes(vault)).count("revoked") == number


async def import_pipedrive(vault: Deployment) -> None:
    path = f"/applications/{vault.application_id}/integrations/crm/pipedrive"
    await vault.manage("PUT", path, json={"client_id": "acme", "client_secret": "acme-secret"})
    tokens = {"access_token": "pd-at", "refresh_token": "pd-rt", "expires_in": 7200}
    settings = {"company_domain": "acme", "api_domain": "https://acme.pipedrive.com"}
    reply = await vault.post(f"{PIPEDRIVE}/import", json={"credentials": tokens, "settings": settings})
    assert reply.data["state"] == "callable"


def sent(vault: Deployment) -> list[str]:
    return [request.url for request in vault.network.requests if request.host == "oauth.pipedrive.com"]


async def test_a_newer_grant_is_not_ended_by_a_late_revocation(vault: Deployment) -> None:
    """Where the provider may end all that the client holds of the account, nothing is sent once there is another."""
    await import_pipedrive(vault)
    vault.network.fail_next("refused")
    await vault.delete(PIPEDRIVE)
    await import_pipedrive(vault)
    vault.clock.advance(DELAYS[0])
    before = len(sent(vault))

    taken = await vault.work()

    assert (taken, len(sent(vault)) - before, await outcomes(vault)) == (1, 0, ["superseded"])
    assert (await vault.connection("pipedrive"))["state"] == "callable"
    assert await vault.vault.store.q.one("SELECT id FROM jobs WHERE sealed IS NOT NULL") is None


async def test_without_a_newer_grant_a_late_revocation_is_sent(vault: Deployment) -> None:
    """The same connector, the same wait: another consumer's grant is no reason to keep quiet."""
    vault.network.apps["oauth.pipedrive.com"] = Response(status_code=200)
    await import_pipedrive(vault)
    vault.network.fail_next("refused")
    await vault.delete(PIPEDRIVE)
    vault.consumer = "user-2"
    await import_pipedrive(vault)
    vault.clock.advance(DELAYS[0])

    await vault.work()

    assert await outcomes(vault) == ["revoked"]


async def test_a_provider_that_ends_only_the_token_is_told_late(vault: Deployment) -> None:
    """Its manifest says so: the old grant ends, and the one that the consumer gave since lives on."""
    await vault.connect()
    with vault.provider.behave("revoke", fail(503)):
        await vault.delete(SANDBOX)
    vault.clock.advance(DELAYS[0])
    await vault.connect()

    await vault.work()

    old, new = vault.provider.ledger.grants
    assert (old.ended, new.ended, await outcomes(vault)) == (True, False, ["revoked"])
    assert (await vault.get(f"{SANDBOX}/leads/custom-fields")).status == 200


async def test_a_stray_token_of_the_grant_in_use_is_let_be(vault: Deployment) -> None:
    """To end a refresh token is to end its grant (RFC 7009 section 2.1), and that one is in use."""
    await vault.connect()
    scope = ConsumerScope(vault.application_id, Caller.own("test"), vault.consumer)
    held = await connections.one(scope, vault.vault.store, "crm", SERVICE)
    assert held is not None
    about = await find_subject(scope, vault.vault, "crm", SERVICE)

    await revocations.end_stray(scope, vault.vault, about, held, STRAY)
    taken = await vault.work()

    assert (taken, vault.provider.calls["revoke"], await outcomes(vault)) == (1, 0, ["superseded"])


async def test_a_stray_token_is_ended_without_waiting_for_the_next_look(vault: Deployment) -> None:
    """Whoever got it is gone by then; this process's worker is called, and no time has to pass."""
    await vault.connect()
    scope = ConsumerScope(vault.application_id, Caller.own("test"), vault.consumer)
    held = await connections.one(scope, vault.vault.store, "crm", SERVICE)
    assert held is not None
    about = await find_subject(scope, vault.vault, "crm", SERVICE)
    await vault.delete(SANDBOX)
    async with worker.running(vault.vault):
        await vault.clock.asleep(2)  # both loops

        await revocations.end_stray(scope, vault.vault, about, held, STRAY)
        await until(lambda: settled(vault, 2))


async def test_a_revocation_under_way_is_not_sent_twice(vault: Deployment) -> None:
    """Another process looks in the middle of it, and finds nothing to do."""
    await vault.connect()
    with vault.provider.behave("revoke", fail(503)):
        await vault.delete(SANDBOX)
    vault.clock.advance(DELAYS[0])
    async with another_node(vault) as other:
        with vault.provider.behave("revoke", stall(5)):
            calls = vault.provider.calls["revoke"]
            working = asyncio.create_task(vault.work())
            await vault.clock.asleep(2)  # the provider, and the heart of the job

            meanwhile = await other.work()
            begun = vault.provider.calls["revoke"] - calls
            while not working.done():
                vault.clock.advance(5)
                await asyncio.sleep(0.01)

    assert (meanwhile, begun, await working) == (0, 1, 1)
    assert await outcomes(vault) == ["revoked"]


@pytest.mark.parametrize("asked", [999_999, WAIT_LIMIT + 1])
async def test_a_provider_may_not_ask_for_ever(vault: Deployment, asked: int) -> None:
    """It is asked again after an hour, however long it wants to be left alone."""
    await vault.connect()
    with vault.provider.behave("revoke", fail(503, retry_after=asked)):
        await vault.delete(SANDBOX)
    vault.clock.advance(WAIT_LIMIT - 1)
    too_early = await vault.work()
    vault.clock.advance(1)

    assert (too_early, await vault.work(), await outcomes(vault)) == (0, 1, ["revoked"])


async def test_a_provider_cannot_use_up_the_tries_of_a_day(vault: Deployment) -> None:
    """`Retry-After: 1` does not make it give up after seven seconds: our own pauses are the least."""
    await vault.connect()
    with vault.provider.behave("revoke", fail(503, retry_after=1)):
        await vault.delete(SANDBOX)
        for _ in range(20):
            vault.clock.advance(1)
            await vault.work()

        assert (vault.provider.calls["revoke"], await outcomes(vault)) == (1, [None])


async def test_a_day_is_long_enough(vault: Deployment) -> None:
    """The tries spread over about a day, with the provider's last answer in the evidence."""
    await vault.connect()
    with vault.provider.behave("revoke", fail(503, retry_after=999_999)):
        await vault.delete(SANDBOX)
        begun = vault.clock.now()
        while (await outcomes(vault)) == [None]:
            vault.clock.advance(600)
            await vault.work()

    (row,) = await evidence(vault)
    assert (row["outcome"], row["status"], row["attempts"]) == ("unreachable", 503, len(DELAYS) + 1)
    assert 0.9 * DAY < (vault.clock.now() - begun) / 1000 < 1.2 * DAY
    assert row["settled_at"] == vault.clock.now()


RELABELLED = [
    ("revocations", "consumer_id", "user-2"),
    ("revocations", "unified_api", "lead"),
    ("revocations", "service_id", "pipedrive"),
    ("revocations", "connection_id", "0" * 32),
    ("jobs", "sealed", b"HF\x01" + bytes(100)),
]


@pytest.mark.parametrize(("table", "column", "value"), RELABELLED, ids=[f"{t}.{c}" for t, c, _ in RELABELLED])
async def test_a_revocation_that_does_not_open_is_set_aside(
    vault: Deployment, table: str, column: str, value: Any
) -> None:
    """Damaged or relabelled: no token leaves for anywhere, it is told once, and nobody tries it for ever."""
    await vault.connect()
    with vault.provider.behave("revoke", fail(503)):
        await vault.delete(SANDBOX)
    await vault.vault.store.q.run(f"UPDATE {table} SET {column} = :value", value=value)  # noqa: S608 - ours
    vault.clock.advance(DELAYS[0])
    before = len(vault.network.requests)

    taken = await vault.work()
    vault.clock.advance(DAY)

    assert (taken, await vault.work(), len(vault.network.requests) - before) == (1, 0, 0)
    assert await outcomes(vault) == ["unreadable"]


@pytest.mark.parametrize("way", ["delete", "revoke"])
async def test_a_credential_that_does_not_open_can_be_given_up(vault: Deployment, way: str) -> None:
    """It goes all the same; the evidence says that the provider could not be told."""
    await vault.connect()
    link = (await vault.connection())["revoke_url"]
    await vault.vault.store.q.run("UPDATE connections SET credential = :damaged", damaged=b"HF\x01" + bytes(100))

    reply = await (vault.delete(SANDBOX) if way == "delete" else vault.open(f"{link}&redirect_uri={RETURN_TO}"))

    assert reply.status == {"delete": 204, "revoke": 301}[way]
    assert (await vault.connection())["state"] == {"delete": "available", "revoke": "added"}[way]
    assert (await outcomes(vault), vault.provider.calls["revoke"]) == (["unreadable"], 0)
    assert await vault.work() == 0


async def test_one_provider_that_stalls_holds_up_no_other_ones(vault: Deployment) -> None:
    """Ten revocations of another connector are settled while one of them hangs."""
    vault.network.apps["oauth.pipedrive.com"] = Response(status_code=200)
    await vault.connect()
    with vault.provider.behave("revoke", fail(503)):
        await vault.delete(SANDBOX)
    for number in range(10):
        vault.consumer = f"user-{number}"
        await import_pipedrive(vault)
        vault.network.fail_next("refused")
        await vault.delete(PIPEDRIVE)
    vault.clock.advance(DELAYS[0])

    with vault.provider.behave("revoke", stall(9)):
        working = asyncio.create_task(vault.work())
        await until(lambda: settled(vault, 10))
        hanging = (await outcomes(vault)).count(None)
        while not working.done():
            vault.clock.advance(9)
            await asyncio.sleep(0.01)

    assert (hanging, await working) == (1, 11)
    assert await outcomes(vault) == ["revoked"] * 11
