"""The sandbox provider behind a vault: an integration that people authorize, and one with stored credentials."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from served import ServedVault, served

from holdfast.testing.connectors import sandbox_manifest
from holdfast.testing.harness import CLIENT_ID, CLIENT_SECRET, RETURN_TO
from holdfast.testing.provider import RegisteredClient, SandboxProvider

CRM, ROBOT = "sandbox-crm", "sandbox-robot"
AT_CRM, AT_ROBOT = ({"unified_api": "crm", "service_id": service} for service in (CRM, ROBOT))
ROBOT_MANIFEST = """\
schema: 1
id: sandbox-robot
name: Sandbox for machines
website: http://sandbox.invalid/
unified_apis:
  crm: {resources: {users: [all]}}
hosts: [sandbox.invalid]
settings:
  - {id: client_id, label: Client ID, required: true}
  - {id: client_secret, label: Client secret, type: password, required: true}
auth:
  type: oauth2
  oauth:
    grant: client_credentials
    client: {source: connection, auth: basic}
    scopes: {default: ["users:read"]}
    token: {url: "http://sandbox.invalid/oauth/token"}
request:
  base_url: http://sandbox.invalid/api/v1
  auth:
    - {value: "Bearer {cred.access_token}"}
verify:
  request: {path: /users/me}
verified: {by: the sandbox's own tests, "on": "2026-11-23"}
"""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A vault, and the provider that its two integrations lead to."""

    vault: ServedVault
    provider: SandboxProvider

    def elsewhere(self) -> dict[str, Any]:
        """The credentials of an account that was connected by other software; the refresh token comes first."""
        issue = self.provider.issue()
        assert issue.refresh is not None
        return {"refresh_token": issue.refresh.value, "access_token": issue.access.value}


@contextlib.asynccontextmanager
async def sandboxed(directory: Path) -> AsyncIterator[Sandbox]:
    client = RegisteredClient(CLIENT_ID, CLIENT_SECRET, (RETURN_TO,), "Acme")
    async with SandboxProvider(clients=[client]).serve() as provider:
        robot = ROBOT_MANIFEST.replace("http://sandbox.invalid", provider.url)
        robot = robot.replace("sandbox.invalid", provider.url.removeprefix("http://"))
        async with served(directory, {CRM: sandbox_manifest(provider.url), ROBOT: robot}) as vault:
            await vault.integrate(CRM, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
            await vault.integrate(ROBOT)
            yield Sandbox(vault, provider)
