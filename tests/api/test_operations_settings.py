"""connectionSettingsAll, connectionSettingsUpdate, customFieldsAll: a resource's defaults, and its fields."""

from __future__ import annotations

from typing import Any

import pytest
from accounts import Account, open_account

from holdfast.testing.harness import Deployment
from holdfast.testing.provider import fail

LEADS = "/vault/connections/crm/sandbox-crm/leads"


def body(resource: str, **values: Any) -> dict[str, Any]:
    """Defaults as the browser component sends them: with the type of each field."""
    defaults = [{"id": id, "value": value, "target": "resource", "type": "select"} for id, value in values.items()]
    return {"configuration": [{"resource": resource, "defaults": defaults}]}


async def test_a_form_is_filled_with_what_the_account_offers(vault: Deployment) -> None:
    """A flat list of fields, whose options come from the connected account; every option says of which kind it is."""
    await vault.connect()

    reply = await vault.get(f"{LEADS}/config")

    [field] = reply.data["configuration"]
    assert (reply.status, reply.data["id"], reply.data["state"]) == (200, "crm+sandbox-crm", "callable")
    assert (field["id"], field["label"], field["type"], field["target"]) == (
        "pipeline_id", "Pipeline", "select", "resource",
    )  # fmt: skip
    assert (field["required"], field["description"]) == (False, "Where new leads start.")
    assert field["options"] == [
        {"label": "New business", "value": "1", "option_type": "simple"},
        {"label": "Renewals", "value": "2", "option_type": "simple"},
    ]
    assert (field["resource"], field["defaults"], "value" in field) == ("leads", [], False)


async def test_a_default_comes_back_in_both_readings(vault: Deployment) -> None:
    """In the connection by resource, in the resource's form as the value of its field; the type is not kept."""
    await vault.connect()

    reply = await vault.patch(f"{LEADS}/config", json=body("leads", pipeline_id="2"))

    stored = [{"resource": "leads", "defaults": [{"id": "pipeline_id", "value": "2", "target": "resource"}]}]
    assert (reply.status, reply.body["status_code"], reply.data["configuration"]) == (200, 200, stored)
    assert (await vault.connection())["configuration"] == stored
    [field] = (await vault.get(f"{LEADS}/config")).data["configuration"]
    assert (field["value"], field["defaults"]) == ("2", stored[0]["defaults"])
    assert (await vault.events())[-1] == "updated"


async def test_defaults_are_replaced_as_a_whole(vault: Deployment) -> None:
    """A form sends all that it shows, so what it leaves out is no longer wanted. Another resource is not touched."""
    await vault.connect()
    await vault.patch(f"{LEADS}/config", json=body("leads", pipeline_id="2", owner_id="7"))

    reply = await vault.patch(f"{LEADS}/config", json=body("leads", owner_id="8"))
    ignored = await vault.patch(f"{LEADS}/config", json=body("users", role="admin"))

    assert [d["id"] for d in reply.data["configuration"][0]["defaults"]] == ["owner_id"]
    assert [item["resource"] for item in ignored.data["configuration"]] == ["leads"]


async def test_a_form_that_is_sent_back_as_it_was_read_is_understood(vault: Deployment) -> None:
    """Each item of the form is also the resource's defaults, so reading, changing and sending works."""
    await vault.connect()
    await vault.patch(f"{LEADS}/config", json=body("leads", pipeline_id="2"))
    read = (await vault.get(f"{LEADS}/config")).data

    reply = await vault.patch(f"{LEADS}/config", json={"configuration": read["configuration"]})

    assert reply.data["configuration"][0]["defaults"] == [{"id": "pipeline_id", "value": "2", "target": "resource"}]


@pytest.mark.parametrize("value", [{"a": 1}, [{"a": 1}], [["a"]], [1], [None]])
async def test_a_default_that_clients_cannot_read_is_refused(vault: Deployment, value: Any) -> None:
    """One of them would make the consumer's whole list unreadable for strict clients, whichever way it came in."""
    await vault.connect()

    replies = [
        await vault.patch(f"{LEADS}/config", json=body("leads", pipeline_id=value)),
        await vault.patch("/vault/connections/crm/sandbox-crm", json=body("leads", pipeline_id=value)),
    ]

    assert {(reply.status, reply.body["type_name"]) for reply in replies} == {(400, "RequestValidationError")}
    assert "configuration" not in await vault.connection()


@pytest.mark.parametrize("value", ["EUR", 7, 0.5, True, None, ["EUR", "USD"]])
async def test_a_default_is_kept_as_it_was_sent(vault: Deployment, value: Any) -> None:
    """A text, a number, a truth value or nothing; several texts, where several options may be chosen."""
    await vault.connect()

    reply = await vault.patch(f"{LEADS}/config", json=body("leads", pipeline_id=value))

    assert reply.data["configuration"][0]["defaults"][0].get("value") == value


async def test_options_of_the_manifest_need_no_call(vault: Deployment) -> None:
    """What every account offers stands in the manifest; what this one offers is asked for."""
    campaign = await open_account(vault, "activecampaign", "crm")
    await campaign.connect()

    form = (await vault.get(f"{campaign.path}/opportunities/config")).data["configuration"]

    options = {field["id"]: [option["value"] for option in field["options"]] for field in form}
    assert options.keys() == {"pipeline_id", "pipeline_stage_id", "owner_id", "currency"}
    assert options["currency"][:2] == ["EUR", "USD"]
    assert options["owner_id"] == ["choice-1"]


async def test_a_resource_without_settings_has_an_empty_form(vault: Deployment) -> None:
    """It is a resource of the API all the same; one that is not is 404."""
    await vault.connect()

    empty = await vault.get("/vault/connections/crm/sandbox-crm/users/config")
    unknown = await vault.get("/vault/connections/crm/sandbox-crm/invoices/config")

    assert (empty.status, empty.data["configuration"]) == (200, [])
    assert (unknown.status, unknown.body["type_name"]) == (404, "EntityNotFoundError")


@pytest.mark.parametrize("added", [False, True])
async def test_a_form_needs_an_authorized_connection(vault: Deployment, added: bool) -> None:
    """Its options are the account's. Setting a default needs none: it adds the connection."""
    if added:
        await vault.post("/vault/connections/crm/sandbox-crm")

    form = await vault.get(f"{LEADS}/config")
    reply = await vault.patch(f"{LEADS}/config", json=body("leads", pipeline_id="2"))

    assert (form.status, form.body["type_name"]) == (422, "InvalidStateError")
    assert (reply.status, reply.data["state"]) == (200, "added")


@pytest.mark.parametrize("path", ["config", "custom-fields"])
async def test_a_service_that_fails_is_no_failure_of_ours(vault: Deployment, path: str) -> None:
    """422 with a text: clients repeat a server error for minutes."""
    await vault.connect()
    with vault.provider.behave("api", fail(503)):
        reply = await vault.get(f"{LEADS}/{path}")

    assert (reply.status, reply.body["type_name"]) == (422, "OAuthConnectorError")
    assert (await vault.connection())["state"] == "callable"


@pytest.mark.parametrize(
    "configuration",
    [
        [{"resource": "leads", "defaults": [{"value": "2"}]}],
        [{"resource": "leads", "defaults": [{"id": "pipeline_id", "target": "everywhere"}]}],
        [{"resource": "leads", "defaults": {"pipeline_id": "2"}}],
        [{"resource": 7, "defaults": []}],
        ["leads"],
        {"leads": []},
    ],
)
async def test_defaults_of_another_form_are_refused(vault: Deployment, configuration: Any) -> None:
    """Nothing is stored that could not be told again."""
    await vault.connect()

    reply = await vault.patch(f"{LEADS}/config", json={"configuration": configuration})

    assert (reply.status, reply.body["type_name"]) == (400, "RequestValidationError")
    assert "configuration" not in await vault.connection()


async def test_custom_fields_are_those_of_the_account(vault: Deployment) -> None:
    """Its own, and none of the service's; each with the JSONPath that finds it in a record."""
    await vault.connect()

    reply = await vault.get(f"{LEADS}/custom-fields")

    names = [field["name"] for field in reply.data]
    assert (reply.status, names) == (
        200, ["Lead source", "Fleet size", "Contract ends on", "Interested in", "Next step"],
    )  # fmt: skip
    assert reply.data[0]["finder"] == f"$['{reply.data[0]['id']}']"
    assert (await vault.get(f"{LEADS}/custom-fields?resource_id=17")).data == reply.data


async def test_a_service_without_custom_fields_has_none(vault: Deployment) -> None:
    """An empty list, whatever the state: there is nobody to ask. A resource of another API is 404."""
    await vault.connect()

    none = await vault.get("/vault/connections/crm/sandbox-crm/users/custom-fields")
    unknown = await vault.get("/vault/connections/crm/sandbox-crm/invoices/custom-fields")

    assert (none.status, none.data) == (200, [])
    assert (unknown.status, unknown.body["type_name"]) == (404, "EntityNotFoundError")


async def test_custom_fields_need_an_authorized_connection(vault: Deployment) -> None:
    """They are the account's."""
    reply = await vault.get(f"{LEADS}/custom-fields")

    assert (reply.status, reply.body["type_name"]) == (422, "InvalidStateError")


async def test_a_token_that_the_service_no_longer_takes_is_refreshed_for_the_call(vault: Deployment) -> None:
    """A 401 costs one refresh and one more try, and the caller sees nothing of it."""
    await vault.connect()
    for grant in vault.provider.ledger.grants:
        grant.access[-1].ended = True

    reply = await vault.get(f"{LEADS}/custom-fields")

    assert (reply.status, len(reply.data)) == (200, 5)
    assert vault.provider.calls["token:refresh_token"] == 1


async def test_an_api_key_has_custom_fields_too(vault: Deployment) -> None:
    """The credential is placed as the manifest says."""
    campaign: Account = await open_account(vault, "activecampaign", "crm")
    await campaign.connect()

    reply = await vault.get(f"{campaign.path}/contacts/custom-fields")

    assert [field["id"] for field in reply.data] == ["field_4711"]
    assert reply.data[0]["finder"] == "$['fieldValues'][?@.field == 'field_4711']['value']"
