"""holdfast.testing.browser: a person with a browser, over ASGI and over HTTP."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from holdfast.testing.browser import Browser, BrowserError
from holdfast.testing.provider import SandboxProvider

FORM = """
<p>Connect</p><a href="/cancel?from=form">Not <b>now</b></a>
<form method="post" action="ACTION">
  <input type="hidden" name="csrf" value="t0k3n"><input name="shop" value="northwind">
  <input type="checkbox" name="terms" value="yes"><input type="checkbox" name="news" checked>
  <input type="radio" name="plan" value="basic"><input type="radio" name="plan" value="pro" checked>
  <select name="region"><option value="eu">Europe</option><option value="us" selected>US</option></select>
  <select name="tier"><option value="a">A</option><option value="b">B</option></select>
  <textarea name="note">two
lines</textarea>
  <input name="off" value="x" disabled>
  <button type="button" name="toggle">Show</button>
  <button name="decision" value="deny">No, thanks</button> <button name="decision" value="allow">Allow</button>
</form>
"""


async def echo(request: Request) -> Response:
    form = await request.body()
    headers = {name: request.headers.get(name) for name in ("origin", "cookie")}
    return JSONResponse({"method": request.method, "body": form.decode(), "query": request.url.query, **headers})


async def moved(request: Request) -> Response:
    status = int(request.path_params["status"])
    headers = {"Cache-Control": "no-store"} if "store" in request.query_params else {}
    return RedirectResponse(request.query_params.get("to", "/echo"), status, headers)


async def loop(request: Request) -> Response:
    return RedirectResponse("/loop", 302)


async def form(request: Request) -> Response:
    response = HTMLResponse(FORM.replace("ACTION", request.query_params.get("action", "/echo")))
    response.set_cookie("flow", "1", secure=True, httponly=True, samesite="strict", path="/")
    response.set_cookie("theme", "dark", path="/")
    return response


SITE = Starlette(
    routes=[
        Route("/form", form),
        Route("/loop", loop),
        Route("/echo", echo, methods=["GET", "POST"]),
        Route("/cancel", echo),
        Route("/moved/{status}", moved, methods=["GET", "POST"]),
    ]
)


@pytest.fixture
def browser() -> Browser:
    return Browser({"vault.example": SITE}, stop_at="https://product.example/")


async def test_a_form_is_sent_as_a_browser_sends_it(browser: Browser) -> None:
    """Hidden values, ticked boxes, chosen options, the pressed button; nothing disabled, unticked or unpressed."""
    page = await browser.visit("https://vault.example/form")

    answer = await page.submit("Allow", shop="brightwater", plan="basic")

    sent = '"csrf=t0k3n&shop=brightwater&news=on&plan=basic&region=us&tier=a&note=two%0Alines&decision=allow"'
    assert f'"body":{sent}' in answer.text
    assert '"origin":"https://vault.example"' in answer.text
    assert '"cookie":"flow=1; theme=dark"' in answer.text


async def test_yes_and_no_are_found_whatever_they_are_called(browser: Browser) -> None:
    """By the button's label or by the value it sends."""
    page = await browser.visit("https://vault.example/form")

    allowed, denied = await page.allow(), await page.deny()

    assert "decision=allow" in allowed.text
    assert "decision=deny" in denied.text


async def test_a_button_that_is_not_there_is_an_error(browser: Browser) -> None:
    """The error names the buttons that are, so that the test's author need not look at the page."""
    page = await browser.visit("https://vault.example/form")

    with pytest.raises(BrowserError, match="No, thanks"):
        await page.submit("Delete")


async def test_a_field_that_the_form_has_not_is_an_error(browser: Browser) -> None:
    """A mistyped field would otherwise be sent, and the test would prove nothing."""
    page = await browser.visit("https://vault.example/form")

    with pytest.raises(LookupError, match="shopp"):
        await page.submit("Allow", shopp="x")


async def test_a_link_is_followed_by_its_text(browser: Browser) -> None:
    """Addresses are taken relative to the page."""
    page = await browser.visit("https://vault.example/form")

    assert (await page.follow("Not now")).url == "https://vault.example/cancel?from=form"


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
async def test_a_redirect_keeps_the_method_only_if_its_status_says_so(
    status: int, method: str, browser: Browser
) -> None:
    """After a form, 301 to 303 lead to a GET; 307 and 308 repeat the POST with its body."""
    page = await browser.visit(f"https://vault.example/form?action=/moved/{status}")

    answer = await page.submit("Allow")

    assert f'"method":"{method}"' in answer.text
    assert ("csrf=t0k3n" in answer.text) is (method == "POST")


@pytest.mark.parametrize(("query", "requests"), [("", 1), ("?store=no", 2)])
async def test_a_permanent_redirect_is_remembered_unless_it_forbids_it(
    query: str, requests: int, browser: Browser
) -> None:
    """As browsers do: a 301 without `no-store` is asked for once, and its state replayed ever after."""
    for _ in range(2):
        await browser.visit(f"https://vault.example/moved/301{query}")

    asked = [url for _, status, url in browser.history if status == 301]
    assert len(asked) == requests


async def test_it_stops_where_it_is_told_to_without_going_there(browser: Browser) -> None:
    """The end of a flow is the app's page: its URL is looked at, and nothing is fetched from it."""
    page = await browser.visit("https://vault.example/moved/302?to=https://product.example/done%23confirm_token=abc")

    assert page.stopped
    assert (page.url, page.status) == ("https://product.example/done#confirm_token=abc", 302)
    assert page.query == {"confirm_token": "abc"}
    assert len(browser.history) == 1


async def test_a_page_does_not_print_its_query(browser: Browser) -> None:
    """Codes and tokens in URLs stay out of a failing test's output."""
    page = await browser.visit("https://vault.example/moved/302?to=https://product.example/done?code=sbx_code_1")

    assert repr(page) == "Page(302 https://product.example/done)"


async def test_a_strict_cookie_does_not_survive_the_way_through_another_site() -> None:
    """A flow that relied on SameSite=Strict would break at the provider's redirect, here as in a browser."""
    browser = Browser({"vault.example": SITE, "crm.test": SITE})
    await browser.visit("https://vault.example/form")
    consent = await browser.visit("https://crm.test/form?action=/moved/303%3Fto=https://vault.example/echo")

    back = await consent.submit("Allow")

    assert '"cookie":"theme=dark"' in back.text


async def test_going_round_in_circles_ends(browser: Browser) -> None:
    """A redirect loop is an error, not a test that hangs."""
    with pytest.raises(BrowserError, match="more than 20 redirects"):
        await browser.visit("https://vault.example/loop")


async def test_another_host_is_out_of_reach_inside_the_process(browser: Browser) -> None:
    """With apps given, nothing reaches the real network by accident."""
    with pytest.raises(BrowserError, match=r"no such host: www\.iana\.org"):
        await browser.visit("https://www.iana.org/")


async def test_it_drives_a_real_server_as_well() -> None:
    """The same flow over sockets: authorize, consent page, redirect to the app."""
    provider = SandboxProvider()
    async with provider.serve():
        browser = Browser(stop_at="http://127.0.0.1:8000/vault/callback")
        query = "response_type=code&client_id=sandbox-client&state=s%3Ax&code_challenge=c&code_challenge_method=S256"
        page = await browser.visit(f"{provider.url}/oauth/authorize?{query}")

        back = await page.allow()

    assert "state=s%3Ax" in provider.received[0].url
    assert back.query["state"] == "s:x"
    assert back.query["code"] in provider.ledger.codes
    assert back.query["iss"] == provider.url
