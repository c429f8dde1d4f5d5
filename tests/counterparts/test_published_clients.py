"""Published clients, unchanged: pointed at the vault, each does with it what it was made to do."""

from __future__ import annotations

from datetime import UTC, datetime

from published_client import PublishedClient
from sandbox import AT_CRM, AT_ROBOT, CRM, ROBOT, Sandbox

from holdfast.testing.harness import CLIENT_ID, CLIENT_SECRET


async def test_integrations_are_listed_and_one_is_added(client: PublishedClient) -> None:
    """What the customer sees at first, and after she has switched one integration on, named it and set it up."""
    listed = await client.call("list", unified_api="crm")

    connection = {"enabled": True, "settings": {"owner_id": "18204411"}, "metadata": {"id": "lead-desk"}}
    updated = await client.call("update", **AT_CRM, connection=connection)
    configured = await client.call("list", unified_api="crm", configured=True)
    read = await client.call("get", **AT_CRM)

    assert {c["id"]: c["state"] for c in listed} == {f"crm+{CRM}": "available", f"crm+{ROBOT}": "available"}
    assert updated["state"] == "added"
    assert updated["enabled"] is True
    assert [c["id"] for c in configured] == [read["id"]] == [f"crm+{CRM}"]
    assert read["settings"] == {"owner_id": "18204411"}
    assert read["created_at"] > 1_700_000_000_000
    assert read["authorize_url"].startswith(f"{client.url}/vault/authorize/{CRM}/{client.application}?state=")


async def test_a_connection_that_is_sent_back_keeps_what_a_client_loses(
    client: PublishedClient, sandbox: Sandbox
) -> None:
    """Whoever reads, changes one member and writes: two of the clients drop the metadata's own keys on the way."""
    metadata = {"id": "lead-desk", "plan": "gold"}
    await client.call("import", **AT_CRM, connection={"metadata": metadata, "settings": {"owner_id": "18204411"}})
    read = await client.call("get", **AT_CRM)
    kept = {name: read[name] for name in ("settings", "metadata") if name in read}

    await client.call("update", **AT_CRM, connection={**kept, "enabled": False})

    stored = (await sandbox.vault.call("GET", f"/vault/connections/crm/{CRM}")).data
    assert (stored["enabled"], stored["settings"], stored["metadata"]) == (False, kept["settings"], metadata)


async def test_an_account_from_elsewhere_is_imported_and_used(client: PublishedClient, sandbox: Sandbox) -> None:
    """Its tokens work at once, a validation refreshes them, and what the account offers can be read and chosen from."""
    issued_at = datetime.now(UTC).isoformat(timespec="seconds")
    credentials = {**sandbox.elsewhere(), "issued_at": issued_at, "expires_in": 3600}
    imported = await client.call("import", **AT_CRM, connection={"credentials": credentials})

    form = await client.call("settings", **AT_CRM, resource="leads")
    chosen = [{"resource": "leads", "defaults": [{"id": "pipeline_id", "value": "2", "target": "resource"}]}]
    updated = await client.call("update_settings", **AT_CRM, resource="leads", connection={"configuration": chosen})
    fields = await client.call("custom_fields", **AT_CRM, resource="leads")
    refreshes = sandbox.provider.calls["token:refresh_token"]
    validated = await client.call("validate", **AT_CRM)

    assert imported["state"] == "callable"
    assert [item["resource"] for item in form["configuration"]] == ["leads"]
    assert updated["configuration"][0]["defaults"][0]["value"] == "2"
    assert {"Lead source", "Fleet size"} <= {field["name"] for field in fields}
    assert (validated["id"], validated["state"]) == (f"crm+{CRM}", "callable")
    assert (refreshes, sandbox.provider.calls["token:refresh_token"]) == (0, 1)


async def test_stored_client_credentials_are_exchanged_for_a_token(client: PublishedClient) -> None:
    """The consumer's own id and secret make the connection callable, and neither secret nor token comes back."""
    connection = {"settings": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}}
    added = await client.call("update", **AT_ROBOT, connection=connection)

    connected = await client.call("token", **AT_ROBOT)

    assert (added["state"], connected["state"]) == ("added", "callable")
    assert connected["oauth_grant_type"] == "client_credentials"
    assert connected["settings"] == {"client_id": CLIENT_ID}
    assert CLIENT_SECRET not in str(connected)
    assert "sbx_" not in str(connected)  # what every token of the sandbox begins with


async def test_a_connection_is_deleted_with_its_grant(client: PublishedClient, sandbox: Sandbox) -> None:
    """The provider is told, and afterwards the integration can be added again."""
    await client.call("import", **AT_CRM, connection={"credentials": sandbox.elsewhere()})

    answer = await client.call("delete", **AT_CRM)

    assert answer is None
    assert all(token.ended or token.grant.ended for token in sandbox.provider.ledger.access.values())
    assert (await client.call("get", **AT_CRM))["state"] == "available"
