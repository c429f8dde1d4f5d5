"""The sandbox's token endpoint: RFC 6749 sections 2.3, 4, 5 and 6, RFC 7636."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from oauth_app import BASE, REDIRECT_URI, VERIFIER, App, body

from holdfast.testing.asgi import call
from holdfast.testing.clock import TestClock
from holdfast.testing.provider import (
    USERS,
    Authorization,
    Expiry,
    Lifetimes,
    RegisteredClient,
    SandboxProvider,
    TokenAnswer,
    TokenRequest,
)


async def test_a_code_becomes_tokens(app: App) -> None:
    """The answer of RFC 6749 section 5.1, not to be stored by anybody."""
    answer = await app.redeem(await app.code())

    tokens = body(answer)
    assert answer.status == 200
    assert tokens.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 3600)
    assert tokens["scope"] == "users:read leads:read"
    assert (answer.header("cache-control"), answer.header("pragma")) == ("no-store", "no-cache")


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "x" * 43},
        {"code_verifier": ""},
        {"redirect_uri": "http://127.0.0.1:8000/vault/callback/other"},
        {"redirect_uri": ""},
    ],
    ids=["wrong verifier", "no verifier", "other redirect URI", "no redirect URI"],
)
async def test_a_code_is_bound_to_its_request(changes: dict[str, str], app: App) -> None:
    """Without the verifier and the redirect URI of the request, a code is worth nothing."""
    answer = await app.redeem(await app.code(), by=None, **changes)

    assert (answer.status, body(answer)["error"]) == (400, "invalid_grant")


async def test_a_code_that_was_never_issued_is_refused(app: App) -> None:
    """Guessing is an invalid_grant like any other."""
    assert body(await app.redeem("sbx_code_guessed"))["error"] == "invalid_grant"


async def test_a_verifier_for_a_request_that_announced_none_is_refused(app_of: Callable[..., App]) -> None:
    """The downgrade of RFC 9700 section 2.1.1: somebody took the challenge out of the authorization request."""
    app = app_of(authorization=Authorization(pkce="optional"))
    code = await app.code(code_challenge=None, code_challenge_method=None)

    assert body(await app.redeem(code))["error"] == "invalid_grant"


async def test_a_provider_without_pkce_ignores_it(app_of: Callable[..., App]) -> None:
    """Challenge and verifier may be sent and mean nothing, as at many providers."""
    app = app_of(authorization=Authorization(pkce="off"))

    assert (await app.redeem(await app.code(), code_verifier="y" * 43)).status == 200


async def test_a_code_works_once_and_takes_its_tokens_along_when_it_comes_twice(app: App) -> None:
    """RFC 6749 section 4.1.2: a replayed code ends what it gave, because one of two holders stole it."""
    code = await app.code()
    tokens = body(await app.redeem(code))

    again = await app.redeem(code)

    assert body(again)["error"] == "invalid_grant"
    assert (await app.get("/api/v1/users/me", tokens["access_token"])).status == 401


async def test_a_code_expires(app: App, clock: TestClock) -> None:
    """A minute is enough for a callback."""
    code = await app.code()

    clock.advance(60)

    assert body(await app.redeem(code))["error"] == "invalid_grant"


async def test_another_client_cannot_use_a_code_or_a_refresh_token(app: App) -> None:
    """Both belong to the client that they were issued to."""
    thief = app.provider.clients["thief"] = RegisteredClient("thief", "thief-secret", (REDIRECT_URI,))
    code, refresh_token = await app.code(), (await app.connect())["refresh_token"]

    redeemed = await app.redeem(code, by=thief)
    refreshed = await app.token(by=thief, grant_type="refresh_token", refresh_token=refresh_token)

    assert body(redeemed)["error"] == body(refreshed)["error"] == "invalid_grant"


async def test_basic_is_form_decoded() -> None:
    """RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined."""
    client = RegisteredClient("c:weird id", "p%2B a+b/=&é", (REDIRECT_URI,))
    app = App(SandboxProvider(clients=[client]))

    assert (await app.token(grant_type="client_credentials")).status == 200


async def test_a_wrong_secret_is_401_with_a_challenge(app: App) -> None:
    """RFC 6749 section 5.2: invalid_client, and WWW-Authenticate because the client tried a header."""
    answer = await app.token(by=RegisteredClient("sandbox-client", "guess"), grant_type="client_credentials")

    assert (answer.status, body(answer)["error"]) == (401, "invalid_client")
    assert answer.header("www-authenticate").startswith("Basic ")


CREDENTIALS = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}


@pytest.mark.parametrize(
    ("style", "query", "members", "status"),
    [
        ("body", {}, CREDENTIALS, 200),
        ("body", CREDENTIALS, {}, 401),
        ("body", {}, {**CREDENTIALS, "client_secret": "guess"}, 401),
        ("query", CREDENTIALS, {}, 200),
        ("query", {}, CREDENTIALS, 401),
        ("none", {}, {"client_id": "sandbox-client"}, 200),
        ("none", {}, {"client_id": "nobody"}, 401),
        ("basic", {}, CREDENTIALS, 401),
    ],
)
async def test_only_the_one_way_to_authenticate_is_accepted(
    style: Any, query: dict[str, str], members: dict[str, str], status: int, app_of: Callable[..., App]
) -> None:
    """A client that puts its credentials in the wrong place is noticed."""
    app = app_of(token=TokenRequest(client_auth=style))

    answer = await app.post(f"/oauth/token?{urlencode(query)}", {"grant_type": "client_credentials", **members})

    assert answer.status == status


async def test_authenticating_twice_is_refused(app: App) -> None:
    """RFC 6749 section 2.3: not more than one way in each request."""
    answer = await app.token(grant_type="client_credentials", client_secret="sandbox-secret")

    assert body(answer)["error"] == "invalid_request"


async def test_codes_and_tokens_in_the_url_are_not_seen(app: App) -> None:
    """What stands in a URL stands in logs, so a provider with a form body reads secrets nowhere else."""
    tokens = await app.connect()
    pair = "Basic c2FuZGJveC1jbGllbnQ6c2FuZGJveC1zZWNyZXQ="

    path = f"/oauth/token?{urlencode({'refresh_token': tokens['refresh_token']})}"
    answer = await app.post(path, {"grant_type": "refresh_token"}, Authorization=pair)

    assert body(answer) == {"error": "invalid_request", "error_description": "missing: refresh_token"}


async def test_a_repeated_member_is_refused(app: App) -> None:
    """RFC 6749 section 3.2: parameters must not be included more than once."""
    answer = await app.post("/oauth/token?grant_type=password", {"grant_type": "client_credentials"})

    assert body(answer)["error"] == "invalid_request"


async def test_client_credentials_give_no_refresh_token(app: App) -> None:
    """RFC 6749 section 4.4.3: the client can always ask again."""
    tokens = body(await app.token(grant_type="client_credentials", scope="leads:read"))

    assert "refresh_token" not in tokens
    assert tokens["scope"] == "leads:read"


@pytest.mark.parametrize(("password", "status"), [(USERS[1].password, 200), ("wrong", 400)])
async def test_a_password_is_exchanged_for_tokens(password: str, status: int, app: App) -> None:
    """RFC 6749 section 4.3, for the services that still do it."""
    answer = await app.token(grant_type="password", username=USERS[1].email, password=password)

    assert answer.status == status


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"grant_type": "urn:ietf:params:oauth:grant-type:saml2-bearer"}, "unsupported_grant_type"),
        ({}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "client_credentials", "scope": "admin"}, "invalid_scope"),
    ],
)
async def test_errors_carry_their_codes(members: dict[str, str], error: str, app: App) -> None:
    """RFC 6749 section 5.2."""
    answer = await app.token(by=None, **members)

    assert (answer.status, body(answer)["error"]) == (400, error)


async def test_a_provider_can_want_json_other_names_and_an_own_refresh_url(app_of: Callable[..., App]) -> None:
    """JSON bodies, renamed and further members, vendor-named grants and a refresh endpoint of its own."""
    shape = TokenRequest(
        url="/oauth/v2/token",
        refresh_url="/oauth/v2/refresh",
        body="json",
        client_auth="body",
        params={"api_key": "partner-7"},
        rename={"client_id": "clientId", "client_secret": "clientSecret"},
        grant_types={"kekaapi": "client_credentials"},
        redirect_uri_on_refresh=True,
    )
    app = app_of(token=shape)
    issued = app.provider.issue()

    async def post(path: str, **members: str) -> dict[str, Any]:
        sent = json.dumps({"clientId": "sandbox-client", "clientSecret": "sandbox-secret", **members}).encode()
        headers = [("Content-Type", "application/json")]
        return body(await call(app.provider.app, "POST", BASE + path, headers, sent))

    assert issued.refresh is not None
    refresh = {"grant_type": "refresh_token", "refresh_token": issued.refresh.value}
    assert "access_token" in await post("/oauth/v2/token", grant_type="kekaapi", api_key="partner-7")
    assert (await post("/oauth/v2/token", grant_type="kekaapi"))["error"] == "invalid_request"
    assert (await post("/oauth/v2/token", **refresh, redirect_uri=REDIRECT_URI))["error"] == "unsupported_grant_type"
    assert (await post("/oauth/v2/refresh", **refresh))["error"] == "invalid_request"
    assert "access_token" in await post("/oauth/v2/refresh", **refresh, redirect_uri=REDIRECT_URI)


async def test_a_provider_can_take_everything_from_the_query(app_of: Callable[..., App]) -> None:
    """GET with a query and no grant_type at all, as one shop platform does."""
    word = TokenRequest(method="GET", body="query", client_auth="query", omit=("grant_type",))
    app = app_of(token=word)
    members = {**CREDENTIALS, "code": await app.code(), "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}

    answer = await call(app.provider.app, "GET", f"{BASE}/oauth/token?{urlencode(members)}")

    assert answer.status == 200
    assert app.provider.calls["token:authorization_code"] == 1


@pytest.mark.parametrize(
    ("expires", "members"),
    [
        (Expiry(), {"expires_in": 3600}),
        (Expiry(path="expires_at", form="iso"), {"expires_at": "2026-01-01T01:00:00Z"}),
        (Expiry(path="data.expire", form="epoch_s"), {"data": {"expire": 1_767_229_200}}),
        (Expiry(path="exp_ms", form="epoch_ms"), {"exp_ms": 1_767_229_200_000}),
        (None, {}),
    ],
)
async def test_a_lifetime_can_be_said_in_any_form_or_not_at_all(
    expires: Expiry | None, members: dict[str, Any], app_of: Callable[..., App]
) -> None:
    """Seconds, a time, an epoch, under any name; the token expires in any case."""
    app = app_of(answer=TokenAnswer(expires=expires, scope=None, token_type=None))

    tokens = body(await app.token(grant_type="client_credentials"))

    del tokens["access_token"]
    assert tokens == members


async def test_members_can_stand_deeper_and_others_beside_them(app_of: Callable[..., App]) -> None:
    """Nested tokens, a refresh token with a lifetime, and what else vendors put there."""
    shape = TokenAnswer(
        access_token="authed_user.access_token",
        refresh_token="authed_user.refresh_token",
        refresh_expires=Expiry(path="x_refresh_token_expires_in"),
        token_type="user",
        members={"ok": True, "instance_url": "https://northwind.my.crm.example", "team.id": "T024BE7LD"},
    )
    app = app_of(answer=shape, lifetimes=Lifetimes(refresh=8_640_000))

    tokens = await app.connect()

    assert tokens["authed_user"].keys() == {"access_token", "refresh_token"}
    assert tokens["x_refresh_token_expires_in"] == 8_640_000
    assert (tokens["ok"], tokens["team"], tokens["token_type"]) == (True, {"id": "T024BE7LD"}, "user")


@pytest.mark.parametrize(
    ("encoding", "accept", "is_form"),
    [("form", "application/json", True), ("negotiated", "*/*", True), ("negotiated", "application/json", False)],
)
async def test_an_answer_can_be_form_encoded(
    encoding: Any, accept: str, is_form: bool, app_of: Callable[..., App]
) -> None:
    """Always, or unless the request accepts JSON."""
    app = app_of(answer=TokenAnswer(encoding=encoding))
    pair = "Basic c2FuZGJveC1jbGllbnQ6c2FuZGJveC1zZWNyZXQ="

    answer = await app.post("/oauth/token", {"grant_type": "client_credentials"}, Authorization=pair, Accept=accept)

    assert ("access_token" in parse_qs(answer.body.decode())) is is_form
    assert ("form-urlencoded" in answer.header("content-type")) is is_form


async def test_a_failure_can_come_with_status_200(app_of: Callable[..., App]) -> None:
    """`{"ok": false, "error": …}`, as some say it."""
    app = app_of(answer=TokenAnswer(error="ok", error_mark=False, error_status=200))

    answer = await app.refresh("sbx_rt_unknown")

    assert answer.status == 200
    assert (body(answer)["ok"], body(answer)["error"]) == (False, "invalid_grant")
