"""Tokens that came when nobody wanted them any more, and grants that are given up while a row does not stand still."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path
from typing import Any

import accounts
import pytest
from dance import came_back
from nodes import Deploy
from passing_time import while_time_passes
from structlog.testing import capture_logs
from watched_database import WatchedDatabase, leave_alone, refuse, watched

from holdfast.domain.connection import Connection, disconnected
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.errors import ConflictError
from holdfast.store.connections import Change
from holdfast.store.engine.database import Row
from holdfast.testing.harness import SERVICE, Deployment
from holdfast.testing.provider import stall
from holdfast.usecases import disconnect, revocations
from holdfast.usecases.subject import Subject, find_subject, with_connection

PATH = f"/vault/connections/crm/{SERVICE}"
OWE, UPDATE, WITH_GRANT = "INSERT INTO revocations", "UPDATE connections SET version", "AND granted_at IS NOT NULL"
PERSONIO = "    token: {url: https://api.personio.de/v2/auth/token}\n"


async def evidence(vault: Deployment) -> list[Row]:
    return await vault.vault.store.q.all("SELECT * FROM revocations ORDER BY created_at, id")


async def outcomes(vault: Deployment) -> list[str | None]:
    return [row["outcome"] for row in await evidence(vault)]


async def known(vault: Deployment) -> tuple[ConsumerScope, Subject]:
    """The consumer's connection as somebody reads it who acts on it a moment later."""
    scope = ConsumerScope(vault.application_id, Caller.own("test"), vault.consumer)
    about = await find_subject(scope, vault.vault, "crm", SERVICE)
    return scope, await with_connection(scope, vault.vault, about)


def conflict_once(database: WatchedDatabase, text: str) -> None:
    """Somebody else is quicker, the first time that a statement with `text` is to be executed."""

    async def before(sql: str) -> None:
        if text in sql:
            database.before = leave_alone
            raise ConflictError()

    database.before = before


async def test_a_stray_waits_for_the_database(vault: Deployment) -> None:
    """The provider has granted; what is owed to it is written as soon as that can be."""
    begun, callback = await came_back(vault)
    faulty, database = watched(vault)
    with vault.provider.behave("token:authorization_code", stall(5, committed=True)):
        coming_back = asyncio.create_task(faulty.open(callback, cookie=begun.cookie))
        await vault.clock.asleep()
        await vault.delete(PATH)
        await vault.vault.store.q.run("UPDATE flows SET ended_at = spent_at")
        database.before = refuse(OWE)
        vault.clock.advance(5)
        for _ in range(5):
            await vault.clock.asleep()
            vault.clock.advance(1)
        database.before = leave_alone
        reply = await while_time_passes(vault.clock, coming_back, step=5)
    await vault.work()

    assert reply.parameters["error_type"] == "InvalidStateError"
    assert await outcomes(vault) == ["revoked"]
    assert [grant.ended for grant in vault.provider.ledger.grants] == [True]


async def test_a_stray_is_ended_by_the_client_that_got_it(
    deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the OAuth client is the consumer's own, its secret is needed after the connection is gone."""
    text = (files("holdfast") / "connectors/personio/connector.yaml").read_text()
    assert PERSONIO in text
    manifest = tmp_path / "connectors/personio/connector.yaml"
    manifest.parent.mkdir(parents=True)
    revoke = "    revoke: {url: https://api.personio.de/oauth/revoke, ends: token}\n"
    manifest.write_text(text.replace(PERSONIO, PERSONIO + revoke))
    async with deploy() as vault:
        monkeypatch.setitem(accounts.CONNECTORS, "personio", vault.vault.catalog.get("hris", "personio"))
        account = await accounts.open_account(vault, "personio", "hris")
        await account.fill_in()

        with account.provider.behave("token", stall(5, committed=True)):
            exchanging = asyncio.create_task(vault.post(f"{account.path}/token"))
            await vault.clock.asleep()
            await vault.delete(account.path)
            vault.clock.advance(5)
            reply = await exchanging
        await vault.work()

        assert (reply.status, await outcomes(vault)) == (422, ["revoked"])
        assert [token.ended for token in account.provider.ledger.access.values()] == [True]


async def test_a_revocation_that_met_others_is_tried_again(vault: Deployment) -> None:
    """Contention for a row says nothing about the grant, neither at once nor in the worker."""
    await vault.connect()
    faulty, database = watched(vault)
    conflict_once(database, WITH_GRANT)
    deleted = await faulty.delete(PATH)
    first = await outcomes(vault)
    vault.clock.advance(60)
    conflict_once(database, WITH_GRANT)
    await faulty.work()
    second = await outcomes(vault)
    vault.clock.advance(60)

    await faulty.work()

    assert (deleted.status, first, second, await outcomes(vault)) == (204, [None], [None], ["revoked"])


async def test_what_was_owed_to_a_decision_that_did_not_last_is_owed_no_more(vault: Deployment) -> None:
    """The second look found a newer grant, which nobody gave up: its provider hears nothing."""
    await vault.connect()
    faulty, database = watched(vault)
    scope, about = await known(faulty)
    decided = 0

    def decide(before: Connection | None) -> Change | None:
        nonlocal decided
        decided += 1
        return Change(disconnected(before, vault.clock.now()), None) if before and decided == 1 else None

    conflict_once(database, UPDATE)
    ended = await revocations.drop_grant(scope, faulty.vault, about, decide)

    assert (decided, ended, await outcomes(vault)) == (2, "here", [])
    assert vault.provider.calls["revoke"] == 0
    assert (await vault.get(f"{PATH}/leads/custom-fields")).status == 200


async def test_an_old_revoke_link_that_meets_a_reconnection_ends_nothing(vault: Deployment) -> None:
    """It was read before the consumer connected again, and acts after: the grant that it names is no more."""
    await vault.connect()
    scope, about = await known(vault)
    vault.clock.advance(1)
    await vault.connect()

    ended = await disconnect.disconnect(scope, vault.vault, about)

    assert (ended, vault.provider.calls["revoke"], await outcomes(vault)) == ("here", 0, [])
    assert (await vault.connection())["state"] == "callable"


async def deleted(vault: Deployment, query: str = "") -> Any:
    """The application, deleted by its operator."""
    return await vault.manage("DELETE", f"/applications/{vault.application_id}{query}")


@pytest.mark.parametrize("confirmed", [False, True], ids=["callback", "confirm"])
async def test_an_application_waits_for_its_first_code(vault: Deployment, confirmed: bool) -> None:
    """The provider has granted, nothing is stored yet, and the application is deleted: the grant ends there."""
    if confirmed:
        token = (await vault.connect(nonce="5f0c")).query["confirm_token"]
        await vault.vault.store.q.run("DELETE FROM connections")  # nothing but the code tells of it
        await vault.vault.store.q.run("UPDATE flows SET spent_at = spent_at - 300000")
        coming = vault.post(f"{PATH}/confirm", json={"confirm_token": token})
    else:
        begun, callback = await came_back(vault)
        coming = vault.open(callback, cookie=begun.cookie)
    with vault.provider.behave("token:authorization_code", stall(100, committed=True)):
        redeeming = asyncio.create_task(coming)
        await vault.clock.asleep()
        assert (await deleted(vault)).status == 204
        for _ in range(5):
            await vault.work()
            vault.clock.advance(20)
        await redeeming
        await vault.vault.flights.land()
    for _ in range(5):
        await vault.work()
        vault.clock.advance(60)

    assert await outcomes(vault) == ["revoked"]
    assert [grant.ended for grant in vault.provider.ledger.grants] == [True]
    assert await vault.vault.store.q.all("SELECT id FROM applications") == []
    assert await vault.vault.store.q.all("SELECT key_id FROM data_keys WHERE application_id <> ''") == []


async def test_an_application_waits_for_a_first_token_of_stored_credentials(vault: Deployment) -> None:
    """It is stored, found by the deletion, and given up like any other."""
    account = await accounts.open_account(vault, "personio", "hris")
    await account.fill_in()
    with account.provider.behave("token", stall(100, committed=True)):
        exchanging = asyncio.create_task(vault.post(f"{account.path}/token"))
        await vault.clock.asleep()
        await deleted(vault)
        for _ in range(5):
            await vault.work()
            vault.clock.advance(20)
        await exchanging
        await vault.vault.flights.land()
    kept = await vault.vault.store.q.one("SELECT granted_at FROM connections")
    for _ in range(5):
        await vault.work()
        vault.clock.advance(60)

    assert kept is not None
    assert kept["granted_at"] is not None
    assert await vault.vault.store.q.all("SELECT id FROM applications") == []


async def test_an_application_waits_for_a_refresh_of_what_was_deleted_before_it(vault: Deployment) -> None:
    """The connection is gone and its grant ended at once; the token that is still to come needs the rows to be owed."""
    await vault.connect()
    vault.clock.advance(7200)
    with vault.provider.behave("token:refresh_token", stall(5, committed=True)):
        using = asyncio.create_task(vault.get(f"{PATH}/leads/custom-fields"))
        await vault.clock.asleep()
        await vault.delete(PATH)
        await vault.work()
        await deleted(vault)
        there = await vault.vault.store.q.all("SELECT id FROM applications")
        await while_time_passes(vault.clock, using, step=5)
        await vault.vault.flights.land()

    assert len(there) == 1
    assert len(await outcomes(vault)) == 2


async def test_a_token_of_an_application_that_kept_its_grants_is_told(vault: Deployment) -> None:
    """The rows that a revocation needs are gone by the operator's wish; the log says that a grant lives on unknown."""
    begun, callback = await came_back(vault)
    with vault.provider.behave("token:authorization_code", stall(5, committed=True)):
        coming_back = asyncio.create_task(vault.open(callback, cookie=begun.cookie))
        await vault.clock.asleep()
        await deleted(vault, "?keep_grants=true")
        vault.clock.advance(5)
        with capture_logs() as logs:
            reply = await coming_back

    told = [(line["event"], line["log_level"]) for line in logs if line["event"] == "granted_token_lost"]
    assert (reply.parameters["error_type"], told) == ("InvalidStateError", [("granted_token_lost", "critical")])
    assert await outcomes(vault) == []


async def test_a_deletion_that_meets_others_is_no_evidence_about_a_grant(vault: Deployment) -> None:
    """A connection that does not stand still is given up on the next try, and its provider told."""
    await vault.connect()
    await deleted(vault)
    faulty, database = watched(vault)

    async def never(sql: str) -> None:
        if "DELETE FROM connections" in sql and "version = :version" in sql:
            raise ConflictError()

    database.before = never
    await faulty.work()
    met = await outcomes(vault)
    database.before = leave_alone
    for _ in range(5):
        vault.clock.advance(60)
        await faulty.work()

    assert (met, await outcomes(vault)) == ([], ["revoked"])
    assert await vault.vault.store.q.all("SELECT id FROM applications") == []
