"""Services that are as the sandbox CRM is but for how their tokens live, and the accounts that are connected there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from holdfast.testing.clock import TestClock
from holdfast.testing.connectors import sandbox_manifest
from holdfast.testing.harness import (
    CLIENT_ID,
    CLIENT_SECRET,
    PROVIDER_URL,
    RETURN_TO,
    Deployment,
    Reply,
    deployment,
)
from holdfast.testing.provider import SandboxProvider, Shape
from holdfast.testing.provider.sandbox import CRM

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
REFRESHES = "token:refresh_token"
SLOW = "slow-crm"
_REFRESH = "refresh: {rotation: family}"


def write_manifest(directory: Path, id: str, refresh: str, answer: str = "") -> None:
    """The sandbox's manifest with these words on refreshing, as connector `id`."""
    text = sandbox_manifest(PROVIDER_URL).replace("id: sandbox-crm", f"id: {id}", 1)
    assert _REFRESH in text
    text = text.replace(_REFRESH, f"refresh: {{rotation: family, {refresh}}}")
    token = 'token: {url: "' + PROVIDER_URL + '/oauth/token"'
    assert token in text
    file = directory / "connectors" / id / "connector.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text.replace(token, f"{token}, response: {{{answer}}}") if answer else text)


@asynccontextmanager
async def at_service(
    directory: Path, database_url: str, refresh: str, shape: Shape = CRM, id: str = SLOW, answer: str = ""
) -> AsyncIterator[Deployment]:
    """A vault whose application offers connector `id` too, with a provider of this shape."""
    write_manifest(directory, id, refresh, answer)
    clock = TestClock()
    provider = SandboxProvider(clock=clock, shape=shape)
    async with deployment(directory, database_url=database_url, clock=clock, provider=provider) as vault:
        await offer(vault, id)
        yield vault


async def offer(vault: Deployment, id: str) -> None:
    members = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    path = f"/applications/{vault.application_id}/integrations/crm/{id}"
    redirect_uri = (await vault.manage("PUT", path, json=members)).data["redirect_uri"]
    client = vault.provider.clients[CLIENT_ID]
    vault.provider.clients[CLIENT_ID] = replace(client, redirect_uris=(*client.redirect_uris, redirect_uri))


async def connect(vault: Deployment, id: str, consumer: str = "user-1") -> None:
    url = await vault.authorize_url(id, consumer=consumer)
    await (await vault.browser().visit(url, initiator=RETURN_TO)).allow()
    assert (await vault.connection(id, consumer=consumer))["state"] == "callable"


async def use(vault: Deployment, id: str = "sandbox-crm", consumer: str = "user-1") -> Reply:
    """A use of the connection, which the journal knows by the time that it is over."""
    reply = await vault.get(f"/vault/connections/crm/{id}/leads/custom-fields", consumer=consumer)
    await vault.vault.store.journal.drain()
    return reply


async def pass_time(vault: Deployment, seconds: float, step: float = 5) -> None:
    """Time passes by `step` seconds, and the worker does what falls due."""
    for _ in range(round(seconds / step)):
        vault.clock.advance(step)
        await vault.work()


def refreshes(vault: Deployment) -> int:
    return vault.provider.calls[REFRESHES]
