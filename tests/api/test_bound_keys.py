"""API keys that are bound to consumers, services or connections reach nothing else, by no operation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_tenant_matrix import CHANGES, CRM_PATH, READS, body_of

from holdfast.testing.harness import SERVICE, Deployment

OPERATIONS = [call for call in (*READS, *CHANGES) if call[1].startswith(CRM_PATH)]
CRM = f"crm+{SERVICE}"
MINE = {"consumer_id": "user-1", "unified_api": "crm", "service_id": SERVICE}


async def bound(vault: Deployment, bounds: dict[str, Any]) -> Deployment:
    """The same vault, asked with a key that has these bounds."""
    made = await vault.manage(
        "POST", f"/applications/{vault.application_id}/api-keys", json={"scopes": ["connections"], "bounds": bounds}
    )
    assert made.status == 200, made.text
    return replace(vault, api_key=made.data["api_key"])


async def statuses(vault: Deployment, consumer: str) -> set[int]:
    return {
        (await vault.request(method, path, json=body_of(method, path), consumer=consumer)).status
        for method, path in OPERATIONS
    }


@pytest.fixture
async def two(vault: Deployment) -> Deployment:
    """A vault in which two consumers have connected, and a second service is offered."""
    path = f"/applications/{vault.application_id}/integrations/crm/pipedrive"
    await vault.manage("PUT", path, json={"client_id": "acme", "client_secret": "s3"})
    for consumer in ("user-1", "user-2"):
        await vault.connect(consumer=consumer)
    return vault


@pytest.mark.parametrize(
    "bounds",
    [
        {"consumers": ["user-1"]},
        {"connections": [MINE]},
        {"consumers": ["user-1"], "services": [CRM], "connections": [MINE]},
    ],
)
async def test_another_consumer_is_out_of_reach(two: Deployment, bounds: dict[str, Any]) -> None:
    """401 by every operation, and nothing has moved; its own consumer is served."""
    key = await bound(two, bounds)

    assert await statuses(key, "user-2") == {401}
    assert (await key.get("/vault/connections", consumer="user-2")).status == 401
    assert (await two.connection(consumer="user-2"))["state"] == "callable"
    assert (await key.get(CRM_PATH, consumer="user-1")).data["state"] == "callable"


@pytest.mark.parametrize(
    "bounds",
    [
        {"services": ["crm+pipedrive"]},
        {"connections": [{**MINE, "service_id": "pipedrive"}]},
        {"services": ["crm+pipedrive"], "connections": [MINE]},
        {"services": []},
        {"connections": []},
        {"consumers": []},
    ],
)
async def test_another_service_is_out_of_reach(two: Deployment, bounds: dict[str, Any]) -> None:
    """401 by every operation; an empty list is nowhere."""
    key = await bound(two, bounds)

    assert await statuses(key, "user-1") == {401}
    assert (await two.connection())["state"] == "callable"


@pytest.mark.parametrize(
    ("bounds", "listed"),
    [
        ({}, {"pipedrive", SERVICE}),
        ({"consumers": ["user-1"]}, {"pipedrive", SERVICE}),
        ({"services": [CRM]}, {SERVICE}),
        ({"connections": [MINE]}, {SERVICE}),
        ({"services": ["crm+pipedrive"], "connections": [MINE]}, set()),
        ({"services": []}, set()),
    ],
)
async def test_the_list_holds_what_the_key_reaches(two: Deployment, bounds: dict[str, Any], listed: set[str]) -> None:
    """For a consumer, and without one."""
    key = await bound(two, bounds)

    for headers in ({}, {"x-apideck-consumer-id": None}):
        reply = await key.get("/vault/connections", headers=headers)
        assert {connection["service_id"] for connection in reply.data} == listed


async def test_bounds_are_told_again(vault: Deployment) -> None:
    """By the answer that makes the key and by the list; a key without any is told without."""
    path = f"/applications/{vault.application_id}/api-keys"
    bounds = {"consumers": ["user-1"], "services": [], "connections": [MINE]}

    made = (await vault.manage("POST", path, json={"bounds": bounds})).data
    listed = {key["id"]: key.get("bounds") for key in (await vault.manage("GET", path)).data}

    assert made["bounds"] == listed.pop(made["id"]) == bounds
    assert list(listed.values()) == [None]


@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        ({"services": ["crm+nobody-knows"]}, "crm+nobody-knows"),
        ({"services": ["ats+pipedrive"]}, "ats+pipedrive"),
        ({"services": ["pipedrive"]}, "pipedrive"),
        ({"connections": [{**MINE, "service_id": "nobody-knows"}]}, "nobody-knows"),
        ({"connections": [{**MINE, "consumer_id": ""}]}, "consumer"),
        ({"consumers": ["zoë"]}, "consumer"),
        ({"consumers": ["u" * 256]}, "consumer"),
        ({"consumers": [f"user-{n}" for n in range(1001)]}, "1000"),
        ({"consumers": None}, "consumers"),
        ({"consumer": ["user-1"]}, "consumer"),
    ],
)
async def test_bounds_that_mean_nothing_are_refused(vault: Deployment, bounds: dict[str, Any], says: str) -> None:
    """400 that names the entry, and no key is made: a mistake must not make one that reaches everything."""
    path = f"/applications/{vault.application_id}/api-keys"

    reply = await vault.manage("POST", path, json={"bounds": bounds})

    assert (reply.status, reply.body["type_name"]) == (400, "RequestValidationError")
    assert says in reply.text
    assert len((await vault.manage("GET", path)).data) == 1


async def test_the_last_key_leaves_nobody_in(two: Deployment) -> None:
    """401 for every operation once no key is left, on this node at once, whatever the key had been bound to."""
    path = f"/applications/{two.application_id}/api-keys"
    key = await bound(two, {"consumers": ["user-1"]})
    await key.get(CRM_PATH)

    for made in (await two.manage("GET", path)).data:
        await two.manage("DELETE", f"{path}/{made['id']}")

    assert (await two.manage("GET", path)).data == []
    for keyless, consumer in ((key, "user-1"), (two, "user-1"), (two, "user-2")):
        assert await statuses(keyless, consumer) == {401}
        two.clock.advance(60)  # so that wrong keys are not told to wait


async def test_a_key_for_something_else_does_no_vault_operation(two: Deployment) -> None:
    """Without the scope `connections`, 401 everywhere."""
    scopes = ["sessions", "proxy", "credentials:read"]
    made = await two.manage("POST", f"/applications/{two.application_id}/api-keys", json={"scopes": scopes})

    assert await statuses(replace(two, api_key=made.data["api_key"]), "user-1") == {401}
