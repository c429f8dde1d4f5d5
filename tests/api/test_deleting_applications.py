"""An application that is deleted takes its grants with it: at the providers too, and whatever they answer."""

from __future__ import annotations

from typing import Any

import pytest
from dance import came_back

from holdfast.store import deletion
from holdfast.testing.harness import SERVICE, Deployment
from holdfast.testing.provider import fail
from holdfast.usecases import deletion as deleting

PATH = f"/vault/connections/crm/{SERVICE}"
CONSUMERS = ("user-1", "user-2", "user-3")
DAY = 24 * 3600
TABLES = ("applications", "api_keys", "integrations", "consumers", "connections", "flows", "confirmations", "events",
          "jobs", "data_keys")  # fmt: skip


@pytest.fixture
async def connected(vault: Deployment) -> Deployment:
    """A vault whose application holds three grants, and a connection without one."""
    for consumer in CONSUMERS:
        await vault.connect(consumer)
    await vault.post(PATH, json={}, consumer="user-4")
    return vault


def path(vault: Deployment, query: str = "") -> str:
    return f"/applications/{vault.application_id}{query}"


async def rows(vault: Deployment, table: str) -> list[dict[str, Any]]:
    name = "id" if table == "applications" else "application_id"
    text = f"SELECT * FROM {table} WHERE {name} = :id"  # noqa: S608
    return [dict(row) for row in await vault.vault.store.q.all(text, id=vault.application_id)]


async def left(vault: Deployment) -> set[str]:
    return {table for table in TABLES if await rows(vault, table)}


def revoked(vault: Deployment) -> int:
    """How many grants the provider was asked to end, each by both of its tokens."""
    return sum(request.path == "/oauth/revoke" for request in vault.provider.received) // 2


async def wait(vault: Deployment, seconds: int) -> None:
    """Lets the worker work as time goes by."""
    for _ in range(seconds // 600):
        await vault.work()
        vault.clock.advance(600)
    await vault.work()


async def test_its_grants_end_at_the_provider_and_then_it_goes(connected: Deployment) -> None:
    """Each grant once; the evidence outlives the application, the data and its keys do not."""
    assert (await connected.manage("DELETE", path(connected))).status == 204
    await wait(connected, 1200)
    assert revoked(connected) == len(CONSUMERS)
    assert await left(connected) == set()
    evidence = await rows(connected, "revocations")
    assert [row["outcome"] for row in evidence] == ["revoked"] * len(CONSUMERS)


async def test_for_everybody_it_is_gone_at_once(connected: Deployment) -> None:
    """Before a single grant has ended: no key, no link, no state, no management."""
    link = await connected.authorize_url()
    begun, callback = await came_back(connected)
    await connected.manage("DELETE", path(connected))
    assert (await connected.get(PATH)).status == 401
    assert (await connected.open(link)).status == 404
    assert (await connected.open(callback, cookie=begun.cookie)).status in (400, 404)
    for method in ("GET", "DELETE"):
        assert (await connected.manage(method, path(connected))).status == 404
    assert (await connected.manage("PATCH", path(connected), json={"name": "Back"})).status == 404
    assert (await connected.manage("POST", path(connected, "/api-keys"))).status == 404
    assert (await connected.manage("GET", "/applications")).data == []


async def test_a_provider_that_is_down_delays_it_and_prevents_nothing(connected: Deployment) -> None:
    """It is asked for about a day; then the grants are given up, and the application goes all the same."""
    with connected.provider.behave("revoke", fail(503)):
        await connected.manage("DELETE", path(connected))
        await wait(connected, 3600)
        assert "data_keys" in await left(connected)
        await wait(connected, 2 * DAY)
    assert await left(connected) == set()
    assert {row["outcome"] for row in await rows(connected, "revocations")} == {"unreachable"}


async def test_a_provider_that_comes_back_is_asked_again(connected: Deployment) -> None:
    """What waits is sealed under the application's keys, so those stay until it has been used."""
    with connected.provider.behave("revoke", fail(503)):
        await connected.manage("DELETE", path(connected))
        await wait(connected, 600)
    await wait(connected, 3 * 3600)
    assert {row["outcome"] for row in await rows(connected, "revocations")} == {"revoked"}
    assert await left(connected) == set()


async def test_large_ones_go_in_portions(connected: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """No portion is larger than its bound, and no connection is forgotten."""
    monkeypatch.setattr(deleting, "PORTION", 2)
    await connected.manage("DELETE", path(connected))
    await wait(connected, 1200)
    assert revoked(connected) == len(CONSUMERS)
    assert await left(connected) == set()


async def test_grants_may_be_kept(connected: Deployment) -> None:
    """Then it goes at once, and no provider hears of it."""
    assert (await connected.manage("DELETE", path(connected, "?keep_grants=true"))).status == 204
    assert await left(connected) == set()
    await wait(connected, 600)
    assert revoked(connected) == 0


async def test_what_would_end_is_told_and_does_not_end(connected: Deployment) -> None:
    """By service: connections, and grants that their provider can end."""
    reply = await connected.manage("GET", path(connected, "/deletion"))
    assert reply.status == 200
    told = {"unified_api": "crm", "service_id": SERVICE, "connections": 4, "grants": 3}
    assert reply.data == [told]
    assert (await connected.get(PATH)).status == 200


async def test_a_damaged_connection_keeps_no_application_from_going(connected: Deployment) -> None:
    """Its grant cannot be ended, and the evidence says so."""
    store = connected.vault.store
    await store.q.run("UPDATE connections SET credential = :blob WHERE consumer_id = 'user-2'", blob=b"damaged")
    await connected.manage("DELETE", path(connected))
    await wait(connected, 1200)
    assert await left(connected) == set()
    outcomes = sorted(row["outcome"] for row in await rows(connected, "revocations"))
    assert outcomes == ["revoked", "revoked", "unreadable"]


async def test_an_integration_that_is_gone_keeps_no_application_from_going(connected: Deployment) -> None:
    """Without its client nothing can be ended; the evidence says so."""
    await connected.manage("DELETE", path(connected, f"/integrations/crm/{SERVICE}"))
    await connected.manage("DELETE", path(connected))
    await wait(connected, 1200)
    assert await left(connected) == set()
    assert {row["outcome"] for row in await rows(connected, "revocations")} == {"failed: IntegrationNotFoundError"}


async def test_one_whose_work_was_lost_is_found_again(connected: Deployment) -> None:
    """Its job was set aside, or somebody deleted it: nothing stays for ever."""
    await connected.manage("DELETE", path(connected))
    await connected.vault.store.q.run("DELETE FROM jobs WHERE kind = :kind", kind=deletion.KIND)
    await deletion.queue_forgotten(connected.vault.store)
    await wait(connected, 1200)
    assert await left(connected) == set()
