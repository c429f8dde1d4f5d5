"""Every shipped connector is told so that every published client can read it, in each state that it can be in."""

from __future__ import annotations

from typing import Any

import pytest
from accounts import CONNECTORS, Account, open_account
from client_rules import breaches

from holdfast.testing.harness import Deployment


async def told(account: Account) -> Any:
    """The connection, by itself and in the list, which say the same."""
    one = await account.vault.get(account.path)
    every = await account.vault.get("/vault/connections")
    assert breaches(one.body) == breaches(every.body) == []
    listed = next(c for c in every.data if c["id"] == one.data["id"])
    assert _without_links(listed) == _without_links(one.data)
    return one.data


def _without_links(connection: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in connection.items() if not name.endswith("_url")}


@pytest.fixture(params=[(id, api) for id, c in CONNECTORS.items() for api in c.unified_apis], ids="+".join)
async def account(request: pytest.FixtureRequest, vault: Deployment) -> Account:
    return await open_account(vault, *request.param)


async def test_a_connection_is_told_in_words_that_clients_know(account: Account) -> None:
    """Not added, added, connected and switched off: the rules hold whatever the state, alone and in the list."""
    available = await told(account)
    added = await account.vault.post(account.path)
    waiting = await told(account)
    connected = await account.connect()
    callable_ = await told(account)
    await account.patch(enabled=False)
    disabled = await told(account)

    # Where nothing has to be proven, what is missing can only be a setting.
    before = "authorized" if account.connector.auth.type == "none" else "added"
    assert [added.status, connected.status] == [200, 200]
    assert [c["state"] for c in (available, waiting, callable_, disabled)] == [
        "available",
        before,
        "callable",
        "authorized",
    ]
    assert ["health" in available, callable_["health"], disabled["health"]] == [False, "ok", "ok"]
    assert breaches(added.body) == breaches(connected.body) == []


async def test_credentials_that_the_service_refuses_are_invalid(account: Account) -> None:
    """Where a connector can be asked, wrong credentials are told as a state, in an answer like any other."""
    verifiable = account.connector.verify is not None and account.connector.auth.oauth is None
    sensitive = [s.id for s in account.connector.at("connection") if s.sensitive]
    wrong = {id: account.typed[id][1:] + account.typed[id][:1] for id in sensitive}

    reply = await account.fill_in(**wrong)
    connection = await told(account)

    assert connection["validation_support"] is verifiable
    assert reply.status == 200
    assert (connection["state"] == "invalid") is verifiable
    assert not set(wrong.values()) & {field["value"] for field in connection["form_fields"]}


async def test_the_settings_of_a_resource_are_told_as_a_form(account: Account) -> None:
    """Each item is a form field and the resource's defaults at once; a stored default comes back in both places."""
    await account.connect()
    for resource in (await told(account))["configurable_resources"]:
        form = await account.vault.get(f"{account.path}/{resource}/config")
        assert breaches(form.body) == []
        field = form.data["configuration"][0]
        sent = {"resource": resource, "defaults": [{"id": field["id"], "value": "7", "type": field["type"]}]}

        changed = await account.vault.patch(f"{account.path}/{resource}/config", json={"configuration": [sent]})

        assert breaches(changed.body) == []
        again = (await account.vault.get(f"{account.path}/{resource}/config")).data["configuration"][0]
        assert again["value"] == again["defaults"][0]["value"] == "7"
        assert changed.data["configuration"][0]["defaults"][0]["value"] == "7"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("state", "connected"), ("auth_type", None), ("name", None), ("created_at", "2026-11-23T12:00:00Z"),
        ("settings", {"region": "eu"}), ("authorize_url", "https://vault.example.com/vault/authorize/acme/a1"),
        ("form_fields", [{"id": "region", "type": "password", "hidden": False, "sensitive": True}]),
        ("configuration", [{"resource": "leads", "defaults": [{"id": "tags", "value": ["a"]}]}]),
    ],
)  # fmt: skip
async def test_a_breach_is_found(vault: Deployment, member: str, value: Any) -> None:
    """The rules say of an answer what is wrong with it."""
    reply = await vault.get("/vault/connections/crm/sandbox-crm")

    assert breaches(reply.body) == []
    assert len(breaches({**reply.body, "data": {**reply.data, member: value}})) >= 1
    assert breaches({**reply.body, "message": "OK"}) == ["envelope with message"]
