"""OAuth clients that consumers bring: the circuit of one is not that of another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from crms import HOUR, SLOW, offer, refreshes, use, write_manifest

from holdfast.testing.harness import RETURN_TO, Deployment, deployment
from holdfast.testing.provider import RegisteredClient

CLIENT = "client: {auth: basic"
SETTINGS = """settings:
  - {id: client_id, label: Client ID, required: true, before_authorize: true}
  - {id: client_secret, label: Client secret, type: password, required: true, before_authorize: true}
"""


@pytest.fixture
async def vault(database_url: str, tmp_path: Path) -> AsyncIterator[Deployment]:
    """A vault with a connector whose consumers bring their own clients."""
    write_manifest(tmp_path, SLOW, "access_lifetime: 3600")
    manifest = tmp_path / "connectors" / SLOW / "connector.yaml"
    text = manifest.read_text().replace(CLIENT, f"{CLIENT}, source: connection").replace("settings:\n", SETTINGS, 1)
    manifest.write_text(text)
    async with deployment(tmp_path, database_url=database_url) as opened:
        await offer(opened, SLOW)
        yield opened


async def connect_with(vault: Deployment, consumer: str, client_id: str) -> None:
    """Connects with a client that the consumer has registered at the provider."""
    path = f"/applications/{vault.application_id}/integrations/crm/{SLOW}"
    redirect_uri = (await vault.manage("GET", path)).data["redirect_uri"]
    vault.provider.clients[client_id] = RegisteredClient(client_id, "its-secret", (redirect_uri,))
    settings = {"client_id": client_id, "client_secret": "its-secret"}
    reply = await vault.patch(f"/vault/connections/crm/{SLOW}", json={"settings": settings}, consumer=consumer)
    assert reply.status == 200, reply.text
    url = await vault.authorize_url(SLOW, consumer=consumer)
    await (await vault.browser().visit(url, initiator=RETURN_TO)).allow()


async def test_each_client_has_a_circuit_of_its_own(vault: Deployment) -> None:
    """Two consumers share a client that is refused; the third has another one, which is not."""
    for consumer, client_id in (("user-1", "theirs"), ("user-2", "theirs"), ("user-3", "theirs"), ("user-4", "other")):
        await connect_with(vault, consumer, client_id)
    vault.clock.advance(HOUR)
    vault.provider.clients["theirs"] = replace(vault.provider.clients["theirs"], client_secret="renewed")

    statuses = [(await use(vault, SLOW, f"user-{n}")).status for n in (1, 2, 3, 4)]

    assert (statuses, refreshes(vault)) == ([422, 422, 422, 200], 3)


async def test_no_row_tells_whose_client_it_is(vault: Deployment) -> None:
    """The id of a consumer's client is a setting, and settings are sealed."""
    for consumer in ("user-1", "user-2"):
        await connect_with(vault, consumer, "theirs-and-nobody-elses")
    vault.clock.advance(HOUR)
    client = vault.provider.clients["theirs-and-nobody-elses"]
    vault.provider.clients[client.client_id] = replace(client, client_secret="renewed")
    for consumer in ("user-1", "user-2"):
        await use(vault, SLOW, consumer)

    (row,) = await vault.vault.store.q.all("SELECT * FROM circuits")

    assert row["opened_at"] is not None
    assert "nobody-elses" not in repr(dict(row.items()))
