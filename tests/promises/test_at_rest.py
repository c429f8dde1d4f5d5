"""What whoever can read or write the database, and has no key, can do with it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from zlib import crc32

import pytest
from dance import begin
from turning import add_data_key

from holdfast import wiring
from holdfast.domain.tenancy import Caller, Scope
from holdfast.errors import IntegrityError
from holdfast.http.app import app
from holdfast.store import events
from holdfast.store.seal.masterkey import GivenKeys
from holdfast.testing.harness import ADMIN_TOKEN, PUBLIC_URL, SERVICE, Deployment
from holdfast.testing.provider import fail
from holdfast.usecases.revocations import DELAYS

PATH = f"/vault/connections/crm/{SERVICE}"
FIELDS = f"{PATH}/leads/custom-fields"
SEALED = {
    "api_keys": ("sealed",), "integrations": ("sealed",), "connections": ("settings", "credential", "secrets"),
    "flows": ("sealed",), "confirmations": ("sealed",), "events": ("settings",), "jobs": ("sealed",),
}  # fmt: skip


async def sealed_of(vault: Deployment, consumer: str) -> bytes:
    row = await vault.vault.store.q.one("SELECT credential FROM connections WHERE consumer_id = :id", id=consumer)
    assert row is not None
    blob: bytes = row["credential"]
    return blob


async def put(vault: Deployment, consumer: str, blob: bytes) -> None:
    statement = "UPDATE connections SET credential = :blob WHERE consumer_id = :id"
    assert await vault.vault.store.q.run(statement, blob=blob, id=consumer) == 1


async def turn(vault: Deployment) -> None:
    """Another node gives the application a new data key, which this one has not seen."""
    masters = GivenKeys.read(vault.settings.data_dir / wiring.MASTER_KEY_FILE)
    async with wiring.open_vault(vault.settings, clock=vault.clock, door=vault.network) as other:
        await add_data_key(other.store.q, masters, vault.application_id, vault.clock.now())


@pytest.mark.parametrize("how", ["copied from another row", "altered", "put back"])
async def test_a_value_that_is_not_its_own_is_an_error_for_that_row_alone(vault: Deployment, how: str) -> None:
    """Nothing is sent with it, it is told, and the connection beside it goes on."""
    await vault.connect("user-1")
    await vault.connect("user-2")
    old = await sealed_of(vault, "user-1")
    vault.clock.advance(7200)
    await vault.get(FIELDS)
    mine, theirs = await sealed_of(vault, "user-1"), await sealed_of(vault, "user-2")
    altered = mine[:-1] + bytes([mine[-1] ^ 1])
    await put(vault, "user-1", {"copied from another row": theirs, "altered": altered, "put back": old}[how])
    before = len(vault.network.requests)

    used = await vault.get(FIELDS)

    assert (used.status, len(vault.network.requests)) == (401, before)
    assert (await vault.connection())["health"] == "needs_auth"
    assert (await vault.get(FIELDS, consumer="user-2")).status == 200


async def test_a_copy_of_the_database_lets_nobody_in(vault: Deployment) -> None:
    """Whatever stands in the row of a key, in text or in hexadecimal, is no key; of a flow, no state."""
    begun = await begin(vault)
    (key,), (flow,) = [await vault.vault.store.q.all(f"SELECT * FROM {table}") for table in ("api_keys", "flows")]  # noqa: S608
    keys = [await replace(vault, api_key=text).get(PATH) for text in texts(key)]
    states = [
        await vault.open(f"{PUBLIC_URL}/vault/callback?state={s}&code=c", cookie=begun.cookie) for s in texts(flow)
    ]

    assert (await vault.get(PATH)).status == 200
    assert {reply.status for reply in keys} == {401}
    assert {reply.status for reply in states} == {400}


def texts(row: Any) -> list[str]:
    found = [value.hex() if isinstance(value, bytes) else str(value) for value in row.values()]
    return [text for text in found if text and re.fullmatch(r"[\w.=-]+", text)]


async def test_the_master_key_wraps_keys_and_nothing_else(vault: Deployment) -> None:
    """Every other sealed value of a used vault names a data key of its application."""
    await vault.connect()
    await vault.connect(consumer="user-2", nonce="5f0c", redirect_uri=f"{PUBLIC_URL}/oauth/callback")
    await begin(vault)
    await vault.connect("user-3")
    with vault.provider.behave("revoke", fail(503)):
        await vault.delete(PATH)
    query = vault.vault.store.q.all
    keys = {row["key_id"] for row in await query("SELECT key_id FROM data_keys WHERE application_id <> ''")}
    found: dict[str, list[bytes]] = {}
    for table, columns in SEALED.items():
        rows = await query(f"SELECT * FROM {table}")  # noqa: S608 - ours
        found[table] = [row[column] for row in rows for column in columns if row[column]]

    assert [table for table, blobs in found.items() if not blobs] == []
    assert {blob[3:11].hex() for blobs in found.values() for blob in blobs} == keys


async def deleted_on_a_node_with_a_new_key(vault: Deployment) -> None:
    """Another node seals a revocation that waits, and an event, under a data key that this one has not seen."""
    await vault.connect()
    await turn(vault)
    async with wiring.open_vault(vault.settings, clock=vault.clock, door=vault.network) as other:
        with vault.provider.behave("revoke", fail(503)):
            await replace(vault, vault=other, app=app(other, ADMIN_TOKEN)).delete(PATH)
    vault.clock.advance(DELAYS[0])


async def test_a_revocation_opens_under_a_key_that_another_node_added(vault: Deployment) -> None:
    """The worker of a node that knows the old key alone reads the keys once more, and ends the grant."""
    await deleted_on_a_node_with_a_new_key(vault)

    done = await vault.work()

    (evidence,) = await vault.vault.store.q.all("SELECT outcome FROM revocations")
    assert (done, evidence["outcome"]) == (1, "revoked")


async def test_events_open_under_a_key_that_another_node_added(vault: Deployment) -> None:
    """Whoever delivers them reads the keys once more, too."""
    await deleted_on_a_node_with_a_new_key(vault)

    found = await events.undelivered(Scope(vault.application_id, Caller.own("test")), vault.vault.store)

    assert found[-1].event_type == "vault.connection.deleted"


async def test_an_opened_credential_is_not_kept(vault: Deployment) -> None:
    """It is opened for each use: once the stored one is gone, there is nothing in memory to go on with."""
    await vault.connect()
    assert (await vault.get(FIELDS)).status == 200
    await put(vault, "user-1", b"HF\x01" + bytes(100))

    assert (await vault.get(FIELDS)).status == 401


async def test_a_key_reads_as_scanners_expect(vault: Deployment) -> None:
    """Prefix, eight digits of the application, 43 random characters, and a checksum that anybody can compute."""
    parts = re.fullmatch(r"(hf_live_([0-9a-f]{8})_[\w-]{43})_([0-9a-f]{8})", vault.api_key)

    assert parts is not None
    assert parts[2] == vault.application_id[:8]
    assert int(parts[3], 16) == crc32(parts[1].encode())


async def test_a_deleted_application_s_secrets_open_in_no_copy(vault: Deployment) -> None:
    """Its data keys are gone, and a copy of its rows that is put back opens nothing."""
    await vault.connect()
    keyring, scope = vault.vault.store.keyring, Scope(vault.application_id, Caller.own("test"))
    copy = await events.undelivered(scope, vault.vault.store)
    assert copy

    await vault.manage("DELETE", f"/applications/{vault.application_id}")
    for _ in range(5):  # the grant, and the looks whether all is over that was under way
        await vault.work()
        vault.clock.advance(60)

    left = await vault.vault.store.q.all("SELECT * FROM data_keys WHERE application_id = :id", id=vault.application_id)
    assert left == []
    with pytest.raises(IntegrityError):
        await keyring.box(vault.application_id)
