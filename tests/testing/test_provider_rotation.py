"""What becomes of refresh tokens: RFC 6749 section 6, and the four habits of real providers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from oauth_app import App, body

from holdfast.testing.asgi import Answer
from holdfast.testing.clock import TestClock
from holdfast.testing.provider import Lifetimes, TokenAnswer


def refused(answer: Answer) -> bool:
    return answer.status == 400 and body(answer)["error"] == "invalid_grant"


async def test_without_rotation_a_refresh_token_stays(app_of: Callable[..., App]) -> None:
    """It comes back unchanged, and works again."""
    app = app_of(lifetimes=Lifetimes(rotation="none"))
    first = await app.connect()

    second = body(await app.refresh(first["refresh_token"]))
    third = body(await app.refresh(first["refresh_token"]))

    assert first["refresh_token"] == second["refresh_token"] == third["refresh_token"]
    assert len({first["access_token"], second["access_token"], third["access_token"]}) == 3


async def test_an_unchanged_refresh_token_need_not_be_repeated(app_of: Callable[..., App]) -> None:
    """Some leave it out of every answer but the first."""
    app = app_of(lifetimes=Lifetimes(rotation="none"), answer=TokenAnswer(refresh_token_again=False))
    first = await app.connect()

    second = body(await app.refresh(first["refresh_token"]))

    assert "refresh_token" in first
    assert "refresh_token" not in second


async def test_strict_rotation_accepts_each_token_once(app_of: Callable[..., App]) -> None:
    """A used token is refused, and the one that replaced it lives on."""
    app = app_of(lifetimes=Lifetimes(rotation="strict"))
    first = await app.connect()
    second = body(await app.refresh(first["refresh_token"]))

    again = await app.refresh(first["refresh_token"])

    assert refused(again)
    assert (await app.refresh(second["refresh_token"])).status == 200


async def test_family_rotation_ends_everything_when_a_token_comes_twice(app: App) -> None:
    """RFC 9700 section 4.14.2: newest refresh token and access tokens included."""
    first = await app.connect()
    second = body(await app.refresh(first["refresh_token"]))

    again = await app.refresh(first["refresh_token"])

    assert refused(again)
    assert refused(await app.refresh(second["refresh_token"]))
    assert (await app.get("/api/v1/users/me", second["access_token"])).status == 401


async def test_one_family_does_not_end_another(app: App) -> None:
    """The reuse of one customer's token leaves the others alone."""
    first, other = await app.connect(), await app.connect()
    await app.refresh(first["refresh_token"])

    await app.refresh(first["refresh_token"])

    assert (await app.refresh(other["refresh_token"])).status == 200


@pytest.mark.parametrize(("seconds", "accepted"), [(29.9, True), (30, False)])
async def test_grace_gives_the_successor_again_for_a_while(
    seconds: float, accepted: bool, app_of: Callable[..., App], clock: TestClock
) -> None:
    """Whoever lost the first answer can ask once more, and gets the refresh token that was in it."""
    app = app_of(lifetimes=Lifetimes(rotation="grace", grace=30))
    first = await app.connect()
    second = body(await app.refresh(first["refresh_token"]))

    clock.advance(seconds)
    again = await app.refresh(first["refresh_token"])

    assert (again.status == 200) is accepted
    assert body(again).get("refresh_token") == (second["refresh_token"] if accepted else None)
    assert (await app.refresh(second["refresh_token"])).status == 200


async def test_an_access_token_expires_on_the_providers_clock(app: App, clock: TestClock) -> None:
    """Good until the last second, 401 from then on."""
    token = (await app.connect())["access_token"]

    clock.advance(3599)
    before = await app.get("/api/v1/users/me", token)
    clock.advance(1)
    after = await app.get("/api/v1/users/me", token)

    assert (before.status, after.status) == (200, 401)


async def test_a_refresh_token_lapses_when_nobody_uses_it(app_of: Callable[..., App], clock: TestClock) -> None:
    """Each use starts the idle lifetime anew."""
    app = app_of(lifetimes=Lifetimes(rotation="none", refresh=86_400))
    token = (await app.connect())["refresh_token"]

    clock.advance(80_000)
    used = await app.refresh(token)
    clock.advance(80_000)
    used_again = await app.refresh(token)
    clock.advance(86_400)
    too_late = await app.refresh(token)

    assert (used.status, used_again.status) == (200, 200)
    assert refused(too_late)


async def test_a_refresh_can_be_too_early(app_of: Callable[..., App], clock: TestClock) -> None:
    """One provider refuses while the access token has more than half a minute left; the token survives that."""
    app = app_of(lifetimes=Lifetimes(access=600, not_before_expiry=30))
    token = (await app.connect())["refresh_token"]

    early = await app.refresh(token)
    clock.advance(571)

    assert body(early)["error"] == "invalid_request"
    assert (await app.refresh(token)).status == 200


async def test_a_refresh_can_end_the_access_token_before_it(app_of: Callable[..., App]) -> None:
    """So that whoever still uses the old one finds out at once."""
    app = app_of(lifetimes=Lifetimes(refresh_ends_access=True))
    first = await app.connect()

    second = body(await app.refresh(first["refresh_token"]))

    assert (await app.get("/api/v1/users/me", first["access_token"])).status == 401
    assert (await app.get("/api/v1/users/me", second["access_token"])).status == 200
