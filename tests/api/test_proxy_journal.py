"""The proxy: what is written down of a call, and what never is."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

import pytest
from proxying import bearer, proxy
from structlog.testing import capture_logs

from holdfast.domain.tenancy import Caller, Scope
from holdfast.store import journal
from holdfast.testing.harness import Deployment
from holdfast.testing.provider import fail, stall

SECRET = "hans.maier@northwind.example"


async def journalled(vault: Deployment) -> list[dict[str, Any]]:
    """The entries of calls, the latest first."""
    await vault.vault.store.journal.drain()
    rows = await journal.recent(Scope(vault.application_id, Caller.own("test")), vault.vault.store)
    return [dict(row) for row in rows if row["reason"] == journal.CALL]


async def test_every_call_is_written_down(mirrored: Deployment) -> None:
    """Who, with which connection, what it called and what came of it; of the path no value, of the query nothing."""
    url = f"/mirror?email={SECRET}&key=k"

    await proxy(mirrored, "POST", url, body=SECRET.encode(), headers={"x-note": SECRET})
    (entry,) = await journalled(mirrored)

    row = await mirrored.vault.store.q.one("SELECT id, credential_generation FROM connections")
    assert row is not None
    assert entry["actor"].startswith("key:")
    told = {name: entry[name] for name in ("consumer_id", "connection_id", "generation", "method", "host", "path")}
    assert told == {
        "consumer_id": "user-1", "connection_id": row["id"], "generation": row["credential_generation"],
        "method": "POST", "host": "127.0.0.1:9000", "path": "/api/v1/mirror",
    }  # fmt: skip
    assert (entry["status"], SECRET in str(entry)) == (200, False)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/services/data/v59.0/sobjects/Account/0015g00000Hn", "/services/data/v59.0/sobjects/Account/{}"),
        ("/crm/v3/objects/contacts/batch_read", "/crm/v3/objects/contacts/batch_read"),
        (f"/users/{SECRET}/messages", "/users/{}/messages"),
        ("/v1/customers/cus_9s6XKzkNRiz8i3", "/v1/customers/{}"),
        ("/3/items/%F0%9F%92%A9/" + "a" * 40, "/3/items/{}/{}"),
        ("/2.0/Invoices(guid'1-2')/$metadata", "/2.0/{}/$metadata"),
        ("/" + "/".join("abcdefghijklmnopqrstuvwxyz"), "/" + "/".join("abcdefghijklmnop")),
    ],
)
async def test_a_path_is_told_without_its_values(mirrored: Deployment, path: str, told: str) -> None:
    """Words of the API stay; ids, addresses and whatever else may name somebody do not."""
    await proxy(mirrored, url=f"http://127.0.0.1:9000{path}")

    assert [entry["path"] for entry in await journalled(mirrored)] == [told]


async def test_a_call_made_twice_is_two_entries(mirrored: Deployment) -> None:
    """The one that was refused with the old token, and the one with the new."""
    mirrored.clock.advance(300)
    mirrored.provider.ledger.access.clear()

    await proxy(mirrored)

    assert sorted((e["status"], e["generation"]) for e in await journalled(mirrored)) == [(200, 2), (401, 1)]


async def test_a_call_without_an_answer_is_written_down(mirrored: Deployment) -> None:
    """It may have been acted on."""
    mirrored.network.fail_next("lost")

    await proxy(mirrored, "POST", body=b"{}")

    assert [(e["method"], e["status"]) for e in await journalled(mirrored)] == [("POST", None)]


async def test_a_call_that_its_caller_gave_up_is_written_down(mirrored: Deployment) -> None:
    """Just as well."""
    with mirrored.provider.behave("api", stall(60)):
        calling = asyncio.create_task(proxy(mirrored, "POST", body=b"{}"))
        await mirrored.clock.asleep()
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)

    assert [(e["method"], e["status"]) for e in await journalled(mirrored)] == [("POST", None)]


async def test_a_call_with_an_authorization_of_the_callers_own_is_written_down(mirrored: Deployment) -> None:
    """Nothing is opened for it, and it is a call all the same."""
    await proxy(mirrored, headers={"x-apideck-downstream-authorization": "Bearer of-the-callers-own"})

    assert [entry["status"] for entry in await journalled(mirrored)] == [401]


async def test_a_refused_call_is_none(mirrored: Deployment) -> None:
    """What did not leave the vault is no call."""
    await proxy(mirrored, url="https://evil.example/")

    assert await journalled(mirrored) == []


async def test_a_journal_that_fails_after_the_call_does_not_cost_the_answer(
    mirrored: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made; that it is not written down is a word in the log for whoever watches it."""
    write, written = journal._File.write, []

    def full(file: Any, line: bytes) -> None:
        written.append(line)
        if len(written) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, line)

    monkeypatch.setattr(journal._File, "write", full)
    with capture_logs() as logs:
        reply = await proxy(mirrored)

    assert reply.status == 200
    assert [entry["log_level"] for entry in logs if entry["event"] == "call_not_journalled"] == ["critical"]


async def test_nothing_of_a_call_is_in_the_log(mirrored: Deployment) -> None:
    """Neither its URL, nor a header, nor a body, whatever becomes of it."""
    own = {"x-apideck-downstream-authorization": f"Bearer {SECRET}"}
    with capture_logs() as logs:
        for fault in (None, "lost"):
            if fault:
                mirrored.network.fail_next("lost")
            url = f"/mirror?email={SECRET}"
            await proxy(mirrored, "POST", url, body=SECRET.encode(), headers={"x-note": SECRET, **own})
        await proxy(mirrored, url=f"https://evil.example/{SECRET}")
        with mirrored.provider.behave("api", fail(502)):
            await proxy(mirrored)

    assert SECRET not in str(logs)
    assert bearer(mirrored) not in str(logs)
