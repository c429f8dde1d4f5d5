"""Three applications with two consumers each, a canary in every cell: no answer holds a canary of another cell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from nodes import Deploy
from own_manifests import DESK, put_integration, write_manifests

from holdfast.testing.harness import CLIENT_ID, RETURN_TO, SERVICE, Deployment, Reply
from holdfast.usecases import manage

CONSUMERS = ("user-1", "user-2")
DESK_PATH, CRM_PATH = f"/vault/connections/issue-tracking/{DESK}", f"/vault/connections/crm/{SERVICE}"
READS = (
    ("GET", "/vault/connections"),
    ("GET", DESK_PATH),
    ("GET", CRM_PATH),
    ("GET", f"{CRM_PATH}/leads/config"),
    ("GET", f"{CRM_PATH}/leads/custom-fields"),
    ("GET", f"{DESK_PATH}/tickets/custom-fields"),
    ("POST", f"{CRM_PATH}/validate"),
    ("POST", f"{DESK_PATH}/validate"),
    ("POST", f"{CRM_PATH}/token"),
    ("POST", f"{CRM_PATH}/callback-state"),
    ("PATCH", DESK_PATH),
    ("PATCH", CRM_PATH),
    ("PATCH", f"{CRM_PATH}/leads/config"),
    ("POST", DESK_PATH),
    ("POST", f"{DESK_PATH}/import"),
)
CHANGES = (("DELETE", DESK_PATH), ("DELETE", CRM_PATH), ("POST", f"{CRM_PATH}/confirm"))


@dataclass(frozen=True, slots=True)
class Cell:
    """One consumer of one application, and what only its owner may be told, or nobody."""

    application: int
    consumer: str

    @property
    def told(self) -> str:
        return f"CNRY-told-{self.application}-{self.consumer}"

    @property
    def secret(self) -> str:
        return f"CNRY-secret-{self.application}-{self.consumer}"


CELLS = [Cell(application, consumer) for application in range(3) for consumer in CONSUMERS]


@pytest.fixture
async def tenants(deploy: Deploy, tmp_path: Path) -> AsyncIterator[list[Deployment]]:
    """The same vault as each of three applications sees it."""
    write_manifests(tmp_path)
    async with deploy() as first:
        made = [await manage.create_application(first.vault, "Other", (RETURN_TO,)) for _ in range(2)]
        tenants = [first, *(replace(first, application_id=application.id, api_key=key) for application, key in made)]
        for tenant in tenants:
            await put_integration(tenant, "issue-tracking", DESK)
            redirect_uri = await put_integration(tenant, "crm", SERVICE)
            client = first.provider.clients[CLIENT_ID]
            both = replace(client, redirect_uris=(*client.redirect_uris, redirect_uri))
            first.provider.clients[CLIENT_ID] = both
        for cell in CELLS:
            await plant(tenants[cell.application], cell)
        yield tenants


async def plant(tenant: Deployment, cell: Cell) -> None:
    """Fills both connections of a cell with its canaries."""
    members: dict[str, Any] = {
        "settings": {
            "subdomain": f"cnry-told-{cell.application}-{cell.consumer}",
            "email": "ops@northwind.example",
            "api_key": cell.secret,
            "signature": cell.told,
        },
        "metadata": {"note": cell.told},
    }
    assert (await tenant.patch(DESK_PATH, json=members, consumer=cell.consumer)).status == 200
    await tenant.connect(consumer=cell.consumer)
    defaults = [{"id": "pipeline_id", "value": cell.told}]
    members = {"metadata": {"note": cell.told}, "configuration": [{"resource": "leads", "defaults": defaults}]}
    assert (await tenant.patch(CRM_PATH, json=members, consumer=cell.consumer)).status == 200


def foreign(reply: Reply, own: Cell | None) -> list[str]:
    """The canaries in an answer that its reader must not see; of the secret ones, also its own."""
    text = (reply.text + repr(dict(reply.headers))).lower()
    told = [cell.told for cell in CELLS if cell != own]
    return [canary for canary in told + [cell.secret for cell in CELLS] if canary.lower() in text]


def body_of(method: str, path: str) -> Any:
    """A body that changes nothing."""
    if path.endswith("/confirm"):
        return {"confirm_token": "A" * 43}
    return {} if method in ("PATCH", "POST") else None


async def test_each_tenant_is_told_its_own(tenants: list[Deployment]) -> None:
    """Every operation as every consumer: only the cell's own canaries, and of its secrets none."""
    leaks = {}
    for cell in CELLS:
        for method, path in READS:
            tenant, body = tenants[cell.application], body_of(method, path)
            leaks[cell, method, path] = foreign(
                await tenant.request(method, path, json=body, consumer=cell.consumer), cell
            )

    assert {call: found for call, found in leaks.items() if found} == {}


async def test_the_canaries_are_where_their_owners_look(tenants: list[Deployment]) -> None:
    """Otherwise the other tests would find nothing whatever happened."""
    for cell in CELLS:
        connection = await tenants[cell.application].connection(DESK, "issue-tracking", consumer=cell.consumer)

        assert connection["state"] == "callable"
        assert connection["metadata"] == {"note": cell.told}
        assert connection["settings"]["signature"] == cell.told


async def test_no_key_opens_another_application(tenants: list[Deployment]) -> None:
    """Every operation with every key on every other application and each of its consumers: 401, and nothing moves."""
    statuses = set()
    for mine, theirs, consumer in product(range(3), range(3), CONSUMERS):
        if mine == theirs:
            continue
        headers = {"x-apideck-app-id": tenants[theirs].application_id}
        for method, path in (*READS, *CHANGES):
            body = body_of(method, path)
            reply = await tenants[mine].request(method, path, json=body, consumer=consumer, headers=headers)
            statuses.add(reply.status)
            assert foreign(reply, None) == [], (method, path)

    assert statuses == {401}
    await test_the_canaries_are_where_their_owners_look(tenants)


async def test_a_deletion_takes_nobody_else_s(tenants: list[Deployment]) -> None:
    """The same consumer in another application, and the other consumer in the same one, keep what they have."""
    await tenants[0].delete(DESK_PATH, consumer="user-1")
    await tenants[0].delete(CRM_PATH, consumer="user-1")

    states = {
        (cell.application, cell.consumer, api): (
            await tenants[cell.application].connection(service, api, consumer=cell.consumer)
        )["state"]
        for cell in CELLS
        for service, api in ((DESK, "issue-tracking"), (SERVICE, "crm"))
    }

    gone = {(0, "user-1", "issue-tracking"), (0, "user-1", "crm")}
    assert states == {place: "available" if place in gone else "callable" for place in states}


async def test_a_consumer_who_comes_back_starts_anew(tenants: list[Deployment]) -> None:
    """Nothing of a deleted connection returns with one of the same name: no setting, no metadata, no default."""
    await tenants[0].delete(DESK_PATH)

    reply = await tenants[0].patch(DESK_PATH, json={"enabled": True})

    assert "CNRY" not in reply.text
    assert (reply.data["state"], reply.data["metadata"], reply.data["settings"]) == ("added", {}, {})
