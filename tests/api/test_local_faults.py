"""Faults of our own side: a database that is not there for a while, a damaged row, a key that is not in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from nodes import Deploy, another_node
from own_manifests import DESK, DESK_MANIFEST, put_integration
from passing_time import while_time_passes
from watched_database import leave_alone, refuse, watched, with_vault

from holdfast.store import jobs
from holdfast.testing.clock import TestClock
from holdfast.testing.harness import SERVICE, Deployment
from holdfast.testing.provider import Behaviour, fail
from holdfast.usecases import manage
from holdfast.usecases.credential.insist import PAUSES
from holdfast.usecases.flight import Flights
from holdfast.usecases.recent import Recent

ONE = f"/vault/connections/crm/{SERVICE}"
REFRESHES = "token:refresh_token"
LATE = Behaviour(delay_after=1)
# What the statement that gives a lease back has, and no other one.
GIVES_BACK = "SET lease_owner = NULL"


async def test_a_refreshed_token_waits_for_the_database(vault: Deployment) -> None:
    """The provider has spent the old one, so the new one is kept on a later try, and asked for once."""
    await vault.connect()
    vault.clock.advance(7200)
    faulty, database = watched(vault)
    with vault.provider.behave(REFRESHES, LATE, times=1):
        using = asyncio.create_task(faulty.get(f"{ONE}/leads/custom-fields"))
        await vault.clock.asleep()
        database.before = refuse()
        vault.clock.advance(1)
        for pause in PAUSES[:-1]:
            await vault.clock.asleep()
            vault.clock.advance(pause)
        await vault.clock.asleep()
        database.before = leave_alone
        vault.clock.advance(PAUSES[-1])
        reply = await using

    assert reply.status == 200
    assert vault.provider.calls[REFRESHES] == 1
    assert (await vault.connection())["health"] == "ok"
    assert (await vault.get(f"{ONE}/leads/custom-fields")).status == 200


async def test_a_token_that_cannot_be_kept_yet_is_not_pretended_and_not_lost(vault: Deployment) -> None:
    """Callers are told 503 while the database is away, however long; when it is back, the token is there."""
    await vault.connect()
    vault.clock.advance(7200)
    faulty, database = watched(vault)
    impatient = with_vault(faulty, flights=Flights(patience=0.05))
    with vault.provider.behave(REFRESHES, LATE, times=1):
        using = asyncio.create_task(impatient.get(f"{ONE}/leads/custom-fields"))
        await vault.clock.asleep()
        database.before = refuse()
        vault.clock.advance(1)
        during = await using
        for _ in range(100):
            await vault.clock.asleep()
            vault.clock.advance(5)
        database.before = leave_alone
        await while_time_passes(vault.clock, impatient.vault.flights.land(), step=5)

    assert during.status == 503
    assert vault.provider.calls[REFRESHES] == 1
    assert (await vault.get(f"{ONE}/leads/custom-fields")).status == 200
    assert vault.provider.calls[REFRESHES] == 1


async def test_a_lease_that_cannot_be_given_back_hides_no_result(vault: Deployment) -> None:
    """The refreshed token serves, and the lease runs out by itself."""
    await vault.connect()
    vault.clock.advance(7200)
    faulty, database = watched(vault)
    database.before = refuse(GIVES_BACK)

    used = await faulty.get(f"{ONE}/leads/custom-fields")
    vault.clock.advance(7200)
    again = await vault.get(f"{ONE}/leads/custom-fields")

    assert [used.status, again.status] == [200, 200]
    assert vault.provider.calls[REFRESHES] == 2


async def test_a_revocation_outlives_a_database_that_was_away(vault: Deployment) -> None:
    """It is settled by what the provider answers, not by a fault of ours; the next worker tries again."""
    await vault.connect()
    with vault.provider.behave("revoke", fail(503)):
        await vault.delete(ONE)
    vault.clock.advance(31)
    faulty, database = watched(vault)
    database.before = refuse("FROM integrations")

    await faulty.work()
    (during,) = await vault.vault.store.q.all("SELECT outcome, settled_at FROM revocations")
    vault.clock.advance(jobs.LEASE / 1000)
    tried = await vault.work()

    (after,) = await vault.vault.store.q.all("SELECT outcome FROM revocations")
    assert (during["outcome"], during["settled_at"]) == (None, None)
    assert (tried, after["outcome"]) == (1, "revoked")


async def test_a_flipped_bit_takes_out_one_connection(vault: Deployment) -> None:
    """The others stay as they are; the damaged one says that it must be connected again."""
    path = f"/applications/{vault.application_id}/integrations/crm/pipedrive"
    await vault.manage("PUT", path, json={"client_id": "acme", "client_secret": "acme-secret"})
    tokens = {
        "access_token": "pd-at",
        "refresh_token": "pd-rt",
        "issued_at": "2026-01-01T00:00:00Z",
        "expires_in": 3600,
    }
    settings = {"company_domain": "acme"}
    await vault.post("/vault/connections/crm/pipedrive/import", json={"credentials": tokens, "settings": settings})
    await vault.connect()
    store = vault.vault.store
    row = await store.q.one("SELECT settings FROM connections WHERE service_id = :id", id=SERVICE)
    assert row is not None
    damaged = row["settings"][:-1] + bytes([row["settings"][-1] ^ 1])
    await store.q.run("UPDATE connections SET settings = :damaged WHERE service_id = :id", damaged=damaged, id=SERVICE)

    listed, named = await vault.get("/vault/connections"), await vault.get(ONE)

    states = {connection["service_id"]: connection["state"] for connection in listed.data}
    assert (listed.status, states["pipedrive"]) == (200, "callable")
    assert (states[SERVICE], named.data["health"]) == ("added", "needs_auth")


async def test_secrets_that_do_not_open_keep_no_new_one_out(deploy: Deploy, tmp_path: Path) -> None:
    """What is damaged is lost already; a person fills in one of two secrets, and then the other."""
    manifest = tmp_path / "connectors" / DESK / "connector.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(DESK_MANIFEST.replace("type: textarea", "type: password, required: true"))
    secrets = {"api_key": "k-4711-4711", "signature": "s-4711-4711"}
    path = f"/vault/connections/issue-tracking/{DESK}"
    async with deploy() as vault:
        await put_integration(vault, "issue-tracking", DESK)
        settings = {"subdomain": "acme", "email": "ada@acme.example", **secrets}
        assert (await vault.patch(path, json={"settings": settings})).status == 200
        await vault.vault.store.q.run("UPDATE connections SET secrets = :damaged", damaged=b"HF\x01" + bytes(100))

        replies = [await vault.patch(path, json={"settings": {id: "new-4711-4711"}}) for id in secrets]

        assert [reply.status for reply in replies] == [200, 200]
        assert [reply.data["state"] for reply in replies] == ["added", "callable"]


async def test_a_node_whose_keys_are_cold_serves_many_at_once(vault: Deployment) -> None:
    """More applications than the pool has connections: a key is read through the transaction that waits for it."""
    applications = [(await manage.create_application(vault.vault, f"Acme {n}"))[0].id for n in range(12)]

    async with another_node(vault) as cold:
        replies = await asyncio.gather(
            *(
                cold.manage("PUT", f"/applications/{id}/integrations/crm/{SERVICE}", json={"client_id": "acme"})
                for id in applications
            )
        )

    assert {reply.status for reply in replies} == {200}


@pytest.mark.parametrize("by_value", [False, True])
@pytest.mark.parametrize(("written", "told"), [(None, "old"), ("acme", "new"), ("globex", "old")])
async def test_what_was_read_before_a_change_is_not_remembered(written: str | None, told: str, by_value: bool) -> None:
    """A read that was under way when something of its application was written serves whoever asked, nobody later."""
    recent, begun, goes_on = Recent(TestClock()), asyncio.Event(), asyncio.Event()

    async def before_the_change() -> str:
        begun.set()
        await goes_on.wait()
        return "old"

    async def after_the_change() -> str:
        return "new"

    owner = (lambda _: "acme") if by_value else "acme"
    reading = asyncio.create_task(recent.get("integration", before_the_change, owner))
    await begun.wait()
    if written:
        recent.forget(written)
    goes_on.set()

    assert await reading == "old"
    assert await recent.get("integration", after_the_change, owner) == told


async def test_a_full_memory_lets_the_oldest_go() -> None:
    """One at a time: what others use stays."""
    recent, reads = Recent(TestClock(), capacity=2), list[str]()

    async def remembered(key: str) -> None:
        async def read() -> str:
            reads.append(key)
            return key

        await recent.get(key, read, "acme")

    for key in ("first", "second", "third", "second", "third", "first"):
        await remembered(key)

    assert reads == ["first", "second", "third", "first"]
