"""The proxy: a token that the service does not take any more, and a service that wants to be left alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from nodes import Deploy, another_node
from prometheus_client import REGISTRY
from proxying import arrived, bearer, proxy

from holdfast.testing.connectors import sandbox_manifest
from holdfast.testing.harness import SERVICE, Deployment
from holdfast.testing.provider import RawAnswer, fail, say, stall

MIRROR = "api:GET /api/v1/mirror"
ONE = f"/vault/connections/crm/{SERVICE}"


def killed(vault: Deployment) -> None:
    """The service forgets the access token, some minutes after it was issued."""
    vault.clock.advance(300)
    vault.provider.ledger.access.clear()


def refreshes(vault: Deployment) -> int:
    return vault.provider.calls["token:refresh_token"]


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("holdfast_proxied_calls_total", {"outcome": outcome}) or 0


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", b'{"title": "Fleet"}'), ("DELETE", None)])
async def test_a_dead_token_is_refreshed_and_the_call_made_again(
    mirrored: Deployment, method: str, body: bytes | None
) -> None:
    """Once each, with the same body; the caller sees only the good answer."""
    killed(mirrored)
    before = counted("replayed")

    reply = await proxy(mirrored, method, body=body)

    assert (reply.status, refreshes(mirrored), counted("replayed")) == (200, 1, before + 1)
    assert [(r.method, r.body) for r in arrived(mirrored)] == [(method, body or b"")] * 2
    assert arrived(mirrored)[1].headers["authorization"] == f"Bearer {bearer(mirrored)}"


async def test_a_large_body_is_not_sent_again(mirrored: Deployment) -> None:
    """It is gone; its caller gets the service's answer, and the next call has a token that is good."""
    killed(mirrored)
    body = b"x" * (256 * 1024 + 1)

    first, second = await proxy(mirrored, "POST", body=body), await proxy(mirrored, "POST", body=body)

    assert (first.status, second.status, refreshes(mirrored), len(arrived(mirrored))) == (401, 200, 1, 2)


async def test_an_expired_token_is_refreshed_first(mirrored: Deployment) -> None:
    """The service is not asked with it."""
    mirrored.clock.advance(7200)

    reply = await proxy(mirrored)

    assert (reply.status, refreshes(mirrored), len(arrived(mirrored))) == (200, 1, 1)


async def test_many_calls_with_one_dead_token_refresh_it_once(mirrored: Deployment) -> None:
    """Whoever comes late finds the new one."""
    killed(mirrored)

    replies = await asyncio.gather(*(proxy(mirrored) for _ in range(20)))

    assert {reply.status for reply in replies} == {200}
    assert refreshes(mirrored) == 1


async def test_who_is_refused_late_takes_the_new_token(mirrored: Deployment) -> None:
    """The old one has been refreshed long ago; the new one is not refreshed for it."""
    killed(mirrored)
    with mirrored.provider.behave(MIRROR, stall(5), times=1):
        late = asyncio.create_task(proxy(mirrored))
        await mirrored.clock.asleep()
        early = await proxy(mirrored)
        mirrored.clock.advance(5)
        reply = await late

    assert (early.status, reply.status, refreshes(mirrored)) == (200, 200, 1)


async def test_a_service_that_refuses_every_token_is_asked_twice(mirrored: Deployment) -> None:
    """Its answer stands, and the new token is not refreshed for the next call."""
    mirrored.clock.advance(300)
    with mirrored.provider.behave(MIRROR, say(RawAnswer(401, {"x-say": "no"}, b"no"))):
        first = await proxy(mirrored)
        again = [await proxy(mirrored) for _ in range(5)]

    assert (first.status, first.text, first.headers["x-apideck-downstream-error"]) == (401, "no", "true")
    assert [reply.status for reply in again] == [401] * 5
    assert (refreshes(mirrored), len(arrived(mirrored))) == (1, 7)


async def test_a_token_that_was_just_granted_is_not_refreshed(mirrored: Deployment) -> None:
    """It cannot be too old, and another one would be refused as well."""
    with mirrored.provider.behave(MIRROR, fail(401)):
        reply = await proxy(mirrored)

    assert (reply.status, refreshes(mirrored)) == (401, 0)


async def test_a_refresh_that_fails_leaves_the_services_answer(mirrored: Deployment) -> None:
    """The caller is told what the service said, and the connection what the provider said."""
    killed(mirrored)
    mirrored.provider.withdraw()

    reply = await proxy(mirrored)

    assert (reply.status, reply.headers["x-apideck-downstream-error"]) == (401, "true")
    assert (await mirrored.connection())["health"] != "ok"


async def test_a_403_that_speaks_of_the_token_is_a_dead_token(mirrored: Deployment) -> None:
    """And one that speaks of something else is not, though its body is looked at: it comes back whole."""
    mirrored.clock.advance(300)
    dead = RawAnswer(403, {"content-type": "application/json"}, b'{"error": "invalid_token"}')
    with mirrored.provider.behave(MIRROR, say(dead), times=1):
        replayed = await proxy(mirrored)
    mirrored.clock.advance(300)
    forbidden = b'{"error": "you are not an administrator"}' + b" " * 40_000
    with mirrored.provider.behave(MIRROR, say(RawAnswer(403, {}, forbidden))):
        refused = await proxy(mirrored)

    assert (replayed.status, refused.status, refused.text) == (200, 403, forbidden.decode())
    assert refreshes(mirrored) == 1


async def test_the_manifest_says_what_a_dead_token_looks_like(tmp_path: Path, deploy: Deploy) -> None:
    """A 200 whose body names the error, as some services answer."""
    async with deploy() as vault:
        manifest = sandbox_manifest(vault.provider.url).replace(
            "request:\n  base_url", "request:\n  expired: {path: error, codes: [token_expired]}\n  base_url"
        )
        (tmp_path / "connectors" / SERVICE / "connector.yaml").write_text(manifest)
        async with another_node(vault) as node:
            await node.connect()
            node.clock.advance(300)
            said = RawAnswer(200, {"content-type": "application/json"}, b'{"ok":false,"error":"token_expired"}')
            with node.provider.behave("api:GET /api/v1/users", say(said), times=1):
                reply = await proxy(node, url="/users")

            assert reply.body["success"] is True
            assert refreshes(node) == 1


async def test_a_limit_is_told_in_metrics_and_heeded(tmp_path: Path, deploy: Deploy) -> None:
    """As the headers say that the manifest names: what is left, and when there is more after a 429 without a time."""
    async with deploy() as vault:
        word = "rate_limit: {limit: X-Limit, remaining: x-left, reset: x-reset}"
        manifest = sandbox_manifest(vault.provider.url).replace("request:\n  base", f"request:\n  {word}\n  base")
        (tmp_path / "connectors" / SERVICE / "connector.yaml").write_text(manifest)
        async with another_node(vault) as node:
            await node.connect()
            before = left_below(0.05), left_below(0.01)
            said = {"x-limit": "100", "x-left": "5", "x-reset": "30"}
            with node.provider.behave("api:GET /api/v1/users", say(RawAnswer(200, said, b"{}"))):
                await proxy(node, url="/users")
            with node.provider.behave("api:GET /api/v1/users", say(RawAnswer(429, {"x-reset": "30"}))):
                await proxy(node, url="/users")
            spared = await proxy(node, url="/users")

    assert (left_below(0.05), left_below(0.01)) == (before[0] + 1, before[1])
    assert (spared.status, spared.headers["retry-after"]) == (429, "30")


def left_below(share: float) -> float:
    labels = {"service": SERVICE, "le": str(share)}
    return REGISTRY.get_sample_value("holdfast_rate_limit_left_bucket", labels) or 0


async def test_429_comes_back_and_is_heeded(mirrored: Deployment) -> None:
    """The same endpoint is not called again before the service said; another one is, and so is another customer's."""
    await mirrored.connect("user-2")
    mirrored.provider.received.clear()
    with mirrored.provider.behave(MIRROR, fail(429, retry_after=20)):
        first = await proxy(mirrored)
    mirrored.clock.advance(5)
    second, other, others = await proxy(mirrored), await proxy(mirrored, url="/users"), None
    others = await proxy(mirrored, consumer="user-2")
    mirrored.clock.advance(15)
    third = await proxy(mirrored)

    assert (first.status, first.headers["retry-after"], first.headers["x-apideck-downstream-error"]) == (
        429,
        "20",
        "true",
    )
    assert (second.status, second.body["type_name"], second.headers["retry-after"]) == (429, "RequestLimitError", "15")
    assert (other.status, others.status, third.status) == (200, 200, 200)
    assert len(arrived(mirrored)) == 4


async def test_what_a_service_asks_for_is_heeded_for_a_minute(mirrored: Deployment) -> None:
    """Then one call tells how things are."""
    with mirrored.provider.behave(MIRROR, fail(429, retry_after=3600)):
        await proxy(mirrored)
        mirrored.clock.advance(60)
        await proxy(mirrored)

    assert len(arrived(mirrored)) == 2


async def test_a_429_without_a_time_is_passed_on(mirrored: Deployment) -> None:
    """Nobody knows how long, so nobody waits."""
    with mirrored.provider.behave(MIRROR, fail(429)):
        await proxy(mirrored)

    assert (await proxy(mirrored)).status == 200


async def test_what_is_switched_off_during_the_refresh_is_not_called_again(mirrored: Deployment) -> None:
    """The service's own answer stands; the new token stays unused."""
    killed(mirrored)
    with mirrored.provider.behave("token:refresh_token", stall(5)):
        calling = asyncio.create_task(proxy(mirrored))
        await mirrored.clock.asleep()
        await mirrored.patch(ONE, json={"enabled": False})
        mirrored.clock.advance(5)
        reply = await calling

    assert (reply.status, len(arrived(mirrored))) == (401, 1)
