"""Faults of the sandbox, its log, its server."""

from __future__ import annotations

import asyncio
import math

import aiohttp
import pytest
from oauth_app import App, body

from holdfast.testing.asgi import ConnectionLost
from holdfast.testing.clock import TestClock
from holdfast.testing.provider import (
    BAD_TOKEN_ANSWERS,
    LEFT_OUT,
    SandboxProvider,
    drip,
    drop,
    fail,
    lie,
    redirect,
    say,
    stall,
)


async def test_a_fault_is_on_for_its_endpoint_and_its_time(app: App) -> None:
    """Inside the `with`, for as many requests as were said, and for nothing else."""
    tokens = await app.connect()

    with app.provider.behave("token:refresh_token", fail(429, retry_after=7), times=1):
        other = await app.token(grant_type="client_credentials")
        hit = await app.refresh(tokens["refresh_token"])
        spent = await app.refresh(tokens["refresh_token"])
    with app.provider.behave("token", fail(500)):
        every = await app.token(grant_type="client_credentials")
    after = await app.token(grant_type="client_credentials")

    assert [a.status for a in (other, hit, spent, every, after)] == [200, 429, 200, 500, 200]
    assert hit.header("retry-after") == "7"


async def test_a_refused_request_has_no_effect(app: App) -> None:
    """503 means that nothing was rotated, unless it is said that it was."""
    tokens = await app.connect()

    with app.provider.behave("token", fail(503)):
        await app.refresh(tokens["refresh_token"])

    assert (await app.refresh(tokens["refresh_token"])).status == 200


@pytest.mark.parametrize(("committed", "still_good"), [(True, False), (False, True)])
async def test_a_dropped_connection_leaves_the_token_rotated_or_not(
    committed: bool, still_good: bool, app: App
) -> None:
    """The caller sees the same; only the provider knows whether the refresh token is spent."""
    tokens = await app.connect()

    with app.provider.behave("token", drop(committed=committed)), pytest.raises(ConnectionLost):
        await app.refresh(tokens["refresh_token"])

    assert (app.provider.ledger.refresh[tokens["refresh_token"]].spent_at is None) is still_good


@pytest.mark.parametrize(("committed", "spent"), [(True, True), (False, False)])
async def test_a_stalled_answer_waits_on_the_providers_clock(
    committed: bool, spent: bool, app: App, clock: TestClock
) -> None:
    """Before or after the effect; a test moves the clock when it has seen enough."""
    tokens = await app.connect()

    with app.provider.behave("token", stall(30, committed=committed)):
        refresh = asyncio.create_task(app.refresh(tokens["refresh_token"]))
        await clock.asleep()
        meanwhile = app.provider.ledger.refresh[tokens["refresh_token"]].spent_at is not None
        clock.advance(30)

    assert meanwhile is spent
    assert (await refresh).status == 200


async def test_a_lie_changes_members_of_the_true_answer(app: App) -> None:
    """What JSON may not hold is written all the same; what is left out is not there."""
    with app.provider.behave("token", lie(expires_in=math.nan, token_type=LEFT_OUT, scope="admin")):
        answer = await app.token(grant_type="client_credentials")

    assert b'"expires_in": NaN' in answer.body
    assert "token_type" not in body(answer)
    assert body(answer)["scope"] == "admin"
    assert body(answer)["access_token"] in app.provider.ledger.access


async def test_a_redirect_can_point_anywhere(app: App) -> None:
    """The request has no effect at the provider itself."""
    with app.provider.behave("token", redirect("https://evil.example/oauth/token")):
        answer = await app.token(grant_type="client_credentials")

    assert (answer.status, answer.header("location")) == (307, "https://evil.example/oauth/token")
    assert app.provider.ledger.grants == []


async def test_an_answer_can_come_byte_by_byte(app: App, clock: TestClock) -> None:
    """At a pace that no reader without a deadline survives."""
    token = app.provider.issue().access.value

    with app.provider.behave("api", drip(1)):
        call = asyncio.create_task(app.get("/api/v1/users/me", token))
        seconds = 0
        while not call.done():
            seconds += clock.sleepers
            clock.advance(clock.sleepers)
            await asyncio.sleep(0)

    assert seconds == len(call.result().body)
    assert body(call.result())["success"] is True


@pytest.mark.parametrize("name", BAD_TOKEN_ANSWERS)
async def test_a_bad_answer_is_sent_as_it_is(name: str, app: App) -> None:
    """Status, headers and bytes reach the caller, and `token` tells whether a sound token is in there."""
    bad = BAD_TOKEN_ANSWERS[name].raw()
    with app.provider.behave("token", say(bad)):
        answer = await app.token(grant_type="client_credentials")

    assert (answer.status, answer.body) == (bad.status, bad.body)
    assert all(answer.header(header.lower()) == value for header, value in bad.headers.items())


def test_the_bomb_is_small_on_the_wire_and_large_unpacked() -> None:
    """RFC 1952 section 2.3.1: the last four bytes of gzip say how much comes out."""
    packed = BAD_TOKEN_ANSWERS["gzip bomb"].raw().body

    assert len(packed) < 200_000
    assert int.from_bytes(packed[-4:], "little") > 100_000_000


async def test_requests_are_counted_and_kept(app: App) -> None:
    """By endpoint and by grant type; with everything that was in them."""
    tokens = await app.connect()
    await app.refresh(tokens["refresh_token"])

    provider = app.provider
    assert provider.calls == {
        "authorize": 1, "consent": 1, "token": 2, "token:authorization_code": 1, "token:refresh_token": 1,
    }  # fmt: skip
    last = provider.received[-1]
    assert (last.method, last.host, last.path) == ("POST", "crm.example", "/oauth/token")
    assert last.form == {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert last.headers["authorization"].startswith("Basic ")
    assert provider.received[0].query["code_challenge_method"] == "S256"
    assert tokens["refresh_token"] not in repr(last)


async def test_the_metadata_names_every_endpoint(app: App) -> None:
    """RFC 8414: issuer and URLs under the address that was asked."""
    metadata = body(await app.get("/.well-known/oauth-authorization-server", ""))

    assert metadata["issuer"] == "https://crm.example"
    assert metadata["token_endpoint"] == "https://crm.example/oauth/token"
    assert metadata["revocation_endpoint"] == "https://crm.example/oauth/revoke"
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True


async def test_it_serves_over_http_and_hangs_up_when_told_to() -> None:
    """A dropped answer is a broken connection to a real client, and the port is free again afterwards."""
    provider = SandboxProvider()
    async with provider.serve(), aiohttp.ClientSession() as session:
        url, form = f"{provider.url}/oauth/token", {"grant_type": "client_credentials"}
        headers = {"Authorization": aiohttp.encode_basic_auth("sandbox-client", "sandbox-secret")}
        async with session.post(url, data=form, headers=headers) as response:
            tokens = await response.json()
        with provider.behave("token", drop()), pytest.raises(aiohttp.ClientPayloadError):
            async with session.post(url, data=form, headers=headers) as response:
                await response.read()

    assert tokens["access_token"] in provider.ledger.access
    assert len(provider.ledger.access) == 2
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(url)
