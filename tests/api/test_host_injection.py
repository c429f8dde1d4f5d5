"""Settings decide what is called only as far as the manifest lets them: which label, never which host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dance import begin, consent
from hostile_hosts import FOREIGN_INSTANCES, LABELS, NO_LABELS, NO_TEXTS
from msgspec.structs import replace
from nodes import Deploy
from own_manifests import DESK, FORCE, INSTANCE, open_force, put_integration, write_manifests

from holdfast.domain.connection import Connection
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.store import connections
from holdfast.store.connections import Change
from holdfast.testing.harness import RETURN_TO, Deployment, Reply
from holdfast.testing.provider import SandboxProvider, lie

DESK_PATH, FORCE_PATH = f"/vault/connections/issue-tracking/{DESK}", f"/vault/connections/crm/{FORCE}"
COMPLETE = {"subdomain": "northwind", "email": "ops@northwind.example", "api_key": "k-4711"}


@pytest.fixture
async def vault(deploy: Deploy, tmp_path: Path) -> AsyncIterator[Deployment]:
    """A vault with both of the operator's own connectors."""
    write_manifests(tmp_path)
    async with deploy() as vault:
        await put_integration(vault, "issue-tracking", DESK)
        yield vault


@pytest.fixture
async def force(vault: Deployment) -> SandboxProvider:
    provider = await open_force(vault)
    assert (await set_settings(vault, FORCE_PATH, organization="northwind")).status == 200
    return provider


async def set_settings(vault: Deployment, path: str, **settings: Any) -> Reply:
    return await vault.patch(path, json={"settings": settings})


async def connect_force(vault: Deployment) -> Reply:
    """The end of an authorization at Acme Force."""
    begun = await begin(vault, service=FORCE)
    return await vault.open(await consent(vault, begun), cookie=begun.cookie)


async def store_settings(vault: Deployment, api: str, service: str, **settings: Any) -> None:
    """Writes settings past every check, as a release with fewer checks may have done."""

    def decide(before: Connection | None) -> Change:
        assert before is not None
        return Change(replace(before, settings={**before.settings, **settings}))

    scope = ConsumerScope(vault.application_id, Caller.own("test"), vault.consumer)
    await connections.change(scope, vault.vault.store, vault.vault.catalog.get(api, service), api, decide)


async def test_a_setting_that_is_no_host_label_is_refused_when_it_is_sent(vault: Deployment) -> None:
    """Nothing of it is stored, and nothing is called with it: the whole corpus, one after the other."""
    sent = [(value, await set_settings(vault, DESK_PATH, subdomain=value)) for value in NO_LABELS]

    assert {value: reply.status for value, reply in sent if reply.status != 422} == {}
    assert {reply.body["type_name"] for _, reply in sent} == {"ConnectionSettingsError"}
    assert (await vault.connection(DESK, "issue-tracking"))["state"] == "available"
    assert vault.network.requests == []


async def test_a_setting_of_another_type_is_refused_when_it_is_sent(vault: Deployment) -> None:
    """A list or an object has no text that a host could be made of."""
    sent = [await set_settings(vault, DESK_PATH, subdomain=value) for value in NO_TEXTS]

    assert {reply.status for reply in sent} <= {400, 422}
    assert vault.network.requests == []


async def test_a_host_label_leads_to_its_own_host(vault: Deployment) -> None:
    """However odd it looks: the credential goes below the service's own name."""
    for value in LABELS:
        assert (await set_settings(vault, DESK_PATH, **{**COMPLETE, "subdomain": value})).status == 200

    assert [request.host for request in vault.network.requests] == [f"{v.lower()}.acme-desk.example" for v in LABELS]


async def test_a_setting_is_checked_again_when_it_is_used(vault: Deployment) -> None:
    """What came into the database on another way leads nowhere either."""
    await set_settings(vault, DESK_PATH, **COMPLETE)
    asked = len(vault.network.requests)

    for value in ("evil.com/", "x@evil.com", "a.b", "127.0.0.1:80/"):
        await store_settings(vault, "issue-tracking", DESK, subdomain=value)
        reply = await vault.get(f"{DESK_PATH}/tickets/custom-fields")
        assert (reply.status, reply.body["type_name"]) == (422, "ConnectionSettingsError")
    assert len(vault.network.requests) == asked


async def test_an_import_is_checked_like_a_form(vault: Deployment) -> None:
    """The other way for settings to come in."""
    for value in ("evil.com/", "x@evil.com", "a.b", "127.0.0.1:80/", ["evil.com/"]):
        reply = await vault.post(f"{DESK_PATH}/import", json={"settings": {**COMPLETE, "subdomain": value}})
        assert reply.status == 422

    assert (await vault.connection(DESK, "issue-tracking"))["state"] == "available"


async def test_a_setting_in_a_url_adds_no_parameter_to_it(vault: Deployment, force: SandboxProvider) -> None:
    """In a path and in a query it stays one value, so the provider sees one redirect URI: ours."""
    hostile = "x&redirect_uri=https://evil.example/?state=1#a/../b"
    await set_settings(vault, FORCE_PATH, organization=hostile)

    begun = await begin(vault, service=FORCE)

    path, _, query = begun.provider_url.partition("?")
    assert path.count("/") == 4
    assert query.count("redirect_uri=") == query.count("state=") == 1
    assert "#" not in begun.provider_url
    assert begun.asked["organization"] == hostile


@pytest.mark.parametrize("value", ["x\r\nLocation: https://evil.example", "x\x00", "x\x7f"])
async def test_a_setting_holds_no_control_character(vault: Deployment, force: SandboxProvider, value: str) -> None:
    """It is refused when it is sent, before it can come near a header."""
    assert (await set_settings(vault, FORCE_PATH, organization=value)).status in (400, 422)


async def test_an_instance_of_the_service_is_believed(vault: Deployment, force: SandboxProvider) -> None:
    """The provider's answer decides which of the service's own hosts is called."""
    reply = await connect_force(vault)
    fields = await vault.get(f"{FORCE_PATH}/leads/custom-fields")

    assert reply.location == RETURN_TO
    assert (await vault.connection(FORCE))["settings"]["instance_url"] == INSTANCE
    assert fields.data == [{"id": "Region__c", "finder": "$['Region__c']"}]
    assert vault.network.requests[-1].host == "eu1.acme-force.example"


async def test_an_instance_elsewhere_is_not_believed(vault: Deployment, force: SandboxProvider) -> None:
    """Otherwise whoever can forge one answer is sent the token that came with it."""
    for instance in FOREIGN_INSTANCES:
        with force.behave("token", lie(instance_url=instance)):
            await connect_force(vault)
        connection = await vault.connection(FORCE)
        assert connection["state"] in ("added", "authorized"), instance
        assert "instance_url" not in connection["settings"], instance

    assert (await vault.get(f"{FORCE_PATH}/leads/custom-fields")).status in (401, 422)
    assert {request.host for request in vault.network.requests} == {"login.acme-force.example"}


async def test_an_instance_elsewhere_in_a_refresh_costs_no_token(vault: Deployment, force: SandboxProvider) -> None:
    """The rotated token is kept, the old instance stays: the lie must not end a working connection."""
    await connect_force(vault)
    vault.clock.advance(3600)

    with force.behave("token", lie(instance_url="https://evil.example")):
        lied_to = await vault.get(f"{FORCE_PATH}/leads/custom-fields")
    vault.clock.advance(3600)
    afterwards = await vault.get(f"{FORCE_PATH}/leads/custom-fields")

    assert [lied_to.status, afterwards.status] == [200, 200]
    assert (await vault.connection(FORCE))["settings"]["instance_url"] == INSTANCE
    assert "evil.example" not in {request.host for request in vault.network.requests}


async def test_what_the_provider_fills_in_is_not_the_caller_s_to_change(
    vault: Deployment, force: SandboxProvider
) -> None:
    """A form sends hidden fields back; it does not decide them, whoever has filled them."""
    await connect_force(vault)
    await vault.connect()

    await set_settings(vault, FORCE_PATH, instance_url="https://eu2.acme-force.example")
    await set_settings(vault, "/vault/connections/crm/sandbox-crm", company_id="1")

    assert (await vault.connection(FORCE))["settings"]["instance_url"] == INSTANCE
    assert (await vault.connection())["settings"]["company_id"] == "7713204"
