"""A provider and a service that repeat what they are told: in no log, no answer and no stored setting."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from nodes import Deploy
from own_manifests import DESK, put_integration, write_manifests
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from holdfast.testing.harness import CLIENT_SECRET, PROVIDER_URL, SERVICE, Deployment

PATH = f"/vault/connections/crm/{SERVICE}"
ANSWERS: dict[str, Callable[[str], Response]] = {
    "error": lambda text: JSONResponse({"error": text}, 400),
    "error_description": lambda text: JSONResponse({"error": "invalid_client", "error_description": text}, 401),
    "error_uri": lambda text: JSONResponse({"error": "invalid_request", "error_uri": f"https://x/{text}"}, 400),
    "a page": lambda text: HTMLResponse(f"<p>{text}</p>", 500),
    "a challenge": lambda text: Response(status_code=401, headers={"WWW-Authenticate": f'Bearer error="{text}"'}),
}


class Echo:
    """In front of the provider: answers requests to `path` with what they carried, as `said` puts it."""

    def __init__(self, inner: ASGIApp, path: str, said: Callable[[str], Response], member: str) -> None:
        self._inner, self._path, self._said, self._member = inner, path, said, member
        self.repeated: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != self._path:
            await self._inner(scope, receive, send)
            return
        request = Request(scope, receive)
        carried = {**dict(parse_qsl((await request.body()).decode())), **request.headers}
        text = carried[self._member].rpartition(" ")[2]
        self.repeated.append(text)
        await self._said(text)(scope, receive, send)


def echoing(vault: Deployment, path: str, said: Callable[[str], Response], member: str) -> Echo:
    host = urlsplit(PROVIDER_URL).netloc
    echo = Echo(vault.network.apps[host], path, said, member)
    vault.network.apps[host] = echo
    return echo


def is_told(secret: str, told: Any) -> bool:
    return secret in json.dumps(told, default=str)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("member", ["refresh_token", "authorization"])
async def test_a_token_endpoint_repeats_a_refresh(vault: Deployment, member: str, answer: str) -> None:
    """Its answer goes into the log, the caller's error and the connection's health; what was sent into none."""
    await vault.connect()
    echo = echoing(vault, "/oauth/token", ANSWERS[answer], member)
    vault.clock.advance(7200)
    with capture_logs() as logs:
        replies = [await vault.get(f"{PATH}/leads/custom-fields"), await vault.get(PATH), await vault.get(PATH)]
    assert echo.repeated
    assert any(line["event"] == "refresh_failed" for line in logs)
    for secret in {*echo.repeated, CLIENT_SECRET}:
        assert not is_told(secret, [logs, [reply.text for reply in replies]])


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("member", ["code", "code_verifier", "authorization"])
async def test_a_token_endpoint_repeats_an_exchange(vault: Deployment, member: str, answer: str) -> None:
    """The browser that is sent on, and the log, say what went wrong without it."""
    echo = echoing(vault, "/oauth/token", ANSWERS[answer], member)
    with capture_logs() as logs:
        page = await vault.connect()
    assert echo.repeated
    assert "error_type" in page.query
    assert not is_told(echo.repeated[0], [logs, page.url, page.query, (await vault.get(PATH)).text])


async def test_a_service_repeats_the_access_token_as_a_custom_field(vault: Deployment) -> None:
    """The caller reads custom fields, and may not read the token."""
    await vault.connect()

    def fields(text: str) -> Response:
        named = [{"key": "a", "name": f"got {text}"}, {"key": text, "name": "b"}, {"key": "c", "name": "Fine"}]
        return JSONResponse({"data": [{**field, "edit_flag": True} for field in named]})

    echo = echoing(vault, "/api/v1/leadFields", fields, "authorization")
    reply = await vault.get(f"{PATH}/leads/custom-fields")
    assert reply.status == 200
    assert not is_told(echo.repeated[0], reply.text)
    assert [(field["id"], field.get("name")) for field in reply.data] == [("a", None), ("c", "Fine")]


async def test_a_service_repeats_the_access_token_as_a_choice(vault: Deployment) -> None:
    """Choices are stored with the connection and shown in its form."""
    said = lambda text: JSONResponse({"data": [{"id": text, "name": text}, {"id": 7, "name": "Ann"}]})  # noqa: E731
    echo = echoing(vault, "/api/v1/users", said, "authorization")
    await vault.connect()
    told = (await vault.get(PATH)).text
    assert echo.repeated
    assert not is_told(echo.repeated[0], told)
    assert re.search(r'"label":\s*"Ann"', told)


async def test_a_service_repeats_an_api_key_that_was_sent_within_something_else(deploy: Deploy, tmp_path: Path) -> None:
    """HTTP Basic carries user and key together; the key alone is no part of any answer either."""
    write_manifests(tmp_path)
    key, path = "key-5b8e-0123456789", f"/vault/connections/issue-tracking/{DESK}"

    async def desk(scope: Scope, receive: Receive, send: Send) -> None:
        fields = {"ticket_fields": [{"id": 1, "title": f"for {key}"}, {"id": 2, "title": "Fine"}]}
        await JSONResponse(fields)(scope, receive, send)

    async with deploy() as vault:
        await put_integration(vault, "issue-tracking", DESK)
        vault.network.apps["northwind.acme-desk.example"] = desk
        await vault.patch(path, json={"settings": {"subdomain": "northwind", "email": "a@b", "api_key": key}})
        reply = await vault.get(f"{path}/tickets/custom-fields")
    assert [field.get("name") for field in reply.data] == [None, "Fine"]


async def test_a_service_repeats_the_access_token_after_connecting(vault: Deployment) -> None:
    """A setting that the service fills never becomes the token."""
    said = lambda text: JSONResponse({"data": {"company_id": f"Bearer {text}"}})  # noqa: E731
    echo = echoing(vault, "/api/v1/users/me", said, "authorization")
    await vault.connect()
    connection = (await vault.get(PATH)).data
    assert echo.repeated
    assert not is_told(echo.repeated[0], connection)
    assert "company_id" not in connection.get("settings", {})
