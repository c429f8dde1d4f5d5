"""An OAuth client that its provider refuses: one asks, nobody's connection is dead because of it, and it is told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from nodes import another_node
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from holdfast.testing.harness import CLIENT_ID, CLIENT_SECRET, SERVICE, Deployment, Reply
from holdfast.testing.provider import RawAnswer, fail, say

HOUR, PAUSE = 3600, 30
REFRESHES = "token:refresh_token"
PATH = f"/vault/connections/crm/{SERVICE}/leads/custom-fields"
JSON = {"Content-Type": "application/json"}
INVALID_GRANT = say(RawAnswer(400, JSON, b'{"error": "invalid_grant"}'))
INVALID_SCOPE = say(RawAnswer(400, JSON, b'{"error": "invalid_scope"}'))


async def use(vault: Deployment, consumer: str) -> Reply:
    return await vault.get(PATH, consumer=consumer)


def asked(vault: Deployment) -> int:
    return vault.provider.calls[REFRESHES]


def change_secret(vault: Deployment, secret: str) -> None:
    """The client's secret is renewed at the provider."""
    client = vault.provider.clients[CLIENT_ID]
    vault.provider.clients[CLIENT_ID] = replace(client, client_secret=secret)


async def connected(vault: Deployment, number: int) -> list[str]:
    """Consumers whose access token has ended, of a client whose secret the provider no longer takes."""
    consumers = [f"user-{n}" for n in range(number)]
    for consumer in consumers:
        await vault.connect(consumer)
    vault.clock.advance(HOUR)
    change_secret(vault, "renewed")
    return consumers


async def integration(vault: Deployment, method: str = "GET", **members: Any) -> Any:
    path = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
    return (await vault.manage(method, path, json=members or None)).data


async def refresh_events(vault: Deployment, consumer: str) -> list[str]:
    return [event for event in await vault.events(consumer) if event.startswith("token_refresh.")]


def counted(what: str) -> float:
    return REGISTRY.get_sample_value("holdfast_circuits_total", {"what": what}) or 0


async def test_a_client_that_is_refused_is_not_asked_with_for_everybody(vault: Deployment) -> None:
    """The second connection that is refused is the last: all others are told the same without a request, none of them
    is dead, each says once that its refresh is pending, and the operator is told once."""
    consumers = await connected(vault, 10)

    with capture_logs() as logs:
        replies = [await use(vault, consumer) for consumer in consumers * 2]

    assert asked(vault) == 2
    assert [await refresh_events(vault, consumer) for consumer in consumers] == [["token_refresh.pending"]] * 10
    assert {(reply.status, reply.body["type_name"]) for reply in replies} == {(422, replies[0].body["type_name"])}
    assert {reply.body["detail"] if isinstance(reply.body["detail"], str) else "" for reply in replies} == {
        "The provider refused with 401 (invalid_client)."
    }
    assert replies[-1].headers["retry-after"] == str(PAUSE)
    healths = [(await vault.connection(consumer=consumer))["health"] for consumer in consumers]
    assert healths == ["pending_refresh"] * 10
    assert {(await vault.connection(consumer=consumer))["state"] for consumer in consumers} == {"callable"}
    assert [entry["code"] for entry in logs if entry["event"] == "client_refused"] == ["invalid_client"]


async def test_one_connection_that_is_refused_holds_up_no_other_one(vault: Deployment) -> None:
    """Its token may belong to a client that the application had before; that another one is refreshed clears it."""
    consumers = await connected(vault, 3)
    await use(vault, consumers[0])
    change_secret(vault, CLIENT_SECRET)
    await use(vault, consumers[1])
    change_secret(vault, "renewed")
    vault.clock.advance(HOUR)

    await use(vault, consumers[2])

    assert (await integration(vault)).get("client_refused") is None
    assert asked(vault) == 3


async def test_one_probe_at_a_time_asks(vault: Deployment) -> None:
    """Of many who come when the pause is over; the pauses grow as long as it lasts."""
    consumers = await connected(vault, 6)
    for consumer in consumers[:2]:
        await use(vault, consumer)
    probes = []
    for pause in (PAUSE, PAUSE, PAUSE, 45, 67.5):
        vault.clock.advance(pause - 0.001)
        await asyncio.gather(*(use(vault, consumer) for consumer in consumers[2:]))
        early = asked(vault)
        vault.clock.advance(0.001)
        await asyncio.gather(*(use(vault, consumer) for consumer in consumers[2:]))
        probes.append((early, asked(vault)))

    assert probes == [(2, 3), (3, 4), (4, 5), (5, 6), (6, 7)]
    # Whoever lost the race for a probe has no pause of its own, as one has whom the provider refused.
    change_secret(vault, CLIENT_SECRET)
    vault.clock.advance(102)
    await asyncio.gather(*(use(vault, consumer) for consumer in consumers[2:]))
    assert {(await use(vault, consumer)).status for consumer in consumers} == {200}


async def test_a_probe_that_succeeds_ends_it_for_everybody(vault: Deployment) -> None:
    """The operator has put it right at the provider: nothing need be done here."""
    consumers = await connected(vault, 4)
    closed = counted("closed")
    for consumer in consumers:
        await use(vault, consumer)
    change_secret(vault, CLIENT_SECRET)
    vault.clock.advance(PAUSE)

    replies = [await use(vault, consumer) for consumer in consumers]

    assert {reply.status for reply in replies} == {200}
    assert (await integration(vault)).get("client_refused") is None
    assert counted("closed") - closed == 1
    recovered = ["token_refresh.pending", "token_refresh.recovered"]
    assert [await refresh_events(vault, consumer) for consumer in consumers] == [recovered] * 4


async def test_a_changed_integration_is_tried_at_once(vault: Deployment) -> None:
    """Whoever sets the new secret waits for no pause, and neither does any connection."""
    consumers = await connected(vault, 4)
    for consumer in consumers:
        await use(vault, consumer)

    changed = await integration(vault, "PUT", client_secret="renewed")
    replies = [await use(vault, consumer) for consumer in consumers]

    assert changed.get("client_refused") is None
    assert {reply.status for reply in replies} == {200}


async def test_a_grant_that_is_refused_shows_that_the_client_is_known(vault: Deployment) -> None:
    """RFC 6749 section 5.2: a client that is not known is refused before its grant is looked at."""
    consumers = await connected(vault, 4)
    for consumer in consumers[:2]:
        await use(vault, consumer)
    vault.clock.advance(PAUSE)
    with vault.provider.behave(REFRESHES, INVALID_GRANT):
        await use(vault, consumers[2])
    change_secret(vault, CLIENT_SECRET)

    assert (await use(vault, consumers[3])).status == 200


async def test_a_request_that_is_wrong_says_nothing_of_the_client(vault: Deployment) -> None:
    """`invalid_scope` may be one connection's: the others are asked for."""
    consumers = await connected(vault, 4)
    with vault.provider.behave(REFRESHES, INVALID_SCOPE):
        for consumer in consumers:
            await use(vault, consumer)

    assert asked(vault) == 4


async def test_a_provider_that_is_down_says_nothing_of_the_client(vault: Deployment) -> None:
    """A probe that gets no answer leaves all as it was."""
    consumers = await connected(vault, 3)
    for consumer in consumers[:2]:
        await use(vault, consumer)
    since = (await integration(vault))["client_refused"]["since"]
    vault.clock.advance(PAUSE)
    with vault.provider.behave(REFRESHES, fail(503)):
        await use(vault, consumers[2])

    assert (await integration(vault))["client_refused"]["since"] == since


async def test_every_node_knows(vault: Deployment) -> None:
    """It is a row of the database, and its pauses are measured by the clock of the database."""
    consumers = await connected(vault, 4)
    for consumer in consumers[:2]:
        await use(vault, consumer)
    async with another_node(vault) as other:
        there = [await use(other, consumer) for consumer in consumers[2:]]

    assert ({reply.status for reply in there}, asked(vault)) == ({422}, 2)


async def test_a_token_that_lives_serves_while_the_client_is_refused(vault: Deployment) -> None:
    """Nobody notices until it ends."""
    consumers = [f"user-{n}" for n in range(4)]
    for consumer in consumers:
        await vault.connect(consumer)
    vault.clock.advance(HOUR - 20)
    change_secret(vault, "renewed")

    replies = [await use(vault, consumer) for consumer in consumers]

    assert ({reply.status for reply in replies}, asked(vault)) == ({200}, 2)
    healths = [(await vault.connection(consumer=consumer))["health"] for consumer in consumers]
    assert healths == ["pending_refresh"] * 2 + ["ok"] * 2


async def test_the_operator_is_told(vault: Deployment) -> None:
    """In the list of integrations, in the health of the vault, which names nobody, and in what is counted."""
    opened, spared = counted("opened"), counted("spared")
    consumers = await connected(vault, 3)
    well = (await vault.get("/health")).body
    for consumer in consumers:
        await use(vault, consumer)
    vault.clock.advance(2)
    ill = (await vault.get("/health")).body
    listed = (await vault.manage("GET", f"/applications/{vault.application_id}/integrations")).data

    assert "warnings" not in well
    assert ill["status"] == "ok"
    assert ["1 OAuth client" in warning for warning in ill["warnings"]] == [True]
    assert SERVICE not in str(ill)
    told = {one["service_id"]: one.get("client_refused") for one in listed}
    assert told[SERVICE] == {"since": vault.clock.now() - 2000, "code": "invalid_client"}
    assert (counted("opened") - opened, counted("spared") - spared) == (1, 1)
