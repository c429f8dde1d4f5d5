"""The sandbox's revocation endpoint: RFC 7009 and other shapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from oauth_app import BASE, App, body

from holdfast.testing.asgi import Answer, call
from holdfast.testing.provider import Revocation, fail

BASIC = "Basic c2FuZGJveC1jbGllbnQ6c2FuZGJveC1zZWNyZXQ="


async def revoke(app: App, token: str) -> Answer:
    return await app.post("/oauth/revoke", {"token": token}, Authorization=BASIC)


async def test_revoking_a_refresh_token_ends_the_whole_grant(app: App) -> None:
    """RFC 7009 section 2.1: the access tokens of the grant go as well."""
    tokens = await app.connect()

    answer = await revoke(app, tokens["refresh_token"])

    assert (answer.status, answer.body) == (200, b"")
    assert body(await app.refresh(tokens["refresh_token"]))["error"] == "invalid_grant"
    assert (await app.get("/api/v1/users/me", tokens["access_token"])).status == 401


async def test_revoking_an_access_token_leaves_the_refresh_token(app: App) -> None:
    """So both have to be revoked."""
    tokens = await app.connect()

    await revoke(app, tokens["access_token"])

    assert (await app.get("/api/v1/users/me", tokens["access_token"])).status == 401
    assert (await app.refresh(tokens["refresh_token"])).status == 200


async def test_an_unknown_token_is_no_error(app: App) -> None:
    """RFC 7009 section 2.2: the client's purpose is reached already."""
    assert (await revoke(app, "sbx_rt_never_issued")).status == 200


async def test_only_the_client_may_revoke(app: App) -> None:
    """Without its credentials nothing is revoked."""
    tokens = await app.connect()

    answer = await app.post("/oauth/revoke", {"token": tokens["refresh_token"]})

    assert answer.status == 401
    assert (await app.refresh(tokens["refresh_token"])).status == 200


async def test_a_missing_token_is_an_invalid_request(app: App) -> None:
    """RFC 7009 section 2.1: `token` is required."""
    assert body(await app.post("/oauth/revoke", {}, Authorization=BASIC))["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("word", "method", "path", "headers", "members", "status"),
    [
        (
            Revocation(url="/oauth/v1/refresh-tokens/{token}", method="DELETE", auth="none", status=204),
            "DELETE", "/oauth/v1/refresh-tokens/REFRESH", {}, None, 204,
        ),
        (
            Revocation(url="/applications/sandbox-client/grant", method="DELETE", auth="client_basic", body="json",
                       token="access_token", status=204),
            "DELETE", "/applications/sandbox-client/grant", {"Authorization": BASIC}, {"access_token": "ACCESS"}, 204,
        ),
        (
            Revocation(url="/2/auth/token/revoke", auth="credential", body="none", token=None),
            "POST", "/2/auth/token/revoke", {"Authorization": "Bearer ACCESS"}, None, 200,
        ),
        (
            Revocation(url="/oauth/deauthorize", auth="client_basic", token=None, params={"account": "acct_1"}),
            "POST", "/oauth/deauthorize", {"Authorization": BASIC}, {"account": "acct_1"}, 200,
        ),
    ],
    ids=["token in the path", "JSON with client Basic", "by the credential itself", "by another id"],
)  # fmt: skip
async def test_other_shapes_end_the_grant_too(
    word: Revocation, method: str, path: str, headers: dict[str, str], members: Any, status: int,
    app_of: Callable[..., App],
) -> None:  # fmt: skip
    """DELETE on a URL with the token, JSON bodies, authenticated calls: whatever is used instead of RFC 7009."""
    app = app_of(revocation=word)
    tokens = await app.connect()

    def filled(text: str) -> str:
        return text.replace("ACCESS", tokens["access_token"]).replace("REFRESH", tokens["refresh_token"])

    sent = [(name, filled(value)) for name, value in headers.items()] + [("Content-Type", "application/json")]
    content = filled(json.dumps(members)).encode() if members else b""
    answer = await call(app.provider.app, method, BASE + filled(path), sent, content)

    assert answer.status == status
    assert (await app.get("/api/v1/users/me", tokens["access_token"])).status == 401


async def test_a_provider_may_have_no_such_endpoint(app_of: Callable[..., App]) -> None:
    """Many have none, and their grants live on."""
    app = app_of(revocation=None)
    tokens = await app.connect()

    answer = await revoke(app, tokens["refresh_token"])

    assert answer.status == 404
    assert (await app.refresh(tokens["refresh_token"])).status == 200


async def test_a_revocation_can_fail_for_a_while(app: App) -> None:
    """503 with Retry-After (RFC 7009 section 2.2.1): the token is still good and the caller must come again."""
    tokens = await app.connect()

    with app.provider.behave("revoke", fail(503, retry_after=120), times=1):
        failed = await revoke(app, tokens["refresh_token"])
        lives = await app.get("/api/v1/users/me", tokens["access_token"])
        later = await revoke(app, tokens["refresh_token"])

    assert (failed.status, failed.header("retry-after")) == (503, "120")
    assert (lives.status, later.status) == (200, 200)
