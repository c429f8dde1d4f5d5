"""The sandbox's API: who may call it, and the CRM behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from oauth_app import BASE, App, body

from holdfast.testing.asgi import Answer, call
from holdfast.testing.provider import Api, ApiRoute, Placement, SandboxProvider, Shape


async def test_a_call_without_a_good_token_is_401(app: App) -> None:
    """RFC 6750 section 3: the challenge says why, if there was a token at all."""
    none = await call(app.provider.app, "GET", f"{BASE}/api/v1/leads")
    unknown = await app.get("/api/v1/leads", "sbx_at_unknown")

    assert (none.status, unknown.status) == (401, 401)
    assert none.header("www-authenticate") == 'Bearer realm="sandbox"'
    assert unknown.header("www-authenticate") == 'Bearer realm="sandbox", error="invalid_token"'
    assert body(unknown)["success"] is False


async def test_a_withdrawn_grant_ends_at_once(app: App) -> None:
    """A person who removes the app in her account settings shuts it out."""
    token = (await app.connect())["access_token"]

    app.provider.withdraw()

    assert (await app.get("/api/v1/leads", token)).status == 401


async def test_custom_fields_explain_the_odd_members_of_leads(app: App) -> None:
    """Keys of 40 hex digits stand in leads; `leadFields` gives them names, types and options."""
    token = app.provider.issue().access.value

    fields = body(await app.get("/api/v1/leadFields", token))["data"]
    lead = body(await app.get("/api/v1/leads?limit=1", token))["data"][0]

    custom = {field["key"]: field for field in fields if field["edit_flag"]}
    odd = {key: value for key, value in lead.items() if re.fullmatch("[0-9a-f]{40}", key)}
    assert odd.keys() <= custom.keys()
    assert [field["name"] for field in custom.values() if field["key"] in odd] == ["Lead source", "Fleet size"]
    source = next(field for field in custom.values() if field["name"] == "Lead source")
    assert odd[source["key"]] in [option["id"] for option in source["options"]]


async def test_lists_come_in_pages(app: App) -> None:
    """`start` and `limit` page through, and the answer says whether there is more."""
    token = app.provider.issue().access.value

    first = body(await app.get("/api/v1/leads?limit=20", token))
    second = body(await app.get("/api/v1/leads?limit=20&start=20", token))

    ids = [lead["id"] for lead in first["data"] + second["data"]]
    assert len(set(ids)) == 24
    assert first["additional_data"]["pagination"] == {"start": 0, "limit": 20, "more_items_in_collection": True}
    assert second["additional_data"]["pagination"]["more_items_in_collection"] is False


async def test_leads_point_at_stages_that_exist(app: App) -> None:
    """The data holds together, so that a product built on it finds what it looks up."""
    token = app.provider.issue().access.value

    pipelines = body(await app.get("/api/v1/pipelines", token))["data"]
    leads = body(await app.get("/api/v1/leads", token))["data"]

    stages = {stage["id"] for pipeline in pipelines for stage in pipeline["stages"]}
    assert {lead["stage_id"] for lead in leads} <= stages


async def test_a_lead_can_be_added_to_one_provider_only(app: App, app_of: Callable[..., App]) -> None:
    """Each provider has data of its own."""
    other = app_of()
    token, other_token = app.provider.issue().access.value, other.provider.issue().access.value
    headers = [("Authorization", f"Bearer {token}"), ("Content-Type", "application/json")]
    lead = json.dumps({"title": "Kestrel Logistics: pilot", "value": {"amount": 4200, "currency": "EUR"}}).encode()

    added = await call(app.provider.app, "POST", f"{BASE}/api/v1/leads", headers, lead)

    assert (added.status, body(added)["data"]["title"]) == (201, "Kestrel Logistics: pilot")
    assert len(body(await app.get("/api/v1/leads", token))["data"]) == 25
    assert len(body(await other.get("/api/v1/leads", other_token))["data"]) == 24


@pytest.mark.parametrize(
    ("accepts", "url", "headers", "status"),
    [
        ([Placement(value="Token token=k3y")], "/me", {"Authorization": "Token token=k3y"}, 200),
        ([Placement(value="Token token=k3y")], "/me", {"Authorization": "Bearer k3y"}, 401),
        ([Placement(value="{access_token}", name="X-Api-Token")], "/me", {"X-Api-Token": "AT"}, 200),
        ([Placement(value="{access_token}", name="X-Api-Token")], "/me", {"Authorization": "Bearer AT"}, 401),
        ([Placement(value="k3y", where="query", name="api_token")], "/me?api_token=k3y", {}, 200),
        ([Placement(value="k3y", where="query", name="api_token")], "/me", {}, 401),
        ([Placement(value="k3y:x", where="basic")], "/me", {"Authorization": "Basic azN5Ong="}, 200),
        ([Placement(value="k3y:x", where="basic")], "/me", {"Authorization": "Basic azN5Og=="}, 401),
        ([Placement(), Placement(value="partner-7", name="X-Partner")], "/me",
         {"Authorization": "Bearer AT", "X-Partner": "partner-7"}, 200),
        ([Placement(), Placement(value="partner-7", name="X-Partner")], "/me", {"Authorization": "Bearer AT"}, 401),
    ],
)  # fmt: skip
async def test_credentials_are_looked_for_where_the_shape_says(
    accepts: list[Placement], url: str, headers: dict[str, str], status: int
) -> None:
    """Scheme words, own headers, query, Basic with a constant half, several at once."""
    api = [ApiRoute("GET", "https://api.crm.example/me", {"id": 1})]
    provider = SandboxProvider(shape=Shape(api=Api(accepts=tuple(accepts))), api=api)
    token = provider.issue().access.value
    sent = [(name, value.replace("AT", token)) for name, value in headers.items()]

    answer = await call(provider.app, "GET", f"https://api.crm.example{url}", sent)

    assert answer.status == status


async def test_one_url_can_answer_differently_by_query_or_body() -> None:
    """Field lists by module, GraphQL by query: the first route that fits answers."""
    api = [
        ApiRoute("GET", "/settings/fields", {"fields": ["Last_Name"]}, query={"module": "Leads"}),
        ApiRoute("GET", "/settings/fields", {"fields": ["Account_Name"]}, query={"module": "Accounts"}),
        ApiRoute("POST", "/graphql", {"data": {"me": {"id": "7"}}}, body={"query": "{me{id}}"}),
        ApiRoute("POST", "/graphql", lambda call: {"data": {"asked": call.request.members["query"]}}),
    ]
    provider = SandboxProvider(shape=Shape(api=Api(accepts=())), api=api)

    async def ask(method: str, url: str, **members: Any) -> Answer:
        headers, content = [("Content-Type", "application/json")], json.dumps(members).encode()
        return await call(provider.app, method, BASE + url, headers, content)

    assert body(await ask("GET", "/settings/fields?module=Accounts"))["fields"] == ["Account_Name"]
    assert body(await ask("POST", "/graphql", query="{me{id}}")) == {"data": {"me": {"id": "7"}}}
    assert body(await ask("POST", "/graphql", query="{boards{id}}")) == {"data": {"asked": "{boards{id}}"}}
    assert (await ask("GET", "/settings/fields?module=Deals")).status == 404


async def test_a_refusal_can_look_like_a_success() -> None:
    """`{"ok": false}` with status 200, as some APIs have it."""
    shape = Shape(api=Api(refused_status=200, refused={"ok": False, "error": "invalid_auth"}))
    provider = SandboxProvider(shape=shape, api=[ApiRoute("POST", "/api/auth.test", {"ok": True})])

    answer = await call(provider.app, "POST", f"{BASE}/api/auth.test")

    assert (answer.status, body(answer)["ok"]) == (200, False)
