"""Connections that are looked after though nobody waits: in time, by nobody twice, and never for its own sake."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from crms import (
    DAY,
    HOUR,
    MINUTE,
    REFRESHES,
    SLOW,
    at_service,
    connect,
    offer,
    pass_time,
    refreshes,
    use,
    write_manifest,
)
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from work import until

from holdfast import worker
from holdfast.store.due import CLAIM
from holdfast.testing.harness import Deployment, deployment
from holdfast.testing.provider import Lifetimes, RawAnswer, drop, fail, lie, say, stall
from holdfast.testing.provider.sandbox import CRM
from holdfast.usecases.credential import recovery
from holdfast.worker.kinds import KINDS, Rounds

EARLY, AHEAD = 0.74 * HOUR, 0.86 * HOUR
INVALID_GRANT = say(RawAnswer(400, {"Content-Type": "application/json"}, b'{"error": "invalid_grant"}'))


async def test_a_token_that_is_used_is_replaced_before_it_ends(vault: Deployment) -> None:
    """At four fifths of its life, so that nobody waits for it when it would have ended."""
    await vault.connect()
    await use(vault)
    vault.clock.advance(EARLY)
    await vault.work()
    before = refreshes(vault)
    vault.clock.advance(AHEAD - EARLY)
    await vault.work()
    ahead = refreshes(vault)

    vault.clock.advance(HOUR - AHEAD + 1)
    reply = await use(vault)

    assert (before, ahead, reply.status, refreshes(vault)) == (0, 1, 200, 1)


async def test_a_token_that_nobody_uses_is_not_replaced(vault: Deployment) -> None:
    """A service is not asked for what nobody needs; the first use after its end asks."""
    await vault.connect()

    await pass_time(vault, DAY, step=MINUTE * 10)
    unused = refreshes(vault)
    reply = await use(vault)

    assert (unused, reply.status, refreshes(vault)) == (0, 200, 1)


async def test_a_connection_in_constant_use_never_waits_for_a_token(vault: Deployment) -> None:
    """A day of use, each quarter of an hour: every refresh came from the worker, none from a use."""
    await vault.connect()
    for _ in range(24 * 4):
        before = refreshes(vault)
        await use(vault)
        assert refreshes(vault) == before
        await pass_time(vault, HOUR / 4, step=MINUTE)

    assert 24 * HOUR / (0.86 * HOUR) - 1 <= refreshes(vault) <= 24 * HOUR / (0.74 * HOUR) + 1


async def test_a_refresh_ahead_that_fails_costs_nothing(vault: Deployment) -> None:
    """The token that is still good serves, and the worker comes back after ten minutes."""
    await vault.connect()
    await use(vault)
    vault.clock.advance(0.86 * HOUR)
    with vault.provider.behave(REFRESHES, fail(503)):
        await vault.work()
        failed = (await vault.connection())["health"]
        reply = await use(vault)
        await pass_time(vault, 9 * MINUTE, step=MINUTE)
        patient = refreshes(vault)

    await pass_time(vault, MINUTE, step=MINUTE)

    assert (failed, reply.status, patient, refreshes(vault)) == ("pending_refresh", 200, 1, 2)
    assert (await vault.connection())["health"] == "ok"
    assert [e for e in await vault.events() if e.startswith("token_refresh")] == [
        "token_refresh.pending",
        "token_refresh.recovered",
    ]


async def test_a_provider_that_is_down_for_long_is_asked_less_and_less(vault: Deployment) -> None:
    """Six times an hour at first, four times a day in the end."""
    await vault.connect()
    await use(vault)
    vault.clock.advance(0.86 * HOUR)
    with vault.provider.behave(REFRESHES, fail(503)):
        await pass_time(vault, HOUR, step=MINUTE)
        first_hour = refreshes(vault)
        await pass_time(vault, 5 * DAY, step=10 * MINUTE)
        before = refreshes(vault)
        await pass_time(vault, DAY, step=10 * MINUTE)

    assert 4 <= first_hour <= 6
    assert refreshes(vault) - before <= 5


async def test_a_grant_that_is_refused_is_given_up_though_nobody_uses_it(vault: Deployment) -> None:
    """After two days, in which the provider is asked five times a day at most; then its consumer is told."""
    await vault.connect()
    await use(vault)
    vault.clock.advance(0.86 * HOUR)
    with vault.provider.behave(REFRESHES, INVALID_GRANT):
        await pass_time(vault, 2 * DAY - HOUR, step=10 * MINUTE)
        during = (await vault.connection())["health"]
        await pass_time(vault, 2 * HOUR, step=10 * MINUTE)
        asked = refreshes(vault)
        await pass_time(vault, DAY, step=HOUR)

    connection = await vault.connection()
    assert (during, connection["state"], connection["health"]) == ("pending_refresh", "added", "needs_auth")
    assert (await vault.events())[-1] == "token_refresh.failed"
    assert 2 <= asked <= 12
    assert refreshes(vault) == asked


async def test_a_provider_that_asks_for_a_pause_gets_it(vault: Deployment) -> None:
    """For all connections to it: what is due of them waits, and no later than need be."""
    for consumer in ("user-1", "user-2", "user-3"):
        await vault.connect(consumer)
        await use(vault, consumer=consumer)
    vault.clock.advance(0.86 * HOUR)
    one = [Rounds(kind.name, kind.work, places=1) for kind in KINDS if isinstance(kind, Rounds)]
    with vault.provider.behave(REFRESHES, fail(429, retry_after=120), times=1):
        await worker.drain(vault.vault, one)
        vault.clock.advance(119)
        await worker.drain(vault.vault, one)
        patient = refreshes(vault)

    vault.clock.advance(1)
    await worker.drain(vault.vault, one)

    assert (patient, refreshes(vault)) == (1, 3)


async def test_a_provider_that_refreshes_late_is_asked_late(database_url: str, tmp_path: Path) -> None:
    """A refresh that it would refuse is not tried: it comes in the last half minute, and comes in time."""
    shape = replace(CRM, lifetimes=Lifetimes(access=600, not_before_expiry=30))
    async with at_service(tmp_path, database_url, "not_before_expiry: 30, access_lifetime: 600", shape) as vault:
        await connect(vault, SLOW)
        await use(vault, SLOW)
        await pass_time(vault, 569, step=1)
        early = refreshes(vault)
        await pass_time(vault, 5, step=1)

        assert (early, refreshes(vault)) == (0, 1)
        assert (await vault.connection(SLOW))["health"] == "ok"


async def test_a_refresh_token_that_dies_of_idleness_is_kept_alive(database_url: str, tmp_path: Path) -> None:
    """Nobody uses the connection for half a year, and it works when somebody does."""
    shape = replace(CRM, lifetimes=Lifetimes(refresh=30 * DAY))
    async with at_service(tmp_path, database_url, f"idle_lifetime: {30 * DAY}", shape) as vault:
        await connect(vault, SLOW)
        with capture_logs() as logs:
            await pass_time(vault, 182 * DAY, step=6 * HOUR)
        kept = refreshes(vault)
        reply = await use(vault, SLOW)

        assert reply.status == 200
        assert 10 <= kept <= 13
        assert [entry for entry in logs if entry["event"] == "grant_ends_soon"] == []


async def test_a_grant_that_nobody_can_keep_alive_is_told_in_time(database_url: str, tmp_path: Path) -> None:
    """Once, a week before its end: in the log, and in what is counted."""
    shape = replace(CRM, lifetimes=Lifetimes(refresh=60 * DAY))
    async with at_service(tmp_path, database_url, f"idle_lifetime: {60 * DAY}", shape) as vault:
        await connect(vault, SLOW)
        before = ending()
        with vault.provider.behave(REFRESHES, fail(503)), capture_logs() as logs:
            await pass_time(vault, 52 * DAY, step=6 * HOUR)
            early = [entry for entry in logs if entry["event"] == "grant_ends_soon"]
            await pass_time(vault, 7 * DAY, step=6 * HOUR)

        (told,) = [entry for entry in logs if entry["event"] == "grant_ends_soon"]
        assert early == []
        assert (told["service"], 6.5 <= told["days"] <= 7, ending() - before) == (SLOW, True, 1)


def ending() -> float:
    return REGISTRY.get_sample_value("holdfast_grants_ending_total") or 0


async def test_what_is_switched_off_is_left_alone(vault: Deployment) -> None:
    """The connection, or the integration: no token of it is used for anything."""
    for consumer in ("user-1", "user-2"):
        await vault.connect(consumer)
        await use(vault, consumer=consumer)
    await vault.patch("/vault/connections/crm/sandbox-crm", json={"enabled": False}, consumer="user-2")
    path = f"/applications/{vault.application_id}/integrations/crm/sandbox-crm"
    await vault.manage("PUT", path, json={"enabled": False})
    vault.clock.advance(0.86 * HOUR)

    await vault.work()

    assert refreshes(vault) == 0


async def test_a_service_that_stalls_holds_up_no_other_one(database_url: str, tmp_path: Path) -> None:
    """However many of its connections are due: they have their share of the places."""
    write_manifest(tmp_path, SLOW, "access_lifetime: 3600")
    async with deployment(tmp_path, database_url=database_url) as vault:
        await offer(vault, SLOW)
        for n in range(12):
            await connect(vault, SLOW, f"user-{n}")
            await use(vault, SLOW, f"user-{n}")
        vault.clock.advance(MINUTE)
        await vault.connect("user-0")
        await use(vault, consumer="user-0")
        vault.clock.advance(HOUR)
        rounds = [kind for kind in KINDS if isinstance(kind, Rounds)]

        with vault.provider.behave(REFRESHES, stall(20), times=8):
            async with worker.running(vault.vault, rounds, grace=5):
                await until(lambda: refreshes(vault) == 9)
                await until(lambda: vault.clock.sleepers >= 8)
                health = await vault.connection(consumer="user-0")
                held = vault.clock.sleepers
                vault.clock.advance(20)
                await until(lambda: refreshes(vault) == 13)

        assert (health["health"], held >= 8) == ("ok", True)


async def test_a_worker_that_ends_gives_back_what_it_had_begun(vault: Deployment) -> None:
    """Nobody waits for its claim to run out."""
    await vault.connect()
    await use(vault)
    vault.clock.advance(0.86 * HOUR)
    begun = asyncio.Event()

    async def begin(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with worker.running(vault.vault, [Rounds("upkeep", begin)], grace=0):
        await begun.wait()
    await vault.work()

    assert refreshes(vault) == 1


@pytest.mark.parametrize("error", [ValueError("rt-secret"), RuntimeError("rt-secret")])
async def test_a_failure_that_nobody_foresaw_is_told_and_tried_again(vault: Deployment, error: Exception) -> None:
    """When the claim has run out; what the failure says of the connection is not told."""
    await vault.connect()
    await use(vault)
    vault.clock.advance(0.86 * HOUR)

    async def stumble(*_: object) -> None:
        raise error

    with capture_logs() as logs:
        await worker.drain(vault.vault, [Rounds("upkeep", stumble)])
    await vault.work()
    early = refreshes(vault)
    vault.clock.advance(CLAIM / 1000)
    await vault.work()

    assert (early, refreshes(vault)) == (0, 1)
    assert [entry["error"] for entry in logs if entry["event"] == "upkeep_failed"] == [type(error).__name__]
    assert "rt-secret" not in repr(logs)


async def test_a_lifetime_that_a_refresh_tells_moves_the_moment(vault: Deployment) -> None:
    """Each token's own life counts, not that of the one before."""
    await vault.connect()
    await use(vault)
    vault.clock.advance(0.86 * HOUR)
    with vault.provider.behave(REFRESHES, lie(expires_in=600)):
        await vault.work()
    await use(vault)
    vault.clock.advance(0.86 * 600)
    await vault.work()

    assert refreshes(vault) == 2


async def test_an_answer_that_was_lost_ahead_of_time_costs_the_old_token_nothing(vault: Deployment) -> None:
    """The provider has ended the refresh token, and nobody has the new one: the old access token serves to its end,
    and only then is the refresh token used again. What that shows is told, though nobody uses the connection."""
    await vault.connect()
    await use(vault)
    vault.clock.advance(0.86 * HOUR)
    with vault.provider.behave(REFRESHES, drop(committed=True), times=1):
        await vault.work()
    during = (await vault.connection())["health"]
    await pass_time(vault, 0.13 * HOUR, step=MINUTE)
    reply = await use(vault)
    patient = refreshes(vault)

    await pass_time(vault, 51 * HOUR, step=10 * MINUTE)

    assert (during, reply.status, patient) == ("pending_refresh", 200, 1)
    assert (await vault.connection())["health"] == "needs_auth"
    assert [e for e in await vault.events() if e.startswith("token_refresh")] == [
        "token_refresh.pending",
        "token_refresh.failed",
    ]


async def test_what_a_node_left_unanswered_is_tried_again_though_nobody_asks(vault: Deployment) -> None:
    """It died after it had sent; whoever tells of it says when it is looked at again: when the token has ended."""
    await vault.connect()
    (row,) = await vault.vault.store.q.all("SELECT id, credential_generation, expires_at FROM connections")
    await vault.vault.store.q.run(
        "INSERT INTO presentations (connection_id, attempt, generation, node, process, presented_at, settles_at) "
        "VALUES (:id, 1, :generation, 'gone', 'gone-1', :at, :at)",
        id=row["id"],
        generation=row["credential_generation"],
        at=vault.clock.now(),
    )
    vault.clock.advance(1)

    await recovery.recover(vault.vault)

    (planned,) = await vault.vault.store.q.all("SELECT due_at FROM connections")
    assert planned["due_at"] == row["expires_at"] + 600_000
    await pass_time(vault, 2 * HOUR, step=10 * MINUTE)
    assert (refreshes(vault), (await vault.connection())["health"]) == (1, "ok")
