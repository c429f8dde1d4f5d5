"""One customer's story, told twice: by the project's Python client, and by the one generated from `/openapi.json`."""

from __future__ import annotations

import asyncio
import importlib
from types import ModuleType
from typing import Any

import pytest
from generated_client import PACKAGE
from live import Live

from holdfast.testing.provider import USERS


class Told:
    """A client's operations, called as any program calls them, in a thread beside the vault's loop."""

    def __init__(self, client: ModuleType, vault: Live) -> None:
        self.client = client
        self.configuration = client.Configuration(host=vault.url)
        self.configuration.api_key["apiKey"] = vault.api_key
        self.configuration.api_key_prefix["apiKey"] = "Bearer"

    async def call(self, method: str, *args: Any, cookie: str | None = None, **options: Any) -> Any:
        """What the method returns."""
        with self.client.ApiClient(self.configuration, cookie=cookie) as api_client:
            api = self.client.ConnectionsApi(api_client)
            return await asyncio.to_thread(getattr(api, method), *args, **options)

    async def state(self, vault: Live, service: str = "pipedrive", api: str = "crm") -> str:
        answer = await self.call("connections_one", vault.consumer, vault.application_id, service, api)
        return str(answer.data.state.value)


@pytest.fixture(params=["openapi_client", PACKAGE])
def told(request: pytest.FixtureRequest, live_vault: Live, monkeypatch: pytest.MonkeyPatch) -> Told:
    if request.param == PACKAGE:
        monkeypatch.syspath_prepend(str(request.getfixturevalue("generated")))
    return Told(importlib.import_module(request.param), live_vault)


async def authorize(vault: Live, told: Told, link: str) -> None:
    """Opens the link, which leads to the consent page, and hands in what the customer's browser brings back."""
    state = link.partition("state=")[2]
    args = ("pipedrive", vault.application_id, state, vault.product)
    assert await told.call("connections_authorize", *args, scope=["oauth"]) is None
    assert vault.provider.calls["authorize"] == 1

    sent, cookie = await vault.consented()
    assert await told.call("connections_callback", sent["state"], sent["code"], cookie=cookie) is None


async def test_a_connection_from_its_first_day_to_its_last(live_vault: Live, told: Told) -> None:
    """Added, set, authorized by the customer, used, configured, revoked and deleted: each step shows in its state."""
    who, about = (live_vault.consumer, live_vault.application_id), ("pipedrive", "crm")
    added = await told.call("connections_add", *who, *about, told.client.Connection(enabled=True))
    assert (added.status_code, added.data.state.value) == (201, "added")

    owner = {"owner_id": str(USERS[1].id)}
    change = told.client.Connection(settings=owner, metadata={"plan": "enterprise"})
    updated = await told.call("connections_update", *who, *about, change)
    assert updated.data.settings == owner

    await authorize(live_vault, told, updated.data.authorize_url)
    connected = (await told.call("connections_one", *who, *about)).data
    assert (connected.state.value, connected.metadata) == ("callable", {"plan": "enterprise"})
    assert owner.items() <= connected.settings.items()

    listed = await told.call("connections_all", *who, api="crm", configured=True)
    assert [connection.id for connection in listed.data] == ["crm+pipedrive"]

    found = await told.call("custom_fields_all", *who, "crm", "pipedrive", "leads")
    assert "Lead source" in [field.name for field in found.data]

    defaults = [{"resource": "leads", "defaults": [{"id": "pipeline_id", "value": "2"}]}]
    change = told.client.Connection.from_dict({"configuration": defaults})
    updated = await told.call("connection_settings_update", *who, *about, "leads", change)
    assert [(item.resource, item.defaults[0].value) for item in updated.data.configuration] == [("leads", "2")]
    form = await told.call("connection_settings_all", *who, "crm", "pipedrive", "leads")
    assert [(field.id, field.value) for field in form.data.configuration] == [("pipeline_id", "2")]

    state = connected.revoke_url.partition("state=")[2]
    assert await told.call("connections_revoke", about[0], who[1], state, live_vault.product) is None
    assert await told.state(live_vault) == "added"

    assert await told.call("connections_delete", *who, *about) is None
    assert await told.state(live_vault) == "available"


async def test_a_connection_that_was_made_elsewhere(live_vault: Live, told: Told) -> None:
    """Tokens of other software are taken over; the client sends them by their names in the API."""
    client, who = told.client, (live_vault.consumer, live_vault.application_id)
    credentials = client.ConnectionImportDataCredentials(refresh_token=live_vault.refresh_token())
    given = client.ConnectionImportData(credentials=credentials, metadata={"company_id": "4711"})

    imported = await told.call("connections_import", *who, "pipedrive", "crm", given)

    assert (imported.status_code, imported.data.state.value) == (201, "callable")
    # It is refreshed before its first use, because nobody said how old it is.
    await told.call("custom_fields_all", *who, "crm", "pipedrive", "leads")
    assert live_vault.provider.calls["token:refresh_token"] == 1


async def test_a_connection_by_credentials_of_its_own(live_vault: Live, told: Told) -> None:
    """A customer's client credentials are exchanged for a token, with a body or without."""
    who, about = (live_vault.consumer, live_vault.application_id), ("personio", "hris")
    secrets = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    await told.call("connections_update", *who, *about, told.client.Connection(settings=secrets))
    assert await told.state(live_vault, *about) == "added"

    bodies: list[dict[str, Any]] = [{}, {"body": {}}, {"body": None}]
    for body in bodies:
        exchanged = await told.call("connections_token", *who, *about, **body)
        assert exchanged.data.state.value == "callable"

    assert live_vault.provider.calls["token:client_credentials"] == 3


async def test_an_error_is_an_exception_with_its_envelope(live_vault: Live, told: Told) -> None:
    """Programs catch the client's own exceptions and read what the vault says in them."""
    rest = importlib.import_module(f"{told.client.__name__}.rest")

    with pytest.raises(rest.ApiException) as raised:
        await told.call("connections_one", live_vault.consumer, live_vault.application_id, "pipedrvie", "crm")

    assert raised.value.status == 404
    assert raised.value.data.type_name == "ConnectorNotFoundError"
