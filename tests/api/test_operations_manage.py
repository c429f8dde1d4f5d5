"""The management API: applications, their keys and integrations, for whoever holds the admin token."""

from __future__ import annotations

from typing import Any

import pytest
from accounts import open_account

from holdfast.domain.tenancy import Caller, Scope
from holdfast.store import integrations
from holdfast.testing.asgi import call
from holdfast.testing.harness import ADMIN_TOKEN, CLIENT_SECRET, PUBLIC_URL, RETURN_TO, Deployment

CRM = "/integrations/crm/sandbox-crm"


def path(vault: Deployment, below: str = "") -> str:
    return f"/applications/{vault.application_id}{below}"


async def test_an_application_comes_with_a_key_that_works(vault: Deployment) -> None:
    """The key is told once; with it and the id, the application has its own world."""
    made = await vault.manage("POST", "/applications", json={"name": "Acme EU", "redirect_uris": [RETURN_TO]})

    assert (made.status, made.data.keys()) == (200, {"application_id", "api_key"})
    headers = {"authorization": made.data["api_key"], "x-apideck-app-id": made.data["application_id"]}
    reply = await vault.get("/vault/connections", headers=headers)
    assert (reply.status, reply.data) == (200, [])


async def test_an_application_is_told_without_its_key(vault: Deployment) -> None:
    """By itself and in the list; what was not said has its default."""
    made = (await vault.manage("POST", "/applications", json={"name": "Acme EU"})).data

    reply = await vault.manage("GET", f"/applications/{made['application_id']}")

    assert reply.data == {
        "application_id": made["application_id"],
        "name": "Acme EU",
        "redirect_uris": [],
        "confirmation": "auto",
        "created_at": vault.clock.now(),
    }
    every = (await vault.manage("GET", "/applications")).data
    assert reply.data in every
    assert len(every) == 2


async def test_an_application_is_changed_member_by_member(vault: Deployment) -> None:
    """What is not sent stays; requests follow the change."""
    reply = await vault.manage("PATCH", path(vault), json={"confirmation": "always"})
    assert (reply.data["name"], reply.data["redirect_uris"]) == ("Acme", [RETURN_TO])

    renamed = await vault.manage("PATCH", path(vault), json={"name": "Acme EU", "redirect_uris": []})

    assert (renamed.data["name"], renamed.data["redirect_uris"]) == ("Acme EU", [])
    assert (renamed.data["confirmation"], (await vault.open(await vault.authorize_url())).status) == ("always", 400)


async def test_a_deleted_application_is_gone(vault: Deployment) -> None:
    """With its keys and all connections of its consumers; nothing of it can be asked for again."""
    await vault.connect()

    reply = await vault.manage("DELETE", path(vault))

    assert (reply.status, reply.text) == (204, "")
    assert (await vault.get("/vault/connections")).status == 401
    assert (await vault.manage("GET", path(vault))).status == 404
    assert (await vault.manage("DELETE", path(vault))).status == 404


async def test_a_key_does_what_it_was_made_for(vault: Deployment) -> None:
    """Each has its scopes; its text is in the answer that makes it and in no other."""
    made = await vault.manage("POST", path(vault, "/api-keys"), json={"scopes": ["credentials:read"]})
    full = await vault.manage("POST", path(vault, "/api-keys"))

    assert (made.data["scopes"], full.data["scopes"]) == (["credentials:read"], ["connections", "sessions", "proxy"])
    assert made.data["api_key"].endswith(made.data["last_four"])
    statuses = [
        (await vault.get("/vault/connections", headers={"authorization": f"Bearer {key.data['api_key']}"})).status
        for key in (made, full)
    ]
    assert statuses == [401, 200]
    listed = (await vault.manage("GET", path(vault, "/api-keys"))).data
    assert {key["id"] for key in listed} >= {made.data["id"], full.data["id"]}
    assert not [key for key in listed if "api_key" in key]


async def test_a_key_that_is_taken_away_no_longer_works(vault: Deployment) -> None:
    """Others go on."""
    made = (await vault.manage("POST", path(vault, "/api-keys"))).data

    reply = await vault.manage("DELETE", path(vault, f"/api-keys/{made['id']}"))

    assert (reply.status, reply.text) == (204, "")
    assert (await vault.get("/vault/connections", headers={"authorization": made["api_key"]})).status == 401
    assert (await vault.get("/vault/connections")).status == 200
    assert (await vault.manage("DELETE", path(vault, f"/api-keys/{made['id']}"))).status == 404


async def test_an_integration_says_what_it_has_and_what_it_needs(vault: Deployment) -> None:
    """The client's id and the redirect URI to register are told, its secret only by whether it is set."""
    reply = await vault.manage("GET", path(vault, CRM))

    assert reply.data == {
        "unified_api": "crm",
        "service_id": "sandbox-crm",
        "enabled": True,
        "integration_state": "configured",
        "client_id": "sandbox-client",
        "has_client_secret": True,
        "scopes": None,
        "settings_set": [],
        "redirect_uri": reply.data["redirect_uri"],
    }
    assert reply.data["redirect_uri"].startswith(f"{PUBLIC_URL}/vault/callback/")
    assert CLIENT_SECRET not in reply.text


async def test_a_shipped_connector_has_the_callback_that_is_documented(vault: Deployment) -> None:
    """One redirect URI is registered at all providers of the catalogue."""
    reply = await vault.manage("PUT", path(vault, "/integrations/crm/pipedrive"))

    assert reply.data["redirect_uri"] == f"{PUBLIC_URL}/vault/callback"


async def test_what_pasting_brought_along_is_no_part_of_a_client(vault: Deployment) -> None:
    """An id with a space behind it, a secret with a line break: neither would ever authenticate."""
    where = path(vault, "/integrations/crm/pipedrive")

    reply = await vault.manage("PUT", where, json={"client_id": " 5f1c2a ", "client_secret": "s3\n"})

    scope = Scope(vault.application_id, Caller.own("test"))
    stored = await integrations.unseal(scope, vault.vault.store, "crm", "pipedrive")
    assert reply.data["client_id"] == "5f1c2a"
    assert stored.client.client_secret.reveal() == "s3"


async def test_an_integration_is_set_up_step_by_step(vault: Deployment) -> None:
    """What is not sent stays, null clears, and the state tells what is missing."""
    where = path(vault, "/integrations/crm/pipedrive")

    empty = await vault.manage("PUT", where)
    id_only = await vault.manage("PUT", where, json={"client_id": "5f1c2a"})
    complete = await vault.manage("PUT", where, json={"client_secret": "s3", "scopes": ["deals:full"]})
    cleared = await vault.manage("PUT", where, json={"client_secret": None})

    states = [reply.data["integration_state"] for reply in (empty, id_only, complete, cleared)]
    assert states == ["needs_configuration", "needs_configuration", "configured", "needs_configuration"]
    assert (cleared.data["client_id"], cleared.data["scopes"]) == ("5f1c2a", ["deals:full"])
    connection = await vault.connection("pipedrive")
    assert (connection["state"], connection["integration_state"]) == ("available", "needs_configuration")


async def test_a_setting_of_the_application_is_kept_like_a_secret(vault: Deployment) -> None:
    """Told by its name only, and placed where the manifest says."""
    people = await open_account(vault, "personio", "hris")

    reply = await vault.manage("GET", path(vault, "/integrations/hris/personio"))

    assert reply.data["settings_set"] == ["app_id", "partner_id"]
    assert people.example.app["partner_id"] not in reply.text


async def test_integrations_are_listed_and_taken_away(vault: Deployment) -> None:
    """A connection of one that is gone is not told any more, and is still there when it comes back."""
    await vault.connect()
    listed = (await vault.manage("GET", path(vault, "/integrations"))).data

    reply = await vault.manage("DELETE", path(vault, CRM))

    assert [integration["service_id"] for integration in listed] == ["sandbox-crm"]
    assert (reply.status, reply.text) == (204, "")
    gone = await vault.get("/vault/connections/crm/sandbox-crm")
    assert (gone.status, gone.body["type_name"]) == (404, "IntegrationNotFoundError")
    assert (await vault.manage("DELETE", path(vault, CRM))).status == 404
    client = {"client_id": "sandbox-client", "client_secret": CLIENT_SECRET}
    await vault.manage("PUT", path(vault, CRM), json=client)
    assert (await vault.connection())["state"] == "callable"


@pytest.mark.parametrize(
    ("method", "below", "body"),
    [
        ("POST", None, {}),
        ("POST", None, {"name": ""}),
        ("POST", None, {"name": "Acme", "confirmation": "sometimes"}),
        ("POST", None, {"name": "Acme", "redirect_uris": ["https://app.example.com/#home"]}),
        ("PATCH", "", {"name": 7}),
        ("POST", "/api-keys", {"scopes": ["everything"]}),
        ("POST", "/api-keys", {"scopes": []}),
        ("PUT", CRM, {"client_secret": "s3", "client_id": None}),
        ("PUT", CRM, {"scopes": ["leads:read users:read"]}),
        ("PUT", CRM, {"settings": {"colour": "red"}}),
        ("PUT", CRM, {"enabled": "yes"}),
    ],
)
async def test_a_body_that_does_not_fit_is_refused(
    vault: Deployment, method: str, below: str | None, body: dict[str, Any]
) -> None:
    """400, and nothing has changed."""
    where = "/applications" if below is None else path(vault, below)
    before = [(await vault.manage("GET", p)).data for p in ("/applications", path(vault, "/integrations"))]

    reply = await vault.manage(method, where, json=body)

    assert (reply.status, reply.body["type_name"]) == (400, "RequestValidationError")
    after = [(await vault.manage("GET", p)).data for p in ("/applications", path(vault, "/integrations"))]
    assert after == before


@pytest.mark.parametrize("below", ["", "/api-keys", "/integrations", CRM])
async def test_an_unknown_application_is_not_found(vault: Deployment, below: str) -> None:
    """404 for it and for everything below it."""
    reply = await vault.manage("GET", f"/applications/{'0' * 32}{below}")

    assert (reply.status, reply.body["type_name"]) == (404, "EntityNotFoundError")


async def test_an_unknown_connector_cannot_be_set_up(vault: Deployment) -> None:
    """Neither a service that is not in the catalogue, nor one under an API that it does not have."""
    for below in ("/integrations/crm/nobody-knows", "/integrations/ats/pipedrive"):
        reply = await vault.manage("PUT", path(vault, below))
        assert (reply.status, reply.body["type_name"]) == (404, "ConnectorNotFoundError")


@pytest.mark.parametrize("credential", [None, "", "Bearer", "Bearer hf_admin_for_tests", f"Basic {ADMIN_TOKEN}"])
async def test_only_the_admin_token_manages(vault: Deployment, credential: str | None) -> None:
    """An API key does not, and neither does a part of the token."""
    for sent in (credential, f"Bearer {vault.api_key}"):
        headers = [("authorization", sent)] if sent is not None else []
        answer = await call(vault.app, "GET", f"{PUBLIC_URL}/manage/applications", headers)
        assert answer.status == 401
