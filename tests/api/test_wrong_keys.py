"""Whoever tries keys is slowed down and told of; whoever has the right one never is."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from holdfast.errors import RequestLimitError
from holdfast.http.guesses import ADDRESSES, AT_ONCE, LOGGED, Guesses
from holdfast.testing.clock import TestClock
from holdfast.testing.harness import ADMIN_TOKEN, Deployment, Reply

WRONG = "hf_live_00000000_this-key-is-nobodys_00000000"
PLACES = {"admin": "/manage/applications", "key": "/vault/connections"}


async def guess(vault: Deployment, kind: str, key: str = WRONG) -> Reply:
    return await vault.get(PLACES[kind], headers={"authorization": f"Bearer {key}"})


def right(vault: Deployment, kind: str) -> str:
    return ADMIN_TOKEN if kind == "admin" else vault.api_key


@pytest.mark.parametrize("kind", PLACES)
async def test_wrong_keys_are_slowed_down(vault: Deployment, kind: str) -> None:
    """Some are refused as ever, further ones are 429 with the six members and Retry-After, until time has passed."""
    statuses = [(await guess(vault, kind)).status for _ in range(AT_ONCE + 2)]
    assert statuses == [401] * AT_ONCE + [429] * 2
    reply = await guess(vault, kind)
    assert reply.body["type_name"] == "RequestLimitError"
    assert len(reply.body) == 6
    vault.clock.advance(int(reply.headers["retry-after"]))
    assert (await guess(vault, kind)).status == 401


@pytest.mark.parametrize("kind", PLACES)
async def test_a_right_key_passes_whoever_guesses_from_the_same_address(vault: Deployment, kind: str) -> None:
    """Behind a proxy every request comes from one address; nobody may shut the others out."""
    for _ in range(AT_ONCE + 5):
        await guess(vault, kind)
    assert (await guess(vault, kind, right(vault, kind))).status == 200


async def test_a_forwarded_address_decides_nothing(vault: Deployment) -> None:
    """Anybody can write that header."""
    for number in range(AT_ONCE + 1):
        headers = {"authorization": WRONG, "x-forwarded-for": f"192.0.2.{number}"}
        reply = await vault.get(PLACES["key"], headers=headers)
    assert reply.status == 429


async def test_a_request_without_a_key_is_no_guess(vault: Deployment) -> None:
    """A page that lost its session asks again and again, and is told what is missing."""
    for _ in range(AT_ONCE + 5):
        reply = await vault.get(PLACES["key"], headers={"authorization": None})
    assert reply.status == 401


async def test_guessing_is_logged_and_counted_without_a_key(vault: Deployment) -> None:
    """The first of an address, then one in a hundred; the metric counts all of them."""
    with capture_logs() as logs:
        for _ in range(LOGGED + 1):
            await guess(vault, "admin")
    told = [line for line in logs if line["event"] == "wrong_key"]
    assert [line["so_far"] for line in told] == [1, LOGGED + 1]
    assert WRONG not in json.dumps(logs, default=str)
    assert 'holdfast_wrong_keys_total{answer="limited",kind="admin"}' in (await vault.get("/metrics")).text


def test_addresses_are_counted_apart_and_remembered_within_bounds() -> None:
    """One guesser slows nobody else down; an attacker with many addresses fills no memory."""
    guesses = Guesses(TestClock())
    for _ in range(AT_ONCE):
        guesses.wrong("key", "192.0.2.1")
    guesses.wrong("key", "192.0.2.2")
    with pytest.raises(RequestLimitError):
        guesses.wrong("key", "192.0.2.1")
    for number in range(ADDRESSES + 10):
        guesses.wrong("key", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(guesses) == ADDRESSES


def test_one_customer_s_ipv6_addresses_are_one_source() -> None:
    """A customer has 2^64 of them."""
    guesses = Guesses(TestClock())
    for number in range(AT_ONCE):
        guesses.wrong("key", f"2001:db8::{number:x}")
    with pytest.raises(RequestLimitError):
        guesses.wrong("key", "2001:db8::ffff")
    guesses.wrong("key", "2001:db8:0:1::1")
