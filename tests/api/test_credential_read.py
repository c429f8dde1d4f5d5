"""A credential in the product's own hands: who gets it, how good it is, and what is said of it."""

from __future__ import annotations

import asyncio
import json

import pytest
from accounts import open_account
from nodes import Deploy
from reading import ONE, PATH, journalled, newest, reader
from structlog.testing import capture_logs
from watched_database import watched

from holdfast.testing.clock import TestClock
from holdfast.testing.harness import SERVICE, Deployment, Reply
from holdfast.testing.provider import RawAnswer, SandboxProvider, Shape, TokenAnswer, fail, say
from holdfast.testing.provider.crm import SCOPES

HOUR = 3600
REFRESHES = "token:refresh_token"
INVALID_GRANT = say(RawAnswer(400, {"Content-Type": "application/json"}, b'{"error": "invalid_grant"}'))


async def refused(vault: Deployment) -> Reply:
    """The answer to a read of which the journal has no line."""
    before = await journalled(vault)
    reply = await vault.get(PATH)
    assert await journalled(vault) == before
    return reply


async def test_an_access_token_is_read(vault: Deployment) -> None:
    """With its type, scope and times, in ms; it is the one that the service gave."""
    await vault.connect()
    reply = await (await reader(vault)).get(PATH)

    now = vault.clock.now()
    assert reply.status == 200
    assert reply.data == {
        "auth_type": "oauth2",
        "access_token": newest(vault).value,
        "token_type": "Bearer",
        "scope": " ".join(newest(vault).grant.scopes),
        "issued_at": now,
        "expires_at": now + HOUR * 1000,
        "refresh_after": now + (HOUR - 30) * 1000,
    }


async def test_a_default_key_reads_nothing(vault: Deployment) -> None:
    """A key reads credentials if it was made for that; others are told which scope they lack."""
    await vault.connect()

    reply = await refused(vault)

    assert (reply.status, reply.body["type_name"]) == (401, "UnauthorizedError")
    assert "credentials:read" in reply.body["detail"]


async def test_a_key_that_reads_credentials_does_nothing_else(vault: Deployment) -> None:
    """A service that only needs tokens is given a key that can only read tokens."""
    await vault.connect()

    assert (await (await reader(vault)).get(ONE)).status == 401


async def test_bounds_count_here_too(vault: Deployment) -> None:
    """A key that is bound to one consumer, or to another service, has no other one's credential."""
    await vault.connect()
    hers = await reader(vault, bounds={"consumers": ["user-1"]})
    elsewhere = await reader(vault, bounds={"services": ["crm+pipedrive"]})

    assert (await hers.get(PATH)).status == 200
    assert (await hers.get(PATH, consumer="user-2")).status == 401
    assert (await elsewhere.get(PATH)).status == 401


@pytest.mark.parametrize("shut", ["connection", "integration", "consent"])
async def test_where_the_gate_is_shut_nothing_is_read(vault: Deployment, shut: str) -> None:
    """Switched off by its consumer or by the product, or without consent: nobody gets the token, and none is opened."""
    await vault.connect()
    if shut == "connection":
        await vault.patch(ONE, json={"enabled": False})
    elif shut == "integration":
        path = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
        await vault.manage("PUT", path, json={"enabled": False})
    else:
        await vault.vault.store.q.run("UPDATE connections SET consent_state = 'revoked'")

    assert (await refused(await reader(vault))).status == 422


async def test_what_is_not_connected_has_no_credential(vault: Deployment) -> None:
    """A service that the consumer has not connected is told apart from one that does not exist."""
    product = await reader(vault)

    assert (await product.get(PATH)).status == 422
    assert (await product.get("/vault/connections/crm/nothing/credentials")).status == 404


async def test_each_reading_is_journalled(vault: Deployment) -> None:
    """Also the one that only says that nothing has changed, by another word."""
    await vault.connect()
    product = await reader(vault)
    tag = (await product.get(PATH)).headers["etag"]
    await product.get(PATH, headers={"if-none-match": tag})

    assert await journalled(vault) == [("credential_unchanged", "user-1"), ("credential_read", "user-1")]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}'])
async def test_who_has_the_credential_is_not_sent_it_again(vault: Deployment, form: str) -> None:
    """An ETag sent back is 304 without a body, also when a server on the way has weakened it."""
    await vault.connect()
    product = await reader(vault)
    tag = (await product.get(PATH)).headers["etag"]

    reply = await product.get(PATH, headers={"if-none-match": form.format(tag)})

    assert (reply.status, reply.text, reply.headers["etag"]) == (304, "", tag)
    assert reply.headers["cache-control"] == "no-store"


async def test_the_gate_stands_before_a_304_too(vault: Deployment) -> None:
    """Whoever has the token learns that the connection was switched off."""
    await vault.connect()
    product = await reader(vault)
    tag = (await product.get(PATH)).headers["etag"]
    await vault.patch(ONE, json={"enabled": False})

    assert (await product.get(PATH, headers={"if-none-match": tag})).status == 422


async def test_a_new_token_has_a_new_etag(vault: Deployment) -> None:
    """What the product has is old after a refresh or a new authorization, and is not after a change of metadata."""
    await vault.connect()
    product = await reader(vault)
    tags = [(await product.get(PATH)).headers["etag"]]
    await vault.patch(ONE, json={"metadata": {"plan": "enterprise"}})
    unchanged = await product.get(PATH, headers={"if-none-match": tags[0]})
    vault.clock.advance(HOUR)
    tags.append((await product.get(PATH, headers={"if-none-match": tags[0]})).headers["etag"])
    await vault.delete(ONE)
    await vault.connect()
    tags.append((await product.get(PATH)).headers["etag"])

    assert unchanged.status == 304
    assert len(set(tags)) == 3


async def test_answers_are_never_to_be_stored(vault: Deployment) -> None:
    """Not even by a cache that a client has (RFC 9111 section 5.2.2.5)."""
    await vault.connect()

    assert (await (await reader(vault)).get(PATH)).headers["cache-control"] == "no-store"


async def test_fifty_readers_of_an_expired_token_refresh_it_once(vault: Deployment) -> None:
    """All of them have the same new token."""
    await vault.connect()
    product = await reader(vault)
    vault.clock.advance(HOUR)

    replies = await asyncio.gather(*(product.get(PATH) for _ in range(50)))

    assert vault.provider.calls[REFRESHES] == 1
    assert {reply.data["access_token"] for reply in replies} == {newest(vault).value}


async def test_who_needs_a_token_for_longer_gets_it_refreshed_ahead(vault: Deployment) -> None:
    """A job of twenty minutes: fifty of its workers cause one refresh, and the next ones none."""
    await vault.connect()
    product = await reader(vault)
    vault.clock.advance(HOUR - 1000)
    path = f"{PATH}?min_valid_seconds=1200"

    replies = await asyncio.gather(*(product.get(path) for _ in range(50)))
    again = await product.get(path)

    assert vault.provider.calls[REFRESHES] == 1
    assert {reply.data["expires_at"] for reply in [*replies, again]} == {vault.clock.now() + HOUR * 1000}


async def test_a_token_that_lives_long_enough_is_not_refreshed(vault: Deployment) -> None:
    """To the second: it is refreshed when it has less than what was asked for."""
    await vault.connect()
    product = await reader(vault)
    vault.clock.advance(HOUR - 1200)
    await product.get(f"{PATH}?min_valid_seconds=1200")
    before = vault.provider.calls[REFRESHES]
    vault.clock.advance(1)
    await product.get(f"{PATH}?min_valid_seconds=1200")

    assert (before, vault.provider.calls[REFRESHES]) == (0, 1)


async def test_what_no_token_of_the_service_can_give_is_refused(vault: Deployment) -> None:
    """More than nine tenths of a life would mean a refresh at each reading: a clear error, and nobody is asked."""
    await vault.connect()
    product = await reader(vault)
    longest = await product.get(f"{PATH}?min_valid_seconds=3240")
    vault.clock.advance(1)

    reply = await product.get(f"{PATH}?min_valid_seconds=3601")

    assert longest.status == 200
    assert (reply.status, reply.body["type_name"]) == (422, "InvalidStateError")
    assert "3600" in reply.body["detail"]
    assert "3240" in reply.body["detail"]
    assert vault.provider.calls[REFRESHES] == 0


async def test_a_service_that_refuses_early_refreshes_gives_what_it_has(vault: Deployment) -> None:
    """Exact Online refreshes in the last half minute of ten: until then the token serves, for however short."""
    books = await open_account(vault, "exact-online", "accounting")
    await books.take_over(credentials=books.tokens(expires_in=600), settings=dict(books.example.settings))
    product = await reader(vault)
    vault.clock.advance(500)

    reply = await product.get(f"{books.path}/credentials?min_valid_seconds=300")

    assert reply.status == 200, reply.text
    assert reply.data["expires_at"] == vault.clock.now() + 100_000
    assert reply.data["refresh_after"] == vault.clock.now() + 71_000
    assert books.provider.calls[REFRESHES] == 0


async def test_a_token_serves_on_when_it_cannot_be_refreshed_ahead(vault: Deployment) -> None:
    """The provider is away, and the token lives: it is read with the end that it has."""
    await vault.connect()
    product = await reader(vault)
    vault.clock.advance(HOUR - 600)

    with vault.provider.behave(REFRESHES, fail(503)):
        reply = await product.get(f"{PATH}?min_valid_seconds=1200")

    assert reply.data["expires_at"] == vault.clock.now() + 600_000


@pytest.mark.parametrize(("id", "api"), [("pipedrive", "crm"), ("exact-online", "accounting")])
async def test_after_its_time_there_is_a_newer_one(vault: Deployment, id: str, api: str) -> None:
    """Until `refresh_after` it is the same token, and a moment later another one: nobody asks too early in vain."""
    account = await open_account(vault, id, api)
    await account.take_over(credentials=account.tokens(expires_in=600), settings=dict(account.example.settings))
    product, path = await reader(vault), f"{account.path}/credentials"
    first = (await product.get(path)).data
    vault.clock.advance((first["refresh_after"] - vault.clock.now()) / 1000)
    until = (await product.get(path)).data
    vault.clock.advance(0.001)
    later = (await product.get(path)).data

    assert until == first
    assert later["access_token"] != first["access_token"]


async def test_a_token_whose_end_nobody_knows_is_read_without_one(deploy: Deploy) -> None:
    """There is nothing to say of its end then, and nothing to refuse."""
    shape = Shape(scopes=SCOPES, answer=TokenAnswer(expires=None))
    clock = TestClock()
    async with deploy(clock=clock, provider=SandboxProvider(clock=clock, shape=shape)) as vault:
        await vault.connect()
        data = (await (await reader(vault)).get(f"{PATH}?min_valid_seconds=86400")).data

    assert data["access_token"] == newest(vault).value
    assert not data.keys() & {"expires_at", "refresh_after"}


async def test_a_token_that_nothing_refreshes_is_read_to_its_end(vault: Deployment) -> None:
    """It has no refresh token: after its end somebody has to connect again."""
    crm = await open_account(vault, "pipedrive", "crm")
    await crm.take_over(credentials=crm.tokens(refresh_token=None), settings=dict(crm.example.settings))
    product = await reader(vault)
    vault.clock.advance(HOUR - 10)
    before = await product.get(f"{crm.path}/credentials?min_valid_seconds=60")
    vault.clock.advance(10)
    after = await product.get(f"{crm.path}/credentials")

    assert before.data["refresh_after"] == before.data["expires_at"] == vault.clock.now()
    assert (after.status, after.body["type_name"]) == (401, "ConnectorCredentialsError")


async def test_a_dead_grant_is_told_as_clients_look_for_it(vault: Deployment) -> None:
    """401 with the object that says how long the credentials are kept, to every reader; nothing is journalled."""
    await vault.connect()
    product = await reader(vault)
    vault.clock.advance(HOUR)
    with vault.provider.behave(REFRESHES, INVALID_GRANT):
        replies = [await product.get(PATH), await product.get(PATH)]

    for reply in replies:
        assert reply.status == 401
        assert reply.body["detail"]["type"] == "refresh_token_connector_error"
        assert reply.body["detail"]["debug"]["response"]["data"] == {"error": "invalid_grant"}
    assert await journalled(vault) == []


@pytest.mark.parametrize("value", ["-1", "soon", "1.5", "99999999", "1&min_valid_seconds=2"])
async def test_a_time_that_is_none_is_refused(vault: Deployment, value: str) -> None:
    """Whole seconds, up to a month, once."""
    await vault.connect()

    assert (await (await reader(vault)).get(f"{PATH}?min_valid_seconds={value}")).status == 400


@pytest.mark.parametrize(("id", "api"), [("activecampaign", "crm"), ("twilio", "sms")])
async def test_a_service_without_oauth_is_told_as_it_is_called(vault: Deployment, id: str, api: str) -> None:
    """Its address, and the headers and query that carry its key: with them the service answers."""
    account = await open_account(vault, id, api)
    await account.fill_in()

    data = (await (await reader(vault)).get(f"{account.path}/credentials")).data

    assert data.keys() == {"auth_type", "base_url", "headers", "query"}
    assert data["auth_type"] == account.connector.auth.type
    assert data["base_url"].startswith("https://")
    sent = next(request for request in reversed(vault.network.requests) if request.url.startswith(data["base_url"]))
    assert data["headers"].items() <= sent.headers.items()
    assert data["headers"]


async def test_a_changed_key_has_a_new_etag(vault: Deployment) -> None:
    """Who caches it learns of the new one."""
    account = await open_account(vault, "activecampaign", "crm")
    await account.fill_in()
    product = await reader(vault)
    path = f"{account.path}/credentials"
    first = await product.get(path)
    await vault.post(f"{account.path}/import", json={"settings": {**account.typed, "api_key": "another-key-4711"}})
    second = await product.get(path, headers={"if-none-match": first.headers["etag"]})

    assert second.status == 200
    assert "another-key-4711" in second.text


async def test_an_integration_that_is_set_up_anew_has_a_new_etag(vault: Deployment) -> None:
    """What the application itself adds to each call may be another now."""
    account = await open_account(vault, "activecampaign", "crm")
    await account.fill_in()
    product = await reader(vault)
    path = f"{account.path}/credentials"
    tag = (await product.get(path)).headers["etag"]
    integration = f"/applications/{vault.application_id}/integrations/crm/activecampaign"
    await vault.manage("PUT", integration, json={"client_id": "another"})

    assert (await product.get(path, headers={"if-none-match": tag})).status == 200


async def test_no_refresh_token_leaves_and_none_is_logged(vault: Deployment) -> None:
    """Neither before nor after a refresh, nor in an error; and what was read is in no line of the log."""
    with capture_logs() as logs:
        await vault.connect()
        product = await reader(vault)
        told = [(await product.get(PATH)).text]
        vault.clock.advance(HOUR)
        told.append((await product.get(PATH)).text)
        vault.clock.advance(HOUR)
        with vault.provider.behave(REFRESHES, INVALID_GRANT):
            told.append((await product.get(PATH)).text)

    ledger, logged = vault.provider.ledger, json.dumps(logs, default=str)
    assert [token for token in ledger.refresh if token in "".join(told) + logged] == []
    assert [token for token in ledger.access if token in logged] == []
    assert len(ledger.refresh) == 2


async def test_a_reading_needs_one_query(vault: Deployment) -> None:
    """Key and integration were looked at within the second; the journal is written to this process's own file."""
    await vault.connect()
    product, database = watched(await reader(vault))
    await product.get(PATH)
    asked: list[str] = []

    async def count(sql: str) -> None:
        asked.append(sql)

    database.before = count
    reply = await product.get(PATH)

    assert (reply.status, len(asked)) == (200, 1)
