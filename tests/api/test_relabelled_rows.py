"""Whoever can write to the database, and has no key: a row that was made to say something else is not believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from dance import Begun, begin, came_back
from structlog.testing import capture_logs

from holdfast.domain.credential import Secret
from holdfast.domain.tenancy import Bounds
from holdfast.testing.harness import CLIENT_ID, CLIENT_SECRET, PUBLIC_URL, RETURN_TO, SERVICE, Deployment, Reply
from holdfast.usecases import api_keys, manage

PATH = f"/vault/connections/crm/{SERVICE}"
CALLBACK_PAGE = f"{PUBLIC_URL}/oauth/callback"
# Another connector, which would send to other hosts, and another API.
ELSEWHERE, LEAD = "pipedrive", "lead"
EVIL = "https://evil.example/"


@dataclass(frozen=True, slots=True)
class Stranger:
    """Another application with the same integrations, whose key the attacker has."""

    application_id: str
    api_key: str

    @property
    def headers(self) -> dict[str, str | None]:
        return {"x-apideck-app-id": self.application_id, "authorization": f"Bearer {self.api_key}"}


@pytest.fixture
async def stranger(vault: Deployment) -> Stranger:
    other, key = await manage.create_application(vault.vault, "Other", (RETURN_TO,))
    for application_id in (vault.application_id, other.id):
        for service_id in (SERVICE, ELSEWHERE):
            client = manage.IntegrationChange(client_id=CLIENT_ID, client_secret=Secret(CLIENT_SECRET))
            await manage.put_integration(vault.vault, application_id, "crm", service_id, client)
    return Stranger(other.id, key)


async def relabel(vault: Deployment, table: str, **says: Any) -> None:
    """Edits every row of `table` of the deployment's application."""
    changes = ", ".join(f"{column} = :{column}" for column in says)
    where = f"application_id = '{vault.application_id}'"
    changed = await vault.vault.store.q.run(f"UPDATE {table} SET {changes} WHERE {where}", **says)  # noqa: S608 - ours
    assert changed == 1
    vault.clock.advance(2)  # what was read a moment ago is read again


async def is_refused(vault: Deployment, reply: Reply) -> None:
    """Told as what it is, nothing left the vault, and nobody is connected."""
    assert (reply.status, reply.body["type_name"]) == (422, "IntegrityError"), reply.text
    assert "location" not in reply.headers
    assert vault.network.requests == []
    held = await vault.vault.store.q.all("SELECT id FROM connections WHERE credential IS NOT NULL")
    assert held == []


FLOWS: Mapping[str, dict[str, Any]] = {
    "another consumer": {"consumer_id": "attacker"},
    "another service": {"service_id": ELSEWHERE},
    "another API": {"unified_api": LEAD},
    "another place to return to": {"redirect_uri": EVIL},
    "the default place to return to": {"redirect_uri": None},
    "another nonce": {"nonce": "attacker"},
    "no nonce": {"nonce": None},
    "no confirmation": {"confirms": False},
    "no browser": {"binding_mac": None},
    "another verifier": {"sealed": b""},
}


@pytest.mark.parametrize("says", FLOWS.values(), ids=FLOWS.keys())
async def test_a_relabelled_flow_ends(vault: Deployment, stranger: Stranger, says: dict[str, Any]) -> None:
    """Its code goes nowhere, whatever the row was made to say."""
    begun, callback = await came_back(vault, nonce="5f0c", redirect_uri=CALLBACK_PAGE)
    await relabel(vault, "flows", **says)

    await is_refused(vault, await vault.open(callback, cookie=begun.cookie))


async def test_a_flow_that_is_left_alone_connects(vault: Deployment, stranger: Stranger) -> None:
    """Otherwise the tests around it would prove nothing."""
    begun, callback = await came_back(vault)
    await relabel(vault, "flows", created_at=1)

    assert (await vault.open(callback, cookie=begun.cookie)).location == RETURN_TO
    assert (await vault.connection())["state"] == "callable"


async def test_a_flow_cannot_be_given_to_another_application(vault: Deployment, stranger: Stranger) -> None:
    """The other application's keys open nothing of it."""
    begun, callback = await came_back(vault)
    await relabel(vault, "flows", application_id=stranger.application_id)

    await is_refused(vault, await vault.open(callback, cookie=begun.cookie))


async def test_a_flow_cannot_be_given_another_callback(vault: Deployment) -> None:
    """A connector whose redirect URI is its own does not take over the flow of another one, nor the other way round."""
    begun, callback = await came_back(vault)
    context = callback.partition("?")[0].rpartition("/")[2]
    await relabel(vault, "flows", context="")

    await is_refused(vault, await vault.open(callback.replace(f"/{context}?", "?"), cookie=begun.cookie))


async def test_a_flow_cannot_be_bound_to_another_browser(vault: Deployment) -> None:
    """The attacker's own browser does not end the flow of somebody else."""
    theirs: Begun = await begin(vault, consumer="attacker")
    row = await vault.vault.store.q.one("SELECT binding_mac FROM flows")
    await vault.vault.store.q.run("DELETE FROM flows")
    begun, callback = await came_back(vault)
    assert row is not None
    await relabel(vault, "flows", binding_mac=row["binding_mac"])
    cookie = f"{begun.cookie.partition('=')[0]}={theirs.cookie.partition('=')[2]}"

    await is_refused(vault, await vault.open(callback, cookie=cookie))


async def test_a_flow_cannot_be_made_to_live_longer(vault: Deployment) -> None:
    """A state that leaked and has expired stays of no use."""
    begun, callback = await came_back(vault)
    vault.clock.advance(3600)
    await relabel(vault, "flows", expires_at=vault.clock.now() + 600_000)

    await is_refused(vault, await vault.open(callback, cookie=begun.cookie))


@pytest.mark.parametrize(
    "says",
    [{"consumer_id": "attacker"}, {"service_id": ELSEWHERE}, {"redirect_uri": EVIL}, {"nonce": ""}, {"sealed": b""}],
    ids=["consumer", "service", "redirect_uri", "nonce", "sealed"],
)
async def test_a_relabelled_flow_without_a_verifier_ends(
    vault: Deployment, stranger: Stranger, says: dict[str, Any]
) -> None:
    """A delegated flow has no PKCE verifier to be sealed; what it says is bound all the same."""
    state = (await vault.post(f"{PATH}/callback-state")).data["state"]
    await relabel(vault, "flows", **says)
    redirect_uri = vault.provider.clients[CLIENT_ID].redirect_uris[0]

    await is_refused(vault, await vault.open(f"{redirect_uri}?state={state}&code=stolen"))


CONFIRMATIONS: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "another consumer": ({"consumer_id": "attacker"}, PATH, "attacker"),
    "another service": ({"service_id": ELSEWHERE}, f"/vault/connections/crm/{ELSEWHERE}", "user-1"),
    "another API": ({"unified_api": LEAD}, f"/vault/connections/{LEAD}/{SERVICE}", "user-1"),
}


@pytest.mark.parametrize(("says", "path", "consumer"), CONFIRMATIONS.values(), ids=CONFIRMATIONS.keys())
async def test_a_relabelled_confirmation_ends(
    vault: Deployment, stranger: Stranger, says: dict[str, Any], path: str, consumer: str
) -> None:
    """Whoever the row was given to cannot confirm it."""
    token = (await vault.connect(nonce="5f0c", redirect_uri=CALLBACK_PAGE)).query["confirm_token"]
    await relabel(vault, "confirmations", **says)

    await is_refused(vault, await vault.post(f"{path}/confirm", json={"confirm_token": token}, consumer=consumer))


async def test_a_confirmation_cannot_be_given_to_another_application(vault: Deployment, stranger: Stranger) -> None:
    """Nor does the other application's key confirm it."""
    token = (await vault.connect(nonce="5f0c", redirect_uri=CALLBACK_PAGE)).query["confirm_token"]
    await relabel(vault, "confirmations", application_id=stranger.application_id)

    reply = await vault.post(f"{PATH}/confirm", json={"confirm_token": token}, headers=stranger.headers)

    await is_refused(vault, reply)


async def test_a_confirmation_cannot_be_made_to_live_longer(vault: Deployment) -> None:
    """A confirm token that has expired stays of no use."""
    token = (await vault.connect(nonce="5f0c", redirect_uri=CALLBACK_PAGE)).query["confirm_token"]
    vault.clock.advance(3600)
    await relabel(vault, "confirmations", expires_at=vault.clock.now() + 600_000)

    await is_refused(vault, await vault.post(f"{PATH}/confirm", json={"confirm_token": token}))


INTEGRATIONS: Mapping[str, dict[str, Any]] = {
    "another client": {"client_id": "attacker"},
    "no client": {"client_id": None},
    "another service": {"service_id": ELSEWHERE},
}


@pytest.mark.parametrize("says", INTEGRATIONS.values(), ids=INTEGRATIONS.keys())
async def test_the_secrets_of_a_relabelled_integration_do_not_open(vault: Deployment, says: dict[str, Any]) -> None:
    """The client secret goes with no other client and to no other service: nobody is even sent to the provider."""
    await relabel(vault, "integrations", **says)
    service = says.get("service_id", SERVICE)

    begun = await vault.open(await vault.authorize_url(service))

    assert begun.parameters["error_type"] in ("IntegrityError", "OAuthCredentialsNotFoundError")
    assert begun.location.startswith(RETURN_TO)
    assert vault.network.requests == []


async def test_an_integration_cannot_be_given_to_another_application(vault: Deployment) -> None:
    """A client secret works for the application that it was set up for."""
    other, key = await manage.create_application(vault.vault, "Other", (RETURN_TO,))
    await relabel(vault, "integrations", application_id=other.id)
    stranger = replace(vault, application_id=other.id, api_key=key)

    begun = await stranger.open(await stranger.authorize_url())

    assert begun.parameters["error_type"] == "IntegrityError"
    assert vault.network.requests == []


async def test_a_client_secret_is_not_sent_for_another_client(vault: Deployment) -> None:
    """The code of a flow that was under way is not redeemed with a client that somebody put there."""
    begun, callback = await came_back(vault)
    await relabel(vault, "integrations", client_id="attacker")

    reply = await vault.open(callback, cookie=begun.cookie)

    assert reply.parameters["error_type"] == "IntegrityError"
    assert vault.network.requests == []


KEYS: Mapping[str, dict[str, Any]] = {
    "more scopes": {"scopes": '["connections","credentials:read"]'},
    "no bounds": {"bounds": None},
    "other bounds": {"bounds": '{"consumers":["user-1"]}'},
    "another id": {"id": "0" * 32},
    "a MAC of its own": {"row_mac": bytes(32)},
    "another key of its MAC": {"mac_key_id": "0" * 16},
}


@pytest.mark.parametrize("says", KEYS.values(), ids=KEYS.keys())
async def test_a_relabelled_api_key_is_none(vault: Deployment, says: dict[str, Any]) -> None:
    """A key whose row was made to allow more allows nothing, and the operator is told which one it is."""
    scope = manage.operator(vault.application_id)
    await vault.vault.store.q.run("DELETE FROM api_keys")
    key, text = await api_keys.issue(
        scope, vault.vault, vault.vault.store, ("connections",), Bounds(consumers=frozenset({"user-2"}))
    )
    headers = {"authorization": f"Bearer {text}"}
    before = await api_keys.identify(vault.vault, text)
    await relabel(vault, "api_keys", **says)

    with capture_logs() as logs:
        reply = await vault.get(PATH, headers=headers)
        listed = await vault.manage("GET", f"/applications/{vault.application_id}/api-keys")

    assert before == key
    assert (reply.status, reply.body["detail"]) == (401, "Invalid Authorization Token")
    assert listed.data == []
    assert [entry["event"] for entry in logs].count("altered_api_key") == 2
    assert text not in str(logs)


async def test_an_api_key_cannot_be_given_to_another_application(vault: Deployment, stranger: Stranger) -> None:
    """One's own key does not open the application that its row was made to name."""
    own = "UPDATE api_keys SET application_id = :victim WHERE application_id = :stranger"
    named = {"victim": vault.application_id, "stranger": stranger.application_id}
    assert await vault.vault.store.q.run(own, **named) == 1

    reply = await vault.get(PATH, headers={"authorization": f"Bearer {stranger.api_key}"})

    assert reply.status == 401


async def test_an_api_key_cannot_take_the_place_of_another(vault: Deployment, stranger: Stranger) -> None:
    """One's own key, found by its MAC, is not taken for the row of somebody else that this MAC was written to."""
    q = vault.vault.store.q
    own = await q.one("SELECT mac FROM api_keys WHERE application_id = :id", id=stranger.application_id)
    assert own is not None
    await q.run("DELETE FROM api_keys WHERE application_id = :id", id=stranger.application_id)
    await relabel(vault, "api_keys", mac=own["mac"])

    assert (await vault.get(PATH, headers={"authorization": f"Bearer {stranger.api_key}"})).status == 401


async def test_a_connection_that_was_given_to_another_consumer_is_of_no_use(vault: Deployment) -> None:
    """Whoever writes to the database cannot make the vault use one customer's token for another."""
    await vault.connect()
    called = len(vault.network.requests)
    await relabel(vault, "connections", consumer_id="attacker")

    used = await vault.get(f"{PATH}/leads/custom-fields", consumer="attacker")
    told = await vault.connection(consumer="attacker")

    assert used.status == 401
    assert (told["state"], told["health"]) == ("added", "needs_auth")
    assert len(vault.network.requests) == called


@pytest.mark.parametrize("column", ["service_id", "unified_api", "application_id", "id"])
async def test_a_token_goes_to_no_other_service(vault: Deployment, stranger: Stranger, column: str) -> None:
    """A row that says that it belongs elsewhere opens nothing, and nothing of it is sent anywhere."""
    await vault.connect()
    called = len(vault.network.requests)
    row = {"service_id": ELSEWHERE, "unified_api": LEAD, "application_id": stranger.application_id, "id": "0" * 32}
    await relabel(vault, "connections", **{column: row[column]})
    where = f"/vault/connections/{LEAD if column == 'unified_api' else 'crm'}"
    headers = stranger.headers if column == "application_id" else {}

    service = ELSEWHERE if column == "service_id" else SERVICE
    used = await vault.get(f"{where}/{service}/leads/custom-fields", headers=headers)

    assert used.status in (401, 404)
    assert len(vault.network.requests) == called
