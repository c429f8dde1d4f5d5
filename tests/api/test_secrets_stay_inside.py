"""A whole story with every kind of secret in it, and then a search for them where they must not be.

Answers may hold what was made for their reader (a link, a confirm token); logs and the database hold none of it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from dance import came_back
from nodes import Deploy
from own_manifests import DESK, put_integration, write_manifests
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from holdfast.testing.harness import ADMIN_TOKEN, PUBLIC_URL, SERVICE, Deployment
from holdfast.testing.provider import BAD_TOKEN_ANSWERS, drop, fail, say

CALLBACK_PAGE = f"{PUBLIC_URL}/oauth/callback"
CRM_PATH, DESK_PATH = f"/vault/connections/crm/{SERVICE}", f"/vault/connections/issue-tracking/{DESK}"
SETTING = "CNRY-setting-7f3a"
IMPORTED = {"access_token": "CNRY-access-91c2", "refresh_token": "CNRY-refresh-d04e"}
CLIENT_SECRET = "CNRY-client-5b8e"
TABLES = "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"


class Recorded:
    """The application, and everything that it has answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.answers: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def record(message: Message) -> None:
            self.answers.append(repr(message.get("headers")) + message.get("body", b"").decode("utf-8", "replace"))
            await send(message)

        await self._app(scope, receive, record)


@pytest.fixture
async def vault(deploy: Deploy, tmp_path: Path) -> AsyncIterator[Deployment]:
    """A vault whose integration has a canary as its client secret, at the provider too."""
    write_manifests(tmp_path)
    async with deploy() as vault:
        await put_integration(vault, "issue-tracking", DESK)
        for id, client in vault.provider.clients.items():
            vault.provider.clients[id] = type(client)(id, CLIENT_SECRET, client.redirect_uris, client.name)
        path = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
        await vault.manage("PUT", path, json={"client_secret": CLIENT_SECRET})
        yield vault


async def live(vault: Deployment) -> set[str]:
    """Goes through all that a connection can go through, failures included; gives what only passes by."""
    passing = {vault.api_key, ADMIN_TOKEN}
    await vault.patch(DESK_PATH, json={"settings": {"subdomain": "northwind", "email": "a@b", "api_key": SETTING}})
    await vault.post(f"{CRM_PATH}/import", json={"credentials": IMPORTED}, consumer="user-3")
    await vault.get(f"{CRM_PATH}/leads/custom-fields", consumer="user-3")
    for behaviour in (fail(500), drop(), say(BAD_TOKEN_ANSWERS["error beside a token"].raw())):
        begun, callback = await came_back(vault)
        with vault.provider.behave("token", behaviour):
            await vault.open(callback, cookie=begun.cookie)
        passing |= {begun.state, begun.cookie.partition("=")[2], *parse_qs(urlsplit(callback).query)["code"]}
    page = await vault.connect(nonce="5f0c", redirect_uri=CALLBACK_PAGE)
    passing.add(page.query["confirm_token"])
    await vault.post(f"{CRM_PATH}/confirm", json={"confirm_token": page.query["confirm_token"]})
    await vault.connect(consumer="user-2", nonce="5f0c", redirect_uri=CALLBACK_PAGE)
    for behaviour in (fail(503), say(BAD_TOKEN_ANSWERS["a login page"].raw())):
        vault.clock.advance(3600)
        with vault.provider.behave("token", behaviour):
            await vault.get(f"{CRM_PATH}/leads/custom-fields")
    vault.clock.advance(60)
    await vault.get(f"{CRM_PATH}/leads/custom-fields")
    connection = await vault.connection()
    passing |= {parse_qs(urlsplit(connection[name]).query)["state"][0] for name in ("authorize_url", "revoke_url")}
    with vault.provider.behave("revoke", fail(503)):
        await vault.delete(CRM_PATH)
    await vault.work()
    return passing


def held(vault: Deployment) -> set[str]:
    """What the vault holds, or has held: tokens, codes, verifiers, the client's secret, settings."""
    ledger = vault.provider.ledger
    verifiers = {request.form.get("code_verifier", "") for request in vault.provider.received} - {""}
    assert verifiers
    assert ledger.refresh
    return {*ledger.access, *ledger.refresh, *ledger.codes, *verifiers, *IMPORTED.values(), CLIENT_SECRET, SETTING}


async def stored(vault: Deployment) -> str:
    """Everything in the database, as text that a secret would be found in."""
    url = vault.settings.database_url
    if url.startswith("sqlite:"):
        file = Path(url.removeprefix("sqlite:///"))
        return "".join(part.read_bytes().decode("latin-1") for part in file.parent.glob(f"{file.name}*"))
    store = vault.vault.store
    found = [await store.q.all(f"SELECT * FROM {table['name']}") for table in await store.q.all(TABLES)]  # noqa: S608
    return "".join(text(value) for rows in found for row in rows for value in row.values())


def text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else f"{value}\n"


def leaks(secrets: set[str], place: str) -> Iterator[str]:
    """Those of `secrets` that stand in `place`, as they are or in hexadecimal."""
    return (secret for secret in secrets if secret in place or secret.encode().hex() in place)


async def test_no_answer_holds_what_the_vault_holds(vault: Deployment) -> None:
    """Bodies and headers of everything that was asked."""
    recorded = vault.app = Recorded(vault.app)

    await live(vault)

    assert PUBLIC_URL in "".join(recorded.answers)
    assert list(leaks(held(vault), "".join(recorded.answers))) == []


async def test_no_log_holds_a_secret(
    vault: Deployment, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither ours nor those of the libraries, at the finest level, nor what is printed."""
    with capture_logs() as logs, caplog.at_level(logging.DEBUG):
        passing = await live(vault)

    printed = "".join(capfd.readouterr())
    assert "refresh_failed" in {entry["event"] for entry in logs}
    assert list(leaks(held(vault) | passing, json.dumps(logs, default=repr) + caplog.text + printed)) == []


async def test_the_database_holds_no_secret(vault: Deployment) -> None:
    """Its file and its write-ahead log, or every row: sealed, or only a MAC. What must be findable is found."""
    passing = await live(vault)

    place = await stored(vault)

    assert vault.application_id in place
    assert list(leaks(held(vault) | passing, place)) == []


async def test_the_data_directory_holds_no_secret(vault: Deployment) -> None:
    """Beside the master key, which is for its owner only, nothing there opens anything."""
    passing = await live(vault)
    files = [file for file in vault.settings.data_dir.rglob("*") if file.is_file()]
    modes = {file.name: file.stat().st_mode & 0o777 for file in files}

    place = "".join(file.read_bytes().decode("latin-1") for file in files)

    assert modes["master.key"] == 0o600
    assert list(leaks((held(vault) | passing) - {ADMIN_TOKEN}, place)) == []
