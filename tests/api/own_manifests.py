"""Two connectors that an operator wrote: one whose host comes from a form, one whose host comes from its provider."""

from __future__ import annotations

from pathlib import Path

from holdfast.testing.harness import CLIENT_ID, CLIENT_SECRET, Deployment
from holdfast.testing.provider import (
    ApiRoute,
    Authorization,
    Lifetimes,
    RegisteredClient,
    SandboxProvider,
    Shape,
    TokenAnswer,
)

DESK, FORCE = "acme-desk", "acme-force"
INSTANCE = "https://eu1.acme-force.example"

# An API key, and a host of which the customer types one label.
DESK_MANIFEST = """
schema: 1
id: acme-desk
name: Acme Desk
website: https://www.acme-desk.example
unified_apis:
  issue-tracking: {resources: {tickets: [all]}}
settings:
  - {id: subdomain, label: Subdomain, required: true, suffix: .acme-desk.example}
  - {id: email, label: E-mail, type: email, required: true}
  - {id: api_key, label: API key, type: password, required: true}
  - {id: signature, label: Signature, type: textarea}
auth: {type: basic}
request:
  base_url: https://{subdomain}.acme-desk.example/api/v2
  auth: [{in: basic, value: "{email}/token:{api_key}"}]
verify:
  request: {path: /users/me}
custom_fields:
  tickets:
    request: {path: /ticket_fields}
    items: $.ticket_fields
    map: {id: id, name: title}
verified: {by: nobody, "on": "2026-11-23"}
"""

# OAuth; the token answer tells on which instance the organisation lives, and the consent page is told which one it is.
FORCE_MANIFEST = """
schema: 1
id: acme-force
name: Acme Force
website: https://www.acme-force.example
unified_apis:
  crm: {resources: {leads: [all]}, scopes: [api]}
hosts: ["*.acme-force.example"]
settings:
  - {id: organization, label: Organization, required: true, before_authorize: true}
  - {id: instance_url, label: Instance, type: url, required: true, hidden: true, filled_by: token}
auth:
  type: oauth2
  oauth:
    client: {auth: basic}
    authorize:
      url: https://login.acme-force.example/{organization}/authorize
      params: {organization: "{organization}"}
    token:
      url: https://login.acme-force.example/oauth/token
      response: {capture: {instance_url: instance_url}}
    refresh: {rotation: strict}
request:
  base_url: "{instance_url}"
  auth: [{value: "Bearer {cred.access_token}"}]
custom_fields:
  leads:
    request: {path: /services/leads/describe}
    items: $.fields
    map: {id: name}
verified: {by: nobody, "on": "2026-11-23"}
"""


def write_manifests(directory: Path) -> None:
    """Puts both manifests where a deployment in `directory` looks for connectors."""
    for id, text in ((DESK, DESK_MANIFEST), (FORCE, FORCE_MANIFEST)):
        file = directory / "connectors" / id / "connector.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text)


async def put_integration(vault: Deployment, api: str, service: str) -> str:
    """Switches the connector on for the deployment's application; gives the redirect URI to register."""
    members = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    path = f"/applications/{vault.application_id}/integrations/{api}/{service}"
    reply = await vault.manage("PUT", path, json=members)
    assert reply.status == 200, reply.text
    return str(reply.data["redirect_uri"])


async def open_force(vault: Deployment) -> SandboxProvider:
    """Acme Force: its connector is switched on, and its provider answers."""
    redirect_uri = await put_integration(vault, "crm", FORCE)
    shape = Shape(
        scopes={"api": "Use the API"},
        authorization=Authorization(url="/{organization}/authorize", iss=False),
        answer=TokenAnswer(members={"instance_url": INSTANCE}),
        lifetimes=Lifetimes(rotation="strict"),
    )
    client = RegisteredClient(CLIENT_ID, CLIENT_SECRET, (redirect_uri,))
    fields = ApiRoute("GET", "/services/leads/describe", {"fields": [{"name": "Region__c"}]})
    provider = SandboxProvider(clock=vault.clock, shape=shape, clients=[client], api=[fields])
    vault.network.apps["*.acme-force.example"] = provider.app
    return provider
