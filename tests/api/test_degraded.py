"""A service that cannot be reached: told once by whoever notices, cleared by the first call that gets through."""

from __future__ import annotations

import asyncio

import pytest
from nodes import another_node
from prometheus_client import REGISTRY
from watched_database import leave_alone, refuse, watched

from holdfast.testing.harness import SERVICE, Deployment
from holdfast.testing.network import Fault
from holdfast.testing.provider import Behaviour, RawAnswer, drop, fail

PATH = f"/vault/connections/crm/{SERVICE}"
FIELDS = f"{PATH}/leads/custom-fields"


async def failing(vault: Deployment, behaviour: Behaviour) -> int:
    """The status of a call during which the service behaves so."""
    with vault.provider.behave("api", behaviour):
        return (await vault.get(FIELDS)).status


async def degraded_events(vault: Deployment) -> list[str]:
    return [event for event in await vault.events() if event.startswith("downstream.")]


async def version(vault: Deployment) -> int:
    """How often the row has been written."""
    row = await vault.vault.store.q.one("SELECT version FROM connections")
    assert row is not None
    return int(row["version"])


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("holdfast_service_requests_total", {"outcome": outcome}) or 0


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_gateway_without_its_service_degrades_the_connection(vault: Deployment, status: int) -> None:
    """Health and time say so; the connection stays callable, and the first call that gets through clears it."""
    await vault.connect()

    await failing(vault, fail(status))
    during, at = await vault.connection(), vault.clock.now()
    vault.clock.advance(60)
    again = await vault.get(FIELDS)
    afterwards = await vault.connection()

    assert (during["health"], during["state"], during["last_downstream_error_at"]) == ("degraded", "callable", at)
    assert again.status == 200
    assert (afterwards["health"], afterwards["last_downstream_error_at"]) == ("ok", 0)
    assert await degraded_events(vault) == ["downstream.degraded", "downstream.recovered"]


@pytest.mark.parametrize("fault", ["refused", "timeout", "lost"])
async def test_a_network_that_fails_degrades_the_connection(vault: Deployment, fault: Fault) -> None:
    """Whatever it was that brought no answer."""
    await vault.connect()
    vault.network.fail_next(fault)

    reply = await vault.get(FIELDS)

    assert (reply.status, (await vault.connection())["health"]) == (422, "degraded")


async def test_an_answer_that_breaks_off_degrades_the_connection(vault: Deployment) -> None:
    """Its head is no proof that there is somebody behind it."""
    await vault.connect()

    await failing(vault, drop())

    assert (await vault.connection())["health"] == "degraded"


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429, 500])
async def test_an_answer_of_the_service_itself_does_not(vault: Deployment, status: int) -> None:
    """It was reached; what it thinks of the request is another matter. So it clears the fact, too."""
    await vault.connect()

    await failing(vault, fail(status))
    before = (await vault.connection())["health"]
    await failing(vault, fail(503))
    await failing(vault, fail(status))

    assert (before, (await vault.connection())["health"]) == ("ok", "ok")


async def test_a_row_of_failures_is_written_and_told_once(vault: Deployment) -> None:
    """Since when is what counts; ten more failures, and ten more successes, write nothing."""
    await vault.connect()
    await failing(vault, fail(503))
    since, written = (await vault.connection())["last_downstream_error_at"], await version(vault)

    for _ in range(10):
        vault.clock.advance(1)
        await failing(vault, fail(503))
    failures = await version(vault) - written
    for _ in range(10):
        await vault.get(FIELDS)

    assert (failures, await version(vault) - written) == (0, 1)
    assert since == vault.clock.now() - 10_000
    assert await degraded_events(vault) == ["downstream.degraded", "downstream.recovered"]


async def test_many_calls_that_fail_at_once_on_two_nodes_tell_it_once(vault: Deployment) -> None:
    """All of them have read the connection before any of them writes; some fail a second after the others."""
    await vault.connect()
    async with another_node(vault) as other:
        calls = []
        for node, seconds in ((vault, 5), (other, 6)):
            with vault.provider.behave("api", Behaviour(delay=seconds, acts=False, answer=RawAnswer(503, {}))):
                calls += [asyncio.create_task(node.get(FIELDS)) for _ in range(10)]
                await vault.clock.asleep(len(calls))
        vault.clock.advance(5)
        await asyncio.gather(*calls[:10])
        vault.clock.advance(1)
        await asyncio.gather(*calls)

    assert await degraded_events(vault) == ["downstream.degraded"]


async def test_the_answer_arrives_though_the_fact_cannot_be_written(vault: Deployment) -> None:
    """A local fault costs the fact alone."""
    await vault.connect()
    await failing(vault, fail(503))
    seen, database = watched(vault)
    database.before = refuse("UPDATE connections")

    reply = await seen.get(FIELDS)
    database.before = leave_alone

    assert (reply.status, (await vault.connection())["health"]) == (200, "degraded")


async def test_a_deleted_connection_stays_deleted(vault: Deployment) -> None:
    """A call that was under way when the connection was deleted writes nothing of it."""
    await vault.connect()
    slow_503 = Behaviour(delay=5, acts=False, answer=RawAnswer(503, {}))
    with vault.provider.behave("api", slow_503, times=1):
        call = asyncio.create_task(vault.get(FIELDS))
        await vault.clock.asleep(1)
        await vault.delete(PATH)
        await vault.connect()
        vault.clock.advance(5)
        await call

    assert (await vault.connection())["health"] == "ok"


async def test_what_requests_show_is_counted(vault: Deployment) -> None:
    """An answer of whatever status, or none."""
    await vault.connect()
    before = [counted("answered"), counted("unreachable")]

    await vault.get(FIELDS)
    await failing(vault, fail(404))
    await failing(vault, fail(503))

    assert [counted("answered") - before[0], counted("unreachable") - before[1]] == [2, 1]
