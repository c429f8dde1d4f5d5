"""The sandbox's authorization endpoint: RFC 6749 section 4.1, RFC 7636, RFC 9207."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import quote_plus

import pytest
from oauth_app import BASE, REDIRECT_URI, VERIFIER, App, body

from holdfast.testing.provider import USERS, Authorization, SandboxProvider
from holdfast.testing.provider.clients import RegisteredClient


async def test_consent_leads_back_with_a_code_the_state_and_the_issuer(app: App) -> None:
    """Allow answers the request with everything RFC 6749 section 4.1.2 and RFC 9207 ask for."""
    page = await app.ask()

    back = await page.allow()

    assert back.url.startswith(REDIRECT_URI)
    assert back.query.keys() == {"code", "state", "iss"}
    assert (back.query["state"], back.query["iss"]) == ("xyz", BASE)
    assert back.status == 303


async def test_the_page_names_the_app_its_scopes_and_the_people(app: App) -> None:
    """Whoever consents sees who asks, for what, and as whom."""
    page = await app.ask(scope="leads:read")

    assert "Your product" in page.text
    assert "Read leads and their custom fields" in page.text
    assert "Add leads" not in page.text
    assert all(user.email in page.text for user in USERS)


async def test_the_page_cannot_be_framed_and_runs_nothing(app: App) -> None:
    """Clickjacking and injected script are what attacks on a consent page look like."""
    page = await app.ask()

    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store"


async def test_the_style_sheet_is_the_one_that_the_policy_allows(app: App) -> None:
    """A hash that does not fit would leave the page bare in a browser, and nobody would notice here."""
    page = await app.ask()

    style = page.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.headers["content-security-policy"]
    assert "prefers-color-scheme: dark" in style


async def test_what_the_client_calls_itself_is_text() -> None:
    """A client's name is somebody else's input."""
    client = RegisteredClient("c", "s", (REDIRECT_URI,), "<script>alert(1)</script>")
    app = App(SandboxProvider(clients=[client]))

    page = await app.ask()

    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


async def test_the_chosen_person_is_whose_account_it_becomes(app: App) -> None:
    """The token belongs to whoever was picked on the page."""
    back = await (await app.ask()).allow(user=str(USERS[2].id))

    tokens = body(await app.redeem(back.query["code"]))
    me = body(await app.get("/api/v1/users/me", tokens["access_token"]))
    assert me["data"]["email"] == USERS[2].email


async def test_saying_no_is_access_denied(app: App) -> None:
    """Deny goes back to the client as an error, with state and issuer."""
    back = await (await app.ask()).deny()

    assert (back.query["error"], back.query["state"], back.query["iss"]) == ("access_denied", "xyz", BASE)
    assert "code" not in back.query


async def test_a_decision_counts_once(app: App) -> None:
    """Going back and pressing the button again makes no second code."""
    page = await app.ask()
    await page.allow()

    again = await page.allow()

    assert again.status == 400
    assert len(app.provider.ledger.codes) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "somebody-else"},
        {"redirect_uri": f"{REDIRECT_URI}/"},
        {"redirect_uri": f"{REDIRECT_URI}?next=1"},
        {"redirect_uri": REDIRECT_URI.replace("127.0.0.1", "127.0.0.1.evil.example")},
        {"redirect_uri": REDIRECT_URI.upper()},
        {"redirect_uri": ""},
    ],
    ids=["unknown client", "trailing slash", "query", "other host", "other case", "empty"],
)
async def test_nobody_is_sent_to_an_address_that_is_not_registered(changes: dict[str, str], app: App) -> None:
    """An unknown client or redirect URI ends on a page (RFC 6749 section 4.1.2.1)."""
    page = await app.ask(**changes)

    assert (page.status, page.stopped) == (400, False)
    assert app.provider.ledger.codes == {}


async def test_a_repeated_parameter_ends_on_a_page(app: App) -> None:
    """RFC 6749 section 3.1: parameters must not come twice; one that a setting smuggled in would."""
    page = await app.browser.visit(f"{app.authorize_url()}&scope=leads:write")

    assert (page.status, page.stopped) == (400, False)


async def test_the_only_registered_redirect_uri_need_not_be_named(app: App) -> None:
    """RFC 6749 section 3.1.2.3; the token request then does not name it either."""
    back = await (await app.ask(redirect_uri=None)).allow()

    code = back.query["code"]
    answer = await app.token(grant_type="authorization_code", code=code, code_verifier=VERIFIER)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"scope": "leads:read admin"}, "invalid_scope"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
    ],
)
async def test_a_wrong_request_is_told_to_the_client(changes: dict[str, str | None], error: str, app: App) -> None:
    """Once client and redirect URI are known, errors go back by redirect, state included."""
    page = await app.ask(**changes)

    assert page.stopped
    assert (page.query["error"], page.query["state"]) == (error, "xyz")


async def test_a_provider_can_want_other_names_and_further_parameters(app_of: Callable[..., App]) -> None:
    """Renamed, missing and required parameters, another code name, values in the callback: as some providers do."""
    shape = Authorization(
        params={"access_type": "offline"},
        rename={"client_id": "application_id"},
        omit=("response_type",),
        separator=",",
        pkce="optional",
        code="spapi_oauth_code",
        callback={"selling_partner_id": "A3TH9S8BH6GOGM"},
        iss=False,
    )
    app = app_of(authorization=shape)
    changes = {"client_id": None, "application_id": "sandbox-client", "response_type": None, "access_type": "offline"}

    page = await app.ask(**changes, scope="users:read,leads:read", code_challenge=None, code_challenge_method=None)
    back = await page.allow()

    assert back.query.keys() == {"spapi_oauth_code", "state", "selling_partner_id"}
    assert "Read leads" in page.text


async def test_a_callback_can_be_signed(app_of: Callable[..., App]) -> None:
    """`hmac` over everything else in the query, so that nobody without the client's secret can make one up."""
    app = app_of(authorization=Authorization(callback={"shop": "northwind.example"}, signed=True))

    back = await (await app.ask()).allow()

    rest = {name: value for name, value in back.query.items() if name != "hmac"}
    message = "&".join(f"{name}={quote_plus(rest[name])}" for name in sorted(rest))
    assert rest.keys() == {"code", "iss", "shop", "state"}
    assert back.query["hmac"] == hmac.new(b"sandbox-secret", message.encode(), "sha256").hexdigest()


async def test_a_required_parameter_must_come_with_its_value(app_of: Callable[..., App]) -> None:
    """So that a manifest that forgets `prompt=consent` fails here and not at the vendor."""
    app = app_of(authorization=Authorization(params={"prompt": "consent"}))

    missing, wrong = await app.ask(), await app.ask(prompt="none")

    assert missing.query["error"] == wrong.query["error"] == "invalid_request"


async def test_endpoints_answer_on_their_own_hosts(app_of: Callable[..., App]) -> None:
    """A shape with absolute URLs is reached on these hosts only."""
    app = app_of(authorization=Authorization(url="https://login.crm.example/oauth2/authorize"))
    query = app.authorize_url().partition("?")[2]

    on_its_host = await app.browser.visit(f"https://login.crm.example/oauth2/authorize?{query}")
    elsewhere = await app.browser.visit(f"https://api.crm.example/oauth2/authorize?{query}")

    assert (on_its_host.status, elsewhere.status) == (200, 404)
    assert app.provider.calls["unmatched"] == 1
