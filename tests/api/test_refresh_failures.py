"""Refreshes that fail: who must act, how long the connection is kept, and that nothing is lost in silence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from nodes import Deploy
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from holdfast.testing.clock import TestClock
from holdfast.testing.harness import CLIENT_ID, CLIENT_SECRET, SERVICE, Deployment, Reply
from holdfast.testing.provider import Behaviour, Lifetimes, RawAnswer, SandboxProvider, Shape, drop, fail, say
from holdfast.testing.provider.crm import SCOPES

PATH = f"/vault/connections/crm/{SERVICE}"
HOUR, COOLDOWN, RETENTION = 3600, 30, 48 * 3600
REFRESHES = "token:refresh_token"
JSON = {"Content-Type": "application/json"}
INVALID_GRANT = say(RawAnswer(400, JSON, b'{"error": "invalid_grant"}'))
TEMPORARY: dict[str, Behaviour] = {
    "500": fail(500),
    "503": fail(503),
    "429": fail(429),
    "a gateway's page": say(RawAnswer(502, {"Content-Type": "text/html"}, b"<h1>502 Bad Gateway</h1>")),
    "hangs up before": drop(committed=False),
    "temporarily_unavailable": say(RawAnswer(400, JSON, b'{"error": "temporarily_unavailable"}')),
}


async def use(vault: Deployment, **options: Any) -> Reply:
    return await vault.get(f"{PATH}/leads/custom-fields", **options)


async def failing(vault: Deployment, behaviour: Behaviour) -> Reply:
    """A use during which every refresh fails so."""
    with vault.provider.behave(REFRESHES, behaviour):
        return await use(vault)


async def refresh_events(vault: Deployment) -> list[str]:
    return [event for event in await vault.events() if event.startswith("token_refresh.")]


async def told(vault: Deployment) -> dict[str, Any]:
    """What the connection says of its credentials."""
    members = ("state", "health", "credentials_expire_at", "last_refresh_failed_at")
    return {member: (await vault.connection())[member] for member in members}


@pytest.mark.parametrize("name", TEMPORARY)
async def test_a_provider_that_cannot_answer_now_is_asked_again(vault: Deployment, name: str) -> None:
    """Nobody has to act: the connection stays callable, says that a refresh is pending, and recovers by itself."""
    await vault.connect()
    vault.clock.advance(HOUR)

    failed = await failing(vault, TEMPORARY[name])
    during = await told(vault)
    vault.clock.advance(COOLDOWN)
    again = await use(vault)

    assert (failed.status, failed.body["type_name"]) == (422, "OAuthConnectorError")
    assert during == {
        "state": "callable",
        "health": "pending_refresh",
        "credentials_expire_at": 0,
        "last_refresh_failed_at": vault.clock.now() - COOLDOWN * 1000,
    }
    assert again.status == 200
    assert await told(vault) == {
        "state": "callable",
        "health": "ok",
        "credentials_expire_at": 0,
        "last_refresh_failed_at": 0,
    }
    assert await refresh_events(vault) == ["token_refresh.pending", "token_refresh.recovered"]


async def test_a_token_that_still_lives_serves_meanwhile(vault: Deployment) -> None:
    """A refresh is tried half a minute early: if it fails, the old token is still good."""
    await vault.connect()
    vault.clock.advance(HOUR - 20)

    replies = [await failing(vault, fail(503)), await use(vault)]

    assert {reply.status for reply in replies} == {200}
    assert vault.provider.calls[REFRESHES] == 1
    assert (await told(vault))["health"] == "pending_refresh"


async def test_after_a_failure_the_provider_is_left_alone_for_a_while(vault: Deployment) -> None:
    """However many ask: they are told when to come back."""
    await vault.connect()
    vault.clock.advance(HOUR)
    await failing(vault, fail(503))

    replies = [await use(vault) for _ in range(10)]

    assert {reply.status for reply in replies} == {422}
    assert {reply.headers["retry-after"] for reply in replies} == {str(COOLDOWN)}
    assert vault.provider.calls[REFRESHES] == 1


LATER = "Thu, 21 Oct 2032 07:28:00 GMT"


@pytest.mark.parametrize("said", ["120", "0", "-1", "\xb2", "soon", "9" * 40, LATER])
async def test_whatever_a_provider_says_about_waiting_can_be_read(vault: Deployment, said: str) -> None:
    """Seconds and dates are passed on, up to an hour; anything else is as if it had not been said: our own pause."""
    await vault.connect()
    vault.clock.advance(HOUR)

    reply = await failing(vault, fail(429, retry_after=said))

    assert reply.status == 422
    assert reply.headers.get("retry-after") == {"120": "120", "9" * 40: "3600", LATER: "3600"}.get(said, "30")


async def test_an_answer_that_is_lost_shows(vault: Deployment) -> None:
    """The provider has rotated the token and nobody has the new one: told at once, and again when it is certain."""
    await vault.connect()
    vault.clock.advance(HOUR)

    await failing(vault, drop(committed=True))
    lost = await told(vault)
    vault.clock.advance(COOLDOWN)
    refused = await use(vault)

    assert (lost["state"], lost["health"]) == ("callable", "pending_refresh")
    assert (refused.status, refused.body["type_name"]) == (401, "OAuthConnectorError")
    assert (await told(vault))["credentials_expire_at"] == vault.clock.now() + RETENTION * 1000
    assert await refresh_events(vault) == ["token_refresh.pending"]


async def test_an_answer_that_is_lost_costs_nothing_where_the_provider_is_patient(deploy: Deploy) -> None:
    """Some give the same answer again for a while, for just this reason."""
    clock, shape = TestClock(), Shape(scopes=SCOPES, lifetimes=Lifetimes(rotation="grace", grace=600))
    async with deploy(clock=clock, provider=SandboxProvider(clock=clock, shape=shape)) as vault:
        await vault.connect()
        clock.advance(HOUR)

        await failing(vault, drop(committed=True))
        clock.advance(COOLDOWN)

        assert (await use(vault)).status == 200
        assert (await told(vault))["health"] == "ok"


async def test_a_refused_token_is_kept_for_two_days(vault: Deployment) -> None:
    """Providers refuse by mistake; until the time is over the connection stays callable and says until when."""
    await vault.connect()
    vault.clock.advance(HOUR)
    until = vault.clock.now() + RETENTION * 1000

    failed = await failing(vault, INVALID_GRANT)
    first = await told(vault)
    vault.clock.advance(RETENTION - 60)
    await failing(vault, INVALID_GRANT)
    last = await told(vault)

    assert (failed.status, failed.body["type_name"]) == (401, "OAuthConnectorError")
    assert [(t["state"], t["health"], t["credentials_expire_at"]) for t in (first, last)] == [
        ("callable", "pending_refresh", until),
        ("callable", "pending_refresh", until),
    ]
    assert await refresh_events(vault) == ["token_refresh.pending"]


async def test_a_refused_token_may_still_recover(vault: Deployment) -> None:
    """Then everything that was known against it is forgotten, and both events are told once."""
    await vault.connect()
    vault.clock.advance(HOUR)
    for _ in range(3):
        await failing(vault, INVALID_GRANT)
        vault.clock.advance(COOLDOWN)

    assert (await use(vault)).status == 200
    assert await told(vault) == {
        "state": "callable",
        "health": "ok",
        "credentials_expire_at": 0,
        "last_refresh_failed_at": 0,
    }
    assert await refresh_events(vault) == ["token_refresh.pending", "token_refresh.recovered"]


async def test_after_two_days_the_token_is_given_up(vault: Deployment) -> None:
    """The consumer must connect again, which is told once; the credential is no longer in the database."""
    await vault.connect()
    vault.clock.advance(HOUR)
    await failing(vault, INVALID_GRANT)
    vault.clock.advance(RETENTION)

    failed = await failing(vault, INVALID_GRANT)
    afterwards = await use(vault)

    row = await vault.vault.store.q.one("SELECT credential FROM connections")
    assert failed.status == 401
    assert (await told(vault))["state"] == "added"
    assert (await told(vault))["health"] == "needs_auth"
    assert afterwards.status == 422
    assert row is not None
    assert row["credential"] is None
    assert await refresh_events(vault) == ["token_refresh.pending", "token_refresh.failed"]


async def test_connecting_again_ends_the_trouble(vault: Deployment) -> None:
    """A new consent clears what was known against the old one."""
    await vault.connect()
    vault.clock.advance(HOUR)
    await failing(vault, INVALID_GRANT)

    await vault.connect()

    assert (await told(vault))["health"] == "ok"
    assert (await use(vault)).status == 200


async def test_a_wrong_client_secret_kills_no_connection(vault: Deployment) -> None:
    """The operator's mistake, or the provider's: ten connections stay as they are and work once it is put right."""
    consumers = [f"user-{number}" for number in range(10)]
    for consumer in consumers:
        await vault.connect(consumer=consumer)
    vault.clock.advance(HOUR)
    client = vault.provider.clients[CLIENT_ID]
    vault.provider.clients[CLIENT_ID] = replace(client, client_secret="rotated-at-the-provider")

    failed = [await use(vault, consumer=consumer) for consumer in consumers]
    during = [await vault.connection(consumer=consumer) for consumer in consumers]
    path = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
    await vault.manage("PUT", path, json={"client_secret": "rotated-at-the-provider"})
    again = [await use(vault, consumer=consumer) for consumer in consumers]

    assert {(reply.status, reply.body["type_name"]) for reply in failed} == {(422, "OAuthConnectorError")}
    assert not [reply for reply in failed if CLIENT_SECRET in reply.text]
    assert {(c["state"], c["health"], c["credentials_expire_at"]) for c in during} == {
        ("callable", "pending_refresh", 0)
    }
    assert {reply.status for reply in again} == {200}


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type"])
async def test_a_refusal_of_the_client_says_nothing_of_the_grant(vault: Deployment, error: str) -> None:
    """RFC 6749 section 5.2 has one code for a dead grant, and none of these is it."""
    await vault.connect()
    vault.clock.advance(HOUR)
    answer = say(RawAnswer(400, JSON, f'{{"error": "{error}"}}'.encode()))

    for _ in range(3):
        assert (await failing(vault, answer)).status == 422
        vault.clock.advance(RETENTION)

    assert (await told(vault))["state"] == "callable"
    assert await refresh_events(vault) == ["token_refresh.pending"]


CAUSES: dict[str, tuple[Behaviour, str]] = {
    "rejected": (INVALID_GRANT, "rejected"),
    "misconfigured": (say(RawAnswer(401, JSON, b'{"error": "invalid_client"}')), "misconfigured"),
    "deferred": (fail(503), "deferred"),
    "no answer": (drop(committed=False), "deferred"),
}


@pytest.mark.parametrize("name", CAUSES)
async def test_the_same_cause_has_the_same_answer(vault: Deployment, name: str) -> None:
    """To whoever was there, and to whoever comes in the pause after it, by whatever operation."""
    await vault.connect()
    vault.clock.advance(HOUR)

    first = await failing(vault, CAUSES[name][0])
    others = [await use(vault), await vault.post(f"{PATH}/validate"), await use(vault)]

    assert [(reply.status, reply.body, reply.headers.get("retry-after")) for reply in others] == [
        (first.status, first.body, first.headers.get("retry-after"))
    ] * 3
    assert vault.provider.calls[REFRESHES] == 1


async def test_a_dead_grant_is_told_with_what_becomes_of_it(vault: Deployment) -> None:
    """The object that published clients read: until when the credentials are kept, and when to come back."""
    await vault.connect()
    vault.clock.advance(HOUR)
    now = vault.clock.now()

    first = await failing(vault, INVALID_GRANT)
    vault.clock.advance(10)
    later = await use(vault)

    debug = {
        "response": {"statusCode": 400, "data": {"error": "invalid_grant"}},
        "credentials_expire_at_ms": now + RETENTION * 1000,
        "retry_after_ms": now + COOLDOWN * 1000,
        "cooldown_remaining_ms": COOLDOWN * 1000,
    }
    told = {"type": "refresh_token_connector_error", "message": "The provider refused with 400 (invalid_grant)."}
    assert (first.status, first.body["detail"]) == (401, {**told, "debug": debug})
    assert (later.status, later.body["detail"]) == (
        401, {**told, "debug": {**debug, "cooldown_remaining_ms": 20_000}},
    )  # fmt: skip


async def test_a_form_that_a_dead_grant_leaves_empty_says_why(vault: Deployment) -> None:
    """Published components look for the reason of a resource's form in one place, other clients in another."""
    await vault.connect()
    vault.clock.advance(HOUR)
    with vault.provider.behave(REFRESHES, INVALID_GRANT):
        detail = (await vault.get(f"{PATH}/leads/config")).body["detail"]

    assert detail["type"] == "refresh_token_connector_error"
    assert detail["error"] == [{"message": "The provider refused with 400 (invalid_grant)."}]


@pytest.mark.parametrize("name", CAUSES)
async def test_what_came_of_a_refresh_is_counted_and_logged(vault: Deployment, name: str) -> None:
    """Once for each time that the provider was asked."""
    behaviour, outcome = CAUSES[name]
    await vault.connect()
    vault.clock.advance(HOUR)
    before = {kind: counted(kind) for kind in ("refreshed", outcome)}

    with capture_logs() as lines:
        await failing(vault, behaviour)
        await use(vault)
        vault.clock.advance(COOLDOWN)
        await use(vault)

    assert {kind: counted(kind) - before[kind] for kind in before} == {"refreshed": 1, outcome: 1}
    told = [(line["event"], line.get("outcome")) for line in lines if line["event"] in ("refresh_failed", "refreshed")]
    assert told == [("refresh_failed", outcome), ("refreshed", None)]


async def test_an_answer_that_may_have_spent_the_token_is_logged_as_such(vault: Deployment) -> None:
    """It explains the refusal that comes after it."""
    await vault.connect()
    vault.clock.advance(HOUR)
    with capture_logs() as lines:
        await failing(vault, drop(committed=True))

    assert [line["ambiguous"] for line in lines if line["event"] == "refresh_failed"] == [True]


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("holdfast_refreshes_total", {"outcome": outcome}) or 0
