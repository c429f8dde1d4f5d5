"""The gate: what must be so before a credential is used, of whatever kind, and the line that each use leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from accounts import open_account
from watched_database import with_vault

from holdfast.domain.tenancy import Caller, ConsumerScope, Scope
from holdfast.errors import ConnectorDisabledError, InvalidStateError, UnauthorizedError
from holdfast.store import journal
from holdfast.store.journal import Journal
from holdfast.testing.harness import SERVICE, Deployment, Reply
from holdfast.testing.provider import stall
from holdfast.usecases.credential.use import AFTER_CONNECT, CUSTOM_FIELDS, OPTIONS, VALIDATE, use
from holdfast.usecases.subject import Subject, find_subject

ONE = f"/vault/connections/crm/{SERVICE}"
FIELDS = f"{ONE}/leads/custom-fields"
USES = (FIELDS, f"{ONE}/leads/config")


async def journalled(vault: Deployment) -> list[tuple[str, str, str]]:
    """Who opened what, and why: consumer, actor, reason, the latest first."""
    await vault.vault.store.journal.drain()
    rows = await journal.recent(Scope(vault.application_id, Caller.own("test")), vault.vault.store)
    return [(row["consumer_id"], row["actor"].partition(":")[0], row["reason"]) for row in rows]


def scope_of(vault: Deployment) -> ConsumerScope:
    return ConsumerScope(vault.application_id, Caller.own("test"), vault.consumer)


def switched_off(subject: Subject) -> Subject:
    integration = replace(subject.integration, enabled=False)
    return Subject(subject.unified_api, subject.connector, integration, subject.connection)


async def turned_away(vault: Deployment, path: str) -> Reply:
    """The answer to a use for which nobody outside is asked."""
    called = len(vault.network.requests)
    reply = await vault.get(path)
    assert len(vault.network.requests) == called
    return reply


@pytest.mark.parametrize("path", USES)
async def test_a_switched_off_connection_is_not_used(vault: Deployment, path: str) -> None:
    """Its consumer has switched it off: the service is not called with her token."""
    await vault.connect()
    await vault.patch(ONE, json={"enabled": False})

    reply = await turned_away(vault, path)

    assert (reply.status, reply.body["type_name"]) == (422, "InvalidStateError")


@pytest.mark.parametrize("path", USES)
async def test_a_switched_off_integration_is_not_used(vault: Deployment, path: str) -> None:
    """The product has switched the whole integration off."""
    await vault.connect()
    path_of_it = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
    await vault.manage("PUT", path_of_it, json={"enabled": False})

    reply = await turned_away(vault, path)

    assert (reply.status, reply.body["type_name"]) == (422, "ConnectorDisabledError")


@pytest.mark.parametrize("path", USES)
async def test_without_consent_nothing_is_used(vault: Deployment, path: str) -> None:
    """A consumer who has not consented yet, or not any more, keeps the connection and nobody uses it."""
    await vault.connect()
    await vault.vault.store.q.run("UPDATE connections SET consent_state = 'revoked'")

    reply, told = await turned_away(vault, path), await vault.connection()

    assert (reply.status, reply.body["type_name"]) == (422, "InvalidStateError")
    assert (told["state"], told["health"], told["consent_state"]) == ("authorized", "needs_consent", "revoked")


async def test_a_connection_that_lacks_a_setting_lists_choices_and_is_not_used(vault: Deployment) -> None:
    """What is missing can be chosen, with the account's own choices; for everything else it must be callable."""
    books = await open_account(vault, "xero", "accounting")
    await books.take_over()
    await books.patch(settings={"tenant_id": None})
    subject = await find_subject(scope_of(vault), vault.vault, "accounting", "xero")

    with pytest.raises(InvalidStateError):
        await use(scope_of(vault), vault.vault, subject, CUSTOM_FIELDS)
    _, credential = await use(scope_of(vault), vault.vault, subject, OPTIONS)

    assert (await books.told())["state"] == "authorized"
    assert credential.token is not None


async def test_what_is_not_authorized_is_not_used(vault: Deployment) -> None:
    """A connection that was only added has nothing to be used with, for whatever purpose."""
    await vault.patch(ONE, json={"enabled": True})
    subject = await find_subject(scope_of(vault), vault.vault, "crm", SERVICE)

    for purpose in (CUSTOM_FIELDS, OPTIONS, VALIDATE, AFTER_CONNECT):
        with pytest.raises(InvalidStateError):
            await use(scope_of(vault), vault.vault, subject, purpose)
    assert await journalled(vault) == []


async def test_the_gate_asks_what_its_caller_may(vault: Deployment) -> None:
    """Whoever may not is turned away here too, and nothing is opened; who comes through HTTP was asked before."""
    await vault.connect()
    before = await journalled(vault)
    subject = await find_subject(scope_of(vault), vault.vault, "crm", SERVICE)
    stranger = ConsumerScope(vault.application_id, Caller("key:1", frozenset(("sessions",))), vault.consumer)

    with pytest.raises(UnauthorizedError):
        await use(stranger, vault.vault, subject, CUSTOM_FIELDS)
    with pytest.raises(ConnectorDisabledError):
        await use(scope_of(vault), vault.vault, switched_off(subject), CUSTOM_FIELDS)
    assert await journalled(vault) == before


async def test_what_is_switched_off_during_a_refresh_is_not_used(vault: Deployment) -> None:
    """The consumer was quicker than the provider: her new token is kept, and not used."""
    await vault.connect()
    vault.clock.advance(7200)
    with vault.provider.behave("token:refresh_token", stall(5)):
        using = asyncio.create_task(vault.get(FIELDS))
        await vault.clock.asleep()
        await vault.patch(ONE, json={"enabled": False})
        called = vault.provider.calls["api"]
        vault.clock.advance(5)
        reply = await using

    assert (reply.status, vault.provider.calls["api"]) == (422, called)


@pytest.mark.parametrize(("id", "api"), [("activecampaign", "crm"), ("twilio", "sms")])
async def test_a_key_leaves_the_line_that_a_token_leaves(vault: Deployment, id: str, api: str) -> None:
    """An API key, or a user and a password, is journalled before it is used, as a token is."""
    account = await open_account(vault, id, api)
    await account.fill_in()
    before = len(await journalled(vault))

    await vault.post(f"{account.path}/validate")

    assert (await journalled(vault))[0] == ("user-1", "key", "validate")
    assert len(await journalled(vault)) == before + 1


async def test_every_use_of_a_token_is_journalled(vault: Deployment) -> None:
    """The refresh that it needed, and the use itself."""
    await vault.connect()
    vault.clock.advance(7200)
    before = len(await journalled(vault))

    await vault.get(FIELDS)

    reasons = [reason for _, _, reason in (await journalled(vault))[: len(await journalled(vault)) - before]]
    assert sorted(reasons) == ["custom_fields", "refresh"]


async def test_telling_a_connection_opens_no_secret(vault: Deployment) -> None:
    """A GET and a list answer although no secret of the row could be opened, and leave no line in the journal."""
    account = await open_account(vault, "activecampaign", "crm")
    await account.fill_in()
    before = await journalled(vault)
    await vault.vault.store.q.run("UPDATE connections SET secrets = :junk", junk=b"HF\x01" + bytes(100))

    listed, told = await vault.get("/vault/connections"), await account.told()

    assert (listed.status, told["state"], told["health"]) == (200, "callable", "ok")
    assert await journalled(vault) == before


async def test_without_a_journal_nothing_is_used(vault: Deployment, tmp_path: Path) -> None:
    """A journal that cannot be written is a 503, and the service is not called."""
    await vault.connect()
    (tmp_path / "taken").write_text("a file where the directory should be")
    store = vault.vault.store
    blind = with_vault(
        vault, store=type(store)(
            store.database, store.keyring, store.clock, store.q,
            Journal(tmp_path / "taken", store.database, store.clock), store.masks,
        ),
    )  # fmt: skip

    reply = await turned_away(blind, FIELDS)

    assert reply.status == 503


async def test_what_does_not_open_leaves_its_line_too(vault: Deployment) -> None:
    """The line comes before the opening, so no fault in between can hide that somebody wanted the credential."""
    await vault.connect()
    await vault.vault.store.q.run("UPDATE connections SET credential = :junk", junk=b"HF\x01" + bytes(100))
    before = len(await journalled(vault))

    await turned_away(vault, FIELDS)

    after = await journalled(vault)
    assert [reason for _, _, reason in after[: len(after) - before]] == ["custom_fields"]


@pytest.mark.parametrize("column", ["credential", "secrets"])
async def test_a_credential_that_does_not_open_is_told_and_replaced(vault: Deployment, column: str) -> None:
    """The first use finds it out; from then on the connection asks to be connected again, and that mends it."""
    await vault.connect()
    junk = b"HF\x01" + bytes(100)
    await vault.vault.store.q.run(f"UPDATE connections SET {column} = :junk", junk=junk)  # noqa: S608

    used, told = await turned_away(vault, FIELDS), await vault.connection()
    again = await turned_away(vault, FIELDS)
    await vault.connect()

    assert (used.status, again.status, told["state"], told["health"]) == (401, 401, "added", "needs_auth")
    assert (await vault.connection())["health"] == "ok"
    assert (await vault.get(FIELDS)).status == 200


async def test_a_key_that_does_not_open_is_replaced_by_a_new_one(vault: Deployment) -> None:
    """The form that is filled in again takes the place of what is lost."""
    account = await open_account(vault, "activecampaign", "crm")
    await account.fill_in()
    await vault.vault.store.q.run("UPDATE connections SET secrets = :junk", junk=b"HF\x01" + bytes(100))

    tried = await vault.post(f"{account.path}/validate")
    told = await account.told()
    filled_in = await account.fill_in()

    assert (tried.status, told["state"], told["health"]) == (401, "added", "needs_auth")
    assert (filled_in.data["state"], filled_in.data["health"]) == ("callable", "ok")
    assert (await vault.post(f"{account.path}/validate")).data["state"] == "callable"
