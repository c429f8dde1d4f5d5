"""Every shipped connector is told so that every published client can read it, in each state that it can be in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest
from client_rules import breaches

from holdfast.catalog import Catalog
from holdfast.catalog.index import allowed_hosts
from holdfast.domain.connector import Connector
from holdfast.testing.from_manifest import Example, example, provider_for
from holdfast.testing.harness import PUBLIC_URL, Deployment, Reply
from holdfast.testing.provider import SandboxProvider

CONNECTORS = {connector.id: connector for connector in Catalog.load().all()}


@dataclass(frozen=True, slots=True)
class Account:
    """A customer's account at the service of `connector`, under one of its unified APIs."""

    vault: Deployment
    connector: Connector
    api: str
    example: Example
    provider: SandboxProvider

    @property
    def path(self) -> str:
        return f"/vault/connections/{self.api}/{self.connector.id}"

    @property
    def typed(self) -> dict[str, str]:
        """What a person can fill in."""
        fields = (s for s in self.connector.at("connection") if s.filled_by == "user" and not s.options_from)
        return {s.id: self.example.settings[s.id] for s in fields}

    async def told(self) -> Any:
        """The connection, by itself and in the list, which say the same."""
        one = await self.vault.get(self.path)
        every = await self.vault.get("/vault/connections", headers={"accept": "application/json"})
        assert breaches(one.body) == breaches(every.body) == []
        listed = next(c for c in every.data if c["id"] == one.data["id"])
        assert _without_links(listed) == _without_links(one.data)
        return one.data

    async def connect(self) -> Reply:
        """Takes the account over with tokens from elsewhere, or fills in the form."""
        if self.connector.auth.oauth is None:
            return await self.vault.patch(self.path, json={"settings": self.typed})
        issue = self.provider.issue()
        tokens: dict[str, Any] = {"access_token": issue.access.value, "expires_in": 3600}
        tokens["issued_at"] = datetime.fromtimestamp(self.vault.clock.now() / 1000, UTC).isoformat()
        given = {"credentials": tokens, "settings": self.example.settings}
        return await self.vault.post(f"{self.path}/import", json=given)


def _without_links(connection: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in connection.items() if not name.endswith("_url")}


@pytest.fixture(params=[(id, api) for id, c in CONNECTORS.items() for api in c.unified_apis], ids="+".join)
async def account(request: pytest.FixtureRequest, vault: Deployment) -> Account:
    id, api = request.param
    connector = CONNECTORS[id]
    account = example(connector, files("holdfast") / "connectors" / id)
    client = {"client_id": account.client.client_id, "client_secret": account.client.client_secret}
    path = f"/applications/{vault.application_id}/integrations/{api}/{id}"
    reply = await vault.manage("PUT", path, json={**client, "settings": account.app})
    assert reply.data["integration_state"] == "configured"
    await vault.manage("DELETE", f"/applications/{vault.application_id}/integrations/crm/sandbox-crm")
    provider = provider_for(connector, account, clock=vault.clock, redirect_uri=f"{PUBLIC_URL}/vault/callback")
    vault.network.apps |= dict.fromkeys(allowed_hosts(connector), provider.app)
    return Account(vault, connector, api, account, provider)


async def test_a_connection_is_told_in_words_that_clients_know(account: Account) -> None:
    """Not added, added, connected and switched off: the rules hold whatever the state, alone and in the list."""
    available = await account.told()
    added = await account.vault.post(account.path)
    waiting = await account.told()
    connected = await account.connect()
    callable_ = await account.told()
    await account.vault.patch(account.path, json={"enabled": False})
    disabled = await account.told()

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

    reply = await account.vault.patch(account.path, json={"settings": account.typed | wrong})
    told = await account.told()

    assert told["validation_support"] is verifiable
    assert reply.status == 200
    assert (told["state"] == "invalid") is verifiable
    assert not set(wrong.values()) & {field["value"] for field in told["form_fields"]}


async def test_the_settings_of_a_resource_are_told_as_a_form(account: Account) -> None:
    """Each item is a form field and the resource's defaults at once; a stored default comes back in both places."""
    await account.connect()
    for resource in (await account.told())["configurable_resources"]:
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
