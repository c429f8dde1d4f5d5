"""RFC 8693 at /oauth/token: asked and answered as OAuth has it, errors too, and no less careful than the API."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from accounts import open_account
from reading import ONE, exchanged, journalled, newest, reader
from structlog.testing import capture_logs
from watched_database import refuse, watched

from holdfast.http.guesses import AT_ONCE
from holdfast.testing.harness import PUBLIC_URL, SERVICE, Deployment, Reply
from holdfast.testing.provider import RawAnswer, fail, say

HOUR = 3600
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
REFRESHES = "token:refresh_token"
INVALID_GRANT = say(RawAnswer(400, {"Content-Type": "application/json"}, b'{"error": "invalid_grant"}'))
WRONG = "hf_live_00000000_this-key-is-nobodys_00000000"
RESOURCE = f"{PUBLIC_URL}/vault/connections/crm/{SERVICE}?consumer_id=user-1"


def refusal(reply: Reply) -> tuple[int, str]:
    """Status and code of an error, which has the form of RFC 6749 section 5.2."""
    assert reply.headers["content-type"] == "application/json"
    assert (reply.headers["cache-control"], reply.headers["pragma"]) == ("no-store", "no-cache")
    assert reply.body.keys() == {"error", "error_description"}
    assert not set(reply.body["error_description"]) & set('"\\')
    assert reply.body["error_description"].isascii()
    return reply.status, reply.body["error"]


def basic(id: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{id}:{secret}".encode()).decode()}


@pytest.fixture
async def product(vault: Deployment) -> Deployment:
    """A vault with a connection, asked with a key that reads credentials."""
    await vault.connect()
    return await reader(vault)


async def test_a_key_is_exchanged_for_a_customers_token(product: Deployment) -> None:
    """RFC 8693 section 2.2.1, with the token's own type, seconds and scope; no refresh token, and not to be stored."""
    product.clock.advance(100)
    reply = await exchanged(product)

    assert reply.status == 200
    assert reply.body == {
        "access_token": newest(product).value,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": HOUR - 100,
        "scope": " ".join(newest(product).grant.scopes),
    }
    assert (reply.headers["cache-control"], reply.headers["pragma"]) == ("no-store", "no-cache")
    assert await journalled(product) == [("credential_read", "user-1")]


@pytest.mark.parametrize(
    "target",
    [
        {"audience": f"user-1/crm/{SERVICE}"},
        {"audience": None, "resource": RESOURCE},
        {"audience": f"user-1/crm/{SERVICE}", "resource": RESOURCE},
    ],
)
async def test_a_connection_is_an_audience_or_a_resource(product: Deployment, target: dict[str, Any]) -> None:
    """By its name or by its address; both may be sent if they say the same."""
    assert (await exchanged(product, **target)).status == 200


async def test_a_consumer_may_have_slashes_in_its_id(vault: Deployment) -> None:
    """The last two parts of an audience are the service."""
    await vault.connect(consumer="org/7/user-1")

    assert (await exchanged(await reader(vault), audience=f"org/7/user-1/crm/{SERVICE}")).status == 200


@pytest.mark.parametrize(
    "target",
    [
        {"audience": f"user-2/crm/{SERVICE}"},
        {"audience": "user-1/crm/nothing"},
        {"audience": f"crm/{SERVICE}"},
        {"audience": f"/crm/{SERVICE}"},
        {"audience": f"usér/crm/{SERVICE}"},
        {"audience": f"us\x00er/crm/{SERVICE}"},
        {"audience": "user-1"},
        {"audience": f"user-1/crm/{SERVICE}", "resource": RESOURCE.replace("user-1", "user-2")},
        {"audience": None, "resource": RESOURCE.replace(PUBLIC_URL, "https://other.example")},
        {"audience": None, "resource": RESOURCE + "&consumer_id=user-2"},
        {"audience": None, "resource": RESOURCE + "#fragment"},
        {"audience": None, "resource": RESOURCE.partition("?")[0]},
        {"audience": None, "resource": "https://[half"},
    ],
)
async def test_what_is_no_connection_is_an_invalid_target(product: Deployment, target: dict[str, Any]) -> None:
    """Unknown, not connected, two at once, or no name at all."""
    assert refusal(await exchanged(product, **target)) == (400, "invalid_target")
    assert await journalled(product) == []


async def test_two_audiences_are_an_invalid_target(vault: Deployment) -> None:
    """One token is for one connection, and which of two is not for us to choose."""
    for consumer in ("user-1", "user-2"):
        await vault.connect(consumer=consumer)

    reply = await exchanged(await reader(vault), ("audience", f"user-2/crm/{SERVICE}"))

    assert refusal(reply) == (400, "invalid_target")


async def test_a_key_beyond_its_bounds_is_an_invalid_target(vault: Deployment) -> None:
    """The key is good, and not for this customer."""
    await vault.connect()

    reply = await exchanged(await reader(vault, bounds={"consumers": ["user-2"]}))

    assert refusal(reply) == (400, "invalid_target")


@pytest.mark.parametrize(
    "members",
    [
        {"subject_token": WRONG},
        {"subject_token": None},
        {"subject_token": "hf_līve"},
        {"subject_token_type": None},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"actor_token": "x", "actor_token_type": ACCESS_TOKEN},
        {"actor_token_type": ACCESS_TOKEN},
        {"audience": None},
        {"audience": ""},
        {"grant_type": None},
    ],
)
async def test_a_request_that_lacks_something_is_invalid(product: Deployment, members: dict[str, Any]) -> None:
    """A wrong subject too (RFC 8693 section 2.2.2)."""
    assert refusal(await exchanged(product, **members)) == (400, "invalid_request")


async def test_a_parameter_comes_once(product: Deployment) -> None:
    """RFC 6749 section 3.2: which of two subjects counts is not for us to guess, though they be the same."""
    assert refusal(await exchanged(product, ("subject_token", product.api_key))) == (400, "invalid_request")


async def test_what_is_no_form_is_an_invalid_request(product: Deployment) -> None:
    """JSON, or more than a form may hold."""
    headers = {"content-type": "application/json"}
    assert refusal(await exchanged(product, headers=headers)) == (400, "invalid_request")
    assert refusal(await exchanged(product, filler="x" * 20_000)) == (400, "invalid_request")


async def test_other_grants_are_not_supported(product: Deployment) -> None:
    """The vault is no authorization server of its own."""
    for grant_type in ("client_credentials", "refresh_token", "authorization_code"):
        assert refusal(await exchanged(product, grant_type=grant_type)) == (400, "unsupported_grant_type")


async def test_a_default_key_is_exchanged_for_nothing(vault: Deployment) -> None:
    """The scope counts here as in the API, and the answer names it."""
    await vault.connect()

    reply = await exchanged(vault)

    assert refusal(reply) == (400, "invalid_request")
    assert "credentials:read" in reply.body["error_description"]


async def test_a_client_may_say_who_it_is(product: Deployment) -> None:
    """Standard clients authenticate: as the application, by HTTP Basic or in the form, with a key or with none."""
    id, key = product.application_id, product.api_key
    ways: list[dict[str, Any]] = [
        {"headers": basic(id, key)},
        {"headers": basic(id, "")},
        {"client_id": id},
        {"client_id": id, "client_secret": key},
    ]

    assert [(await exchanged(product, **way)).status for way in ways] == [200] * len(ways)


async def test_a_client_that_is_another_one_is_refused(product: Deployment) -> None:
    """401, with a challenge where the client used that header; a key of no one or of someone else is no secret."""
    other = (await product.manage("POST", "/applications", json={"name": "Other", "redirect_uris": []})).data
    id, key = product.application_id, product.api_key
    ways: list[dict[str, Any]] = [
        {"headers": basic("another", key)},
        {"headers": basic(id, WRONG)},
        {"headers": basic(id, other["api_key"])},
        {"headers": {"authorization": f"Bearer {key}"}},
        {"headers": {"authorization": "Basic not-base64"}},
        {"client_id": other["application_id"]},
        {"client_id": other["application_id"], "client_secret": other["api_key"]},
        {"client_id": id, "client_secret": WRONG},
    ]
    for way in ways:
        reply = await exchanged(product, **way)
        assert refusal(reply) == (401, "invalid_client")
        assert ("www-authenticate" in reply.headers) == ("headers" in way)
    assert await journalled(product) == []


async def test_a_client_authenticates_in_one_way(product: Deployment) -> None:
    """RFC 6749 section 2.3."""
    reply = await exchanged(product, client_secret=product.api_key, headers=basic(product.application_id, ""))

    assert refusal(reply) == (400, "invalid_request")


@pytest.mark.parametrize("place", ["subject_token", "client_secret"])
async def test_wrong_keys_are_slowed_down_here_too(product: Deployment, place: str) -> None:
    """They count with those that are sent to the API; a right key passes all the same."""
    wrong = {place: WRONG, **({"client_id": product.application_id} if place == "client_secret" else {})}
    for _ in range(AT_ONCE):
        assert (await exchanged(product, **wrong)).status in (400, 401)

    reply = await exchanged(product, **wrong)

    assert refusal(reply) == (429, "temporarily_unavailable")
    assert int(reply.headers["retry-after"]) > 0
    assert (await product.get(ONE, headers={"authorization": WRONG})).status == 429
    assert (await exchanged(product)).status == 200


async def test_a_scope_is_had_or_refused(product: Deployment) -> None:
    """What the customer consented to can be asked for in part; the answer tells what the token has."""
    scope = " ".join(newest(product).grant.scopes)

    assert (await exchanged(product, scope=scope.split()[0])).body["scope"] == scope
    assert refusal(await exchanged(product, scope=f"{scope} everything")) == (400, "invalid_scope")


async def test_an_expired_token_is_refreshed_first(product: Deployment) -> None:
    """The client gets a new one, with its whole life."""
    product.clock.advance(HOUR)

    assert (await exchanged(product)).body["expires_in"] == HOUR
    assert product.provider.calls[REFRESHES] == 1


async def test_a_dead_grant_is_an_invalid_target(product: Deployment) -> None:
    """The customer has to connect again: to try once more helps nobody."""
    product.clock.advance(HOUR)
    with product.provider.behave(REFRESHES, INVALID_GRANT):
        reply = await exchanged(product)

    assert refusal(reply) == (400, "invalid_target")
    assert "retry-after" not in reply.headers


async def test_what_may_work_later_says_when(product: Deployment) -> None:
    """A provider that is away, and a fault of our own: only the latter is a 5xx."""
    product.clock.advance(HOUR)
    with product.provider.behave(REFRESHES, fail(503)):
        away = await exchanged(product)
    broken, database = watched(product)
    database.before = refuse()
    fault = await exchanged(broken)

    assert refusal(away) == (400, "temporarily_unavailable")
    assert refusal(fault) == (503, "temporarily_unavailable")
    assert int(away.headers["retry-after"]) > 0
    assert int(fault.headers["retry-after"]) > 0


async def test_a_connection_without_a_token_is_an_invalid_target(vault: Deployment) -> None:
    """An API key of the service is no access token; the answer says where it is read."""
    account = await open_account(vault, "activecampaign", "crm")
    await account.fill_in()

    assert refusal(await exchanged(await reader(vault), audience="user-1/crm/activecampaign")) == (
        400,
        "invalid_target",
    )


async def test_pages_of_other_origins_do_not_reach_it(product: Deployment) -> None:
    """It is for servers: no answer may be read by a page, and a preflight is answered by nobody."""
    reply = await exchanged(product, headers={"origin": "https://evil.example"})
    asked = await product.request("OPTIONS", "/oauth/token", headers={"origin": "https://evil.example"})

    assert "access-control-allow-origin" not in reply.headers
    assert (asked.status, "access-control-allow-origin" in asked.headers) == (405, False)


async def test_no_secret_is_logged(product: Deployment) -> None:
    """Neither keys nor tokens, in whatever comes of a request."""
    with capture_logs() as logs:
        await exchanged(product)
        await exchanged(product, subject_token=WRONG)
        await exchanged(product, headers=basic("another", product.api_key))

    logged = json.dumps(logs, default=str)
    assert [secret for secret in (product.api_key, WRONG, newest(product).value) if secret in logged] == []
