"""The proxy: a write that comes again under its Idempotency-Key is done once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from accounts import open_account
from nodes import another_node
from proxying import arrived, proxy
from watched_database import watched, with_vault

from holdfast.errors import Unavailable
from holdfast.testing.harness import Deployment, Reply
from holdfast.testing.provider import RawAnswer, fail, say, stall
from holdfast.usecases.flight import Flights

LEADS = "api:POST /api/v1/leads"
BODY = json.dumps({"title": "Fleet contract"}).encode()
KEY = "5f1c9a3e-order-7731"


async def write(vault: Deployment, body: bytes = BODY, *, key: str = KEY, url: str = "/leads", **options: Any) -> Reply:
    """Adds a lead under a key."""
    method = options.pop("method", "POST")
    headers = {"idempotency-key": key, **options.pop("headers", {})}
    return await proxy(vault, method, url, body=body, headers=headers, **options)


async def rows(vault: Deployment) -> list[Any]:
    return [dict(row) for row in await vault.vault.store.q.all("SELECT * FROM kept_answers")]


async def test_a_write_is_done_once(mirrored: Deployment) -> None:
    """The second time its first answer is given again, whole, and says that it is."""
    first, second = await write(mirrored), await write(mirrored)

    assert (first.status, first.text, len(arrived(mirrored))) == (second.status, second.text, 1)
    assert second.headers == {
        **first.headers, "idempotent-replayed": "true", "x-apideck-request-id": second.headers["x-apideck-request-id"],
    }  # fmt: skip
    assert "idempotent-replayed" not in first.headers


async def test_writes_at_once_are_done_once(mirrored: Deployment) -> None:
    """All of them get the one answer."""
    replies = await asyncio.gather(*(write(mirrored) for _ in range(10)))

    assert {(reply.status, reply.text) for reply in replies} == {(201, replies[0].text)}
    assert len(arrived(mirrored)) == 1


async def test_a_key_is_one_consumers_for_one_connection(mirrored: Deployment) -> None:
    """The same text from somebody else is another key."""
    await mirrored.connect("user-2")
    mirrored.provider.received.clear()

    await write(mirrored)
    await write(mirrored, consumer="user-2")

    assert len(arrived(mirrored)) == 2


@pytest.mark.parametrize(
    "other",
    [{"body": b"{}"}, {"url": "/leads?x=1"}, {"method": "PUT"}, {"headers": {"content-type": "text/plain"}}],
    ids=["body", "url", "method", "type"],
)
async def test_a_key_names_one_request(mirrored: Deployment, other: dict[str, Any]) -> None:
    """With another one it is refused, and nothing is sent."""
    await write(mirrored)

    reply = await write(mirrored, **other)

    assert (reply.status, reply.body["type_name"]) == (422, "IdempotencyKeyReusedError")
    assert len(arrived(mirrored)) == 1


async def test_a_read_needs_no_key(mirrored: Deployment) -> None:
    """It is made each time, and nothing is kept."""
    for _ in range(2):
        await proxy(mirrored, headers={"idempotency-key": KEY})

    assert (len(arrived(mirrored)), await rows(mirrored)) == (2, [])
    assert "idempotency-key" not in arrived(mirrored)[0].headers


async def test_a_service_that_knows_keys_is_told(vault: Deployment) -> None:
    """Under the header that its manifest names; the vault keeps nothing."""
    account = await open_account(vault, "stripe", "accounting")
    await account.connect()
    vault.network.requests.clear()

    for _ in range(2):
        await write(vault, b"amount=10", url="/v1/refunds", headers={"x-apideck-service-id": "stripe"})

    keys = [
        {name.lower(): value for name, value in r.headers.items()}["idempotency-key"] for r in vault.network.requests
    ]
    assert (keys, await rows(vault)) == ([KEY, KEY], [])


@pytest.mark.parametrize("fault", ["timeout", "lost"])
async def test_a_write_whose_outcome_nobody_knows_is_not_sent_again(mirrored: Deployment, fault: Any) -> None:
    """It says so each time; with a new key the caller may decide otherwise."""
    mirrored.network.fail_next(fault)

    first, again, anew = await write(mirrored), await write(mirrored), await write(mirrored, key="another")

    assert [r.body["type_name"] for r in (first, again)] == ["OutcomeUnknownError"] * 2
    assert (first.status, again.status, anew.status) == (422, 422, 201)


async def test_a_write_that_did_not_leave_is_sent_again(mirrored: Deployment) -> None:
    """Nobody had it."""
    mirrored.network.fail_next("refused")

    first, again = await write(mirrored), await write(mirrored)

    assert (first.status, again.status) == (502, 201)


@pytest.mark.parametrize(
    "answer",
    [fail(401), fail(429), fail(408), fail(425), fail(503, retry_after=1)],
    ids=["401", "429", "408", "425", "503"],
)
async def test_an_answer_that_says_that_nothing_was_done_is_not_kept(mirrored: Deployment, answer: Any) -> None:
    """The same key may try again."""
    with mirrored.provider.behave(LEADS, answer):
        first = await write(mirrored)
    mirrored.clock.advance(2)

    assert (first.status, (await write(mirrored)).status) == (answer.answer.status, 201)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 500, 502, 503, 504])
async def test_any_other_answer_is_the_answer(mirrored: Deployment, status: int) -> None:
    """An error, too: a server that failed may have failed after it had done it."""
    with mirrored.provider.behave(LEADS, say(RawAnswer(status, {"content-type": "text/plain"}, b"as it is"))):
        await write(mirrored)

    again = await write(mirrored)

    assert (again.status, again.text, again.headers["x-apideck-downstream-error"]) == (status, "as it is", "true")


async def test_a_caller_who_leaves_finds_the_answer(mirrored: Deployment) -> None:
    """The call goes on without anybody who waits for it."""
    with mirrored.provider.behave(LEADS, stall(10)):
        leaving = asyncio.create_task(write(mirrored))
        await mirrored.clock.asleep()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        mirrored.clock.advance(10)
        again = await write(mirrored)

    assert (again.status, len(arrived(mirrored))) == (201, 1)


async def test_who_waits_too_long_is_told(mirrored: Deployment) -> None:
    """The answer is kept when it comes, and the same key finds it."""
    hasty = with_vault(mirrored, flights=Flights(patience=0.05))
    with mirrored.provider.behave(LEADS, stall(10)):
        reply = await write(hasty)
        mirrored.clock.advance(10)
        await hasty.vault.flights.land()
    again = await write(hasty)

    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert (again.status, len(arrived(mirrored))) == (201, 1)


async def test_another_node_waits_its_turn(mirrored: Deployment) -> None:
    """While the answer may still come it is a conflict, which may be tried again; then the answer is there."""
    async with another_node(mirrored) as node:
        with mirrored.provider.behave(LEADS, stall(10)):
            writing = asyncio.create_task(write(mirrored))
            await mirrored.clock.asleep()
            during = await write(node)
            mirrored.clock.advance(10)
            first = await writing
        again = await write(node)

    assert (during.status, during.headers["retry-after"]) == (409, "1")
    assert (again.status, again.text, len(arrived(mirrored))) == (201, first.text, 1)


async def test_a_write_whose_node_died_is_unknown(mirrored: Deployment) -> None:
    """After the time in which an answer could have come."""
    with mirrored.provider.behave(LEADS, stall(1000)):
        dying = asyncio.create_task(write(mirrored))
        await mirrored.clock.asleep()
        async with another_node(mirrored) as node:
            mirrored.clock.advance(300)
            reply = await write(node)
        mirrored.clock.advance(1000)
        await asyncio.gather(dying, return_exceptions=True)

    assert (reply.status, reply.body["type_name"]) == (422, "OutcomeUnknownError")


async def test_a_database_that_is_away_afterwards_leaves_it_unknown(mirrored: Deployment) -> None:
    """The caller has the answer; whoever comes with the key again is not told a tale, and nothing is sent twice."""
    vault, database = watched(mirrored)

    async def away(sql: str) -> None:
        if sql.lstrip().startswith("UPDATE kept_answers"):
            raise Unavailable()

    database.before = away
    first, soon = await write(vault), await write(vault)
    vault.clock.advance(300)
    later = await write(vault)

    assert (first.status, soon.status, later.status, later.body["type_name"]) == (201, 409, 422, "OutcomeUnknownError")
    assert len(arrived(mirrored)) == 1


async def test_an_answer_is_kept_for_a_day(mirrored: Deployment) -> None:
    """After that the key names a new write."""
    await write(mirrored)
    mirrored.clock.advance(24 * 3600 - 1)
    still = await write(mirrored)
    mirrored.clock.advance(2)
    await write(mirrored)

    assert still.headers["idempotent-replayed"] == "true"
    assert len(arrived(mirrored)) == 2


async def test_a_large_body_has_no_key(mirrored: Deployment) -> None:
    """What is not held cannot be compared."""
    reply = await write(mirrored, b" " * (256 * 1024 + 1))

    assert (reply.status, arrived(mirrored)) == (413, [])


async def test_an_answer_that_is_too_large_is_an_unknown_outcome(mirrored: Deployment) -> None:
    """Half of it would be none."""
    with mirrored.provider.behave(LEADS, say(RawAnswer(200, {}, b" " * (256 * 1024 + 1)))):
        replies = [await write(mirrored) for _ in range(2)]

    assert [reply.body["type_name"] for reply in replies] == ["OutcomeUnknownError"] * 2
    assert len(arrived(mirrored)) == 1


async def test_what_is_kept_is_sealed(mirrored: Deployment, tmp_path: Path) -> None:
    """Neither the key, nor the request, nor the answer lies open; a row that was relabelled does not open."""
    reply = await write(mirrored)
    kept = str(await rows(mirrored))
    await mirrored.vault.store.q.run("UPDATE kept_answers SET outcome = 'unknown'")
    relabelled = await write(mirrored)

    assert [text in kept for text in (KEY, "Fleet contract", reply.body["data"]["id"])] == [False] * 3
    assert (relabelled.status, relabelled.body["message"]) == (422, "Stored Value Damaged")


async def test_the_gate_stands_before_a_kept_answer(mirrored: Deployment) -> None:
    """Whoever may not use the connection any more is not told what it did."""
    await write(mirrored)
    await mirrored.patch("/vault/connections/crm/sandbox-crm", json={"enabled": False})

    assert (await write(mirrored)).status == 422


@pytest.mark.parametrize("key", ["", "k" * 256, "ключ".encode().decode("latin-1")])
async def test_a_key_is_a_short_printable_text(mirrored: Deployment, key: str) -> None:
    """Of ASCII, 255 characters at most. An empty one is no key left out, but a mistake that would cost the promise."""
    assert ((await write(mirrored, key=key)).status, arrived(mirrored)) == (400, [])
