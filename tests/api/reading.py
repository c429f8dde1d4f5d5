"""A product that reads credentials: its key, what it is told, and what the journal says of that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from holdfast.domain.tenancy import Caller, Scope
from holdfast.store import journal
from holdfast.testing.harness import SERVICE, Deployment, Reply
from holdfast.testing.provider.ledger import AccessToken

ONE = f"/vault/connections/crm/{SERVICE}"
PATH = f"{ONE}/credentials"


async def reader(vault: Deployment, **more: Any) -> Deployment:
    """The same vault, asked with a key that may read credentials and do nothing else."""
    scopes = {"scopes": ["credentials:read"], **more}
    made = await vault.manage("POST", f"/applications/{vault.application_id}/api-keys", json=scopes)
    assert made.status == 200, made.text
    return replace(vault, api_key=made.data["api_key"])


async def exchanged(vault: Deployment, *more: tuple[str, str], headers: Any = None, **members: str | None) -> Reply:
    """A token request (RFC 8693 section 2.1) whose subject is the vault's key. A member given as None is left out."""
    sent: dict[str, str | None] = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": vault.api_key,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "audience": f"{vault.consumer}/crm/{SERVICE}",
        **members,
    }
    form = [(name, value) for name, value in sent.items() if value is not None]
    own = {"authorization": None, "x-apideck-app-id": None, "x-apideck-consumer-id": None}
    content = {"content-type": "application/x-www-form-urlencoded"}
    body = urlencode([*form, *more]).encode()
    return await vault.post("/oauth/token", body=body, headers={**own, **content, **(headers or {})})


def newest(vault: Deployment) -> AccessToken:
    """The access token that the provider gave last."""
    return list(vault.provider.ledger.access.values())[-1]


async def journalled(vault: Deployment) -> list[tuple[str, str]]:
    """What was read, the latest first: reason and consumer."""
    await vault.vault.store.journal.drain()
    rows = await journal.recent(Scope(vault.application_id, Caller.own("test")), vault.vault.store)
    return [(row["reason"], row["consumer_id"]) for row in rows if row["reason"].startswith("credential_")]
