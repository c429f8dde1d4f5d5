"""When a connection is looked after: moments that follow from its facts, spread so that nobody comes back together."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given
from msgspec.structs import replace

from holdfast.domain.connection import COOLDOWN, RETENTION, Connection, Grant, RefreshFailure
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.upkeep import DAY, HOUR, MINUTE, moments, next_due, reasons

NOW = 1_767_225_600_000
TOKEN = {"url": "https://auth.acme.example/token"}


def acme(grant: str = "authorization_code", **refresh: Any) -> Connector:
    """An OAuth connector that refreshes so."""
    oauth: dict[str, Any] = {"grant": grant, "token": TOKEN, "refresh": refresh}
    if grant == "authorization_code":
        oauth["authorize"] = {"url": "https://auth.acme.example/authorize"}
    members = {
        "schema": 1,
        "id": "acme",
        "name": "Acme",
        "website": "https://acme.example",
        "unified_apis": {"crm": {"resources": {"leads": ["all"]}}},
        "auth": {"type": "oauth2", "oauth": oauth},
        "request": {"base_url": "https://api.acme.example"},
        "verified": {"by": "nobody", "on": "2026-11-23"},
    }
    return msgspec.convert(members, Connector)


def held(life: int | None = HOUR, **grant: Any) -> Connection:
    """A connection whose token was issued now and lives `life` ms."""
    expires_at = None if life is None else NOW + life
    facts = {"issued_at": NOW, "expires_at": expires_at, "refreshable": True, **grant}
    return Connection(id="c1", consumer_id="user-1", unified_api="crm", service_id="acme", grant=Grant(NOW, **facts))


def at(connection: Connection, connector: Connector, reason: str) -> list[int]:
    return sorted(moment.at - NOW for moment in moments(connection, connector) if moment.reason == reason)


@given(st.text("0123456789abcdef", min_size=8, max_size=8), st.integers(60_000, 90 * DAY))
def test_a_token_is_replaced_at_four_fifths_of_its_life(id: str, life: int) -> None:
    """Give or take a twentieth, whatever its life is."""
    (ahead,) = at(replace(held(life), id=id), acme(), "ahead")

    assert 0.75 * life - 1 <= ahead <= 0.85 * life + 1


def test_those_that_connected_together_do_not_come_back_together() -> None:
    """Ten thousand connections of one moment are spread over a tenth of the life, evenly enough."""
    due = [at(replace(held(), id=f"c{n}"), acme(), "ahead")[0] // MINUTE for n in range(10_000)]

    busiest = max(due.count(minute) for minute in set(due))
    assert busiest < 10_000 / 6 * 1.2


def test_a_provider_that_refreshes_late_is_asked_late() -> None:
    """Where a refresh is refused until half a minute before the end, that is when it is due."""
    assert at(held(600_000), acme(not_before_expiry=30), "ahead") == [600_000 - 29_000]


def test_a_life_that_was_learned_counts_as_one_that_was_told() -> None:
    """With a tenth of it in hand. A life that nobody knows makes no moment."""
    (ahead,) = at(held(None, learned_life=10 * HOUR), acme(), "ahead")

    assert 0.75 * 9 * HOUR <= ahead <= 0.85 * 9 * HOUR
    assert at(held(None), acme(), "ahead") == []


def test_a_refresh_token_is_used_before_it_dies_of_not_being_used() -> None:
    """At half of its life, and three more times for what might keep the first from it."""
    kept = at(held(refresh_expires_at=NOW + 30 * DAY), acme(idle_lifetime=30 * 86_400), "keep_alive")

    assert [round(moment / DAY) for moment in kept] == pytest.approx([15, 22, 26, 28], abs=2)
    assert kept[-1] < 30 * DAY
    assert at(held(refresh_expires_at=NOW + HOUR // 2), acme(), "keep_alive") == []


@pytest.mark.parametrize(
    ("connector", "grant", "told"),
    [
        (acme(idle_lifetime=60 * 86_400), {"refresh_expires_at": NOW + 60 * DAY}, [53 * DAY]),
        (acme(idle_lifetime=86_400), {"refresh_expires_at": NOW + DAY}, [18 * HOUR]),
        (acme(), {"refresh_expires_at": NOW + 365 * DAY}, [358 * DAY]),
        (acme(), {"refreshable": False, "expires_at": NOW + 60 * DAY}, [53 * DAY]),
        (acme(), {"refresh_expires_at": None}, []),
        (acme("client_credentials"), {"refreshable": False}, []),
    ],
)
def test_a_grant_that_ends_is_told_a_week_before(connector: Connector, grant: Any, told: list[int]) -> None:
    """Or a quarter of its life, where that is less. One that can be had again without the consumer does not end."""
    assert at(held(**grant), connector, "ending") == told


def test_an_end_is_told_once() -> None:
    """Whatever else is looked after between the notice and the end."""
    connector = acme(idle_lifetime=60 * 86_400)
    connection = held(None, refresh_expires_at=NOW + 60 * DAY)
    notice = NOW + 53 * DAY

    assert "ending" in reasons(connection, connector, notice, notice + 5 * MINUTE)
    assert "ending" not in reasons(connection, connector, notice + 1, NOW + 59 * DAY)


REJECTED = RefreshFailure("rejected", NOW, NOW + COOLDOWN)


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        (REJECTED, 5 * HOUR),
        (RefreshFailure("rejected", NOW + RETENTION - HOUR, 0), RETENTION),
        (RefreshFailure("deferred", NOW, NOW + COOLDOWN), 10 * MINUTE),
        (RefreshFailure("deferred", NOW, NOW + HOUR), HOUR),
        (RefreshFailure("misconfigured", NOW, NOW + COOLDOWN), 10 * MINUTE),
        (RefreshFailure("deferred", NOW + 9 * HOUR, NOW + 9 * HOUR + COOLDOWN), 11 * HOUR),
        (RefreshFailure("deferred", NOW + 90 * DAY, NOW + 90 * DAY), 90 * DAY + 6 * HOUR),
    ],
)
def test_after_a_failure_the_pauses_grow(failure: RefreshFailure, again: int) -> None:
    """Six times an hour at first, then less and less; five times a day after a proof, and at the end of its time."""
    failed = replace(held(), failure=failure, retained_until=NOW + RETENTION if failure.outcome == "rejected" else 0)

    assert {(m.reason, m.at - NOW) for m in moments(failed, acme())} == {("retry", again)}


def test_a_refresh_that_nobody_answered_is_tried_again_when_the_token_has_ended() -> None:
    """Not before: as long as the access token is good, there is nothing to win by using the refresh token again."""
    unresolved = replace(held(), unresolved=True)

    assert {moment.reason for moment in moments(unresolved, acme())} == {"retry"}
    assert at(unresolved, acme(), "retry") == [HOUR + 10 * MINUTE, 2 * HOUR, 7 * HOUR]
    assert at(replace(held(None), unresolved=True), acme(), "retry") == []


@pytest.mark.parametrize(
    "facts",
    [
        {"grant": None},
        {"enabled": False},
        {"consent_state": "denied"},
        {"unreadable_at": NOW},
    ],
)
def test_one_that_may_not_be_used_is_left_alone(facts: Any) -> None:
    """Without a grant, switched off, without consent, or where nothing can be read, no moment comes."""
    assert next_due(replace(held(), **facts), acme(), NOW) is None


def test_what_cannot_be_renewed_is_not_tried() -> None:
    """Without a refresh token there is nothing to ask with."""
    assert next_due(held(refreshable=False, expires_at=None), acme(), NOW) is None


@given(st.integers(0, 40 * DAY), st.integers(1, 60 * DAY), st.integers(0, 60 * DAY))
def test_the_next_moment_lies_ahead(life: int, end: int, passed: int) -> None:
    """Whatever the facts are, a look is never due at once again."""
    due = next_due(held(life, refresh_expires_at=NOW + end), acme(), NOW + passed)

    assert due is None or due > NOW + passed
