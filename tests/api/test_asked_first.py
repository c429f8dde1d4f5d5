"""A link that a person did not expect asks first, and nothing that opens links by itself can answer."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import pytest
from nodes import Deploy
from traces import traces

from holdfast.testing.asgi import call
from holdfast.testing.browser import Page
from holdfast.testing.harness import PROVIDER_URL, PUBLIC_URL, RETURN_TO, SERVICE, Deployment, Reply
from holdfast.testing.navigation import ACCEPT, Navigation

PATH = f"/vault/connections/crm/{SERVICE}"
CALLBACK_PAGE = f"{PUBLIC_URL}/oauth/callback"
TYPED = Navigation().headers("GET", PUBLIC_URL)
CHAT = Navigation("https://chat.example/room").headers("GET", PUBLIC_URL)
PRODUCT = Navigation(RETURN_TO).headers("GET", PUBLIC_URL)
# What looks into the links of a mail or a chat: with a browser's Accept, some with a whole browser.
SCANNERS = {
    "a plain one": {"accept": "text/html"},
    "an old browser": {"accept": ACCEPT},
    "a driven browser": TYPED,
    "a page that loads it": {name: value for name, value in CHAT.items() if name != "Sec-Fetch-User"},
    "an image": {"accept": "image/*", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    "a script": {"accept": "*/*", "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "sec-fetch-user": "?1"},
}
PROGRAMS: tuple[dict[str, str], ...] = (
    {},
    {"accept": "*/*"},
    {"accept": "application/json"},
    {"accept": "*/*", "sec-fetch-mode": "cors"},
)


async def revoke_link(vault: Deployment) -> str:
    return f"{(await vault.connection())['revoke_url']}&redirect_uri={RETURN_TO}"


async def send(vault: Deployment, url: str, form: dict[str, str], **headers: str | None) -> Reply:
    """Posts a form as something other than our own page does, unless `headers` say so."""
    sent = {"content-type": "application/x-www-form-urlencoded", **headers}
    pairs = [(name.replace("_", "-"), value) for name, value in sent.items() if value is not None]
    answer = await call(vault.app, "POST", url, pairs, urlencode(form).encode())
    return Reply(answer.status, {name: answer.header(name) for name, _ in answer.headers}, answer.body.decode())


def is_asked(reply: Reply | Page) -> bool:
    return reply.status == 200 and 'name="answer" value="yes"' in reply.text


@pytest.mark.parametrize("headers", [TYPED, CHAT, *SCANNERS.values()])
async def test_a_link_from_anywhere_else_says_first_whose_account_becomes_whose(
    vault: Deployment, headers: dict[str, str]
) -> None:
    """Whoever passes on a link of their own would get the account of whoever opens it; no flow has begun yet."""
    url = await vault.authorize_url(consumer="halden & sons")
    before = await traces(vault)

    reply = await vault.open(url, headers=headers)

    assert is_asked(reply)
    assert "Connect <bdi>Sandbox CRM</bdi> to <bdi>halden &amp; sons</bdi>?" in reply.text
    assert all(words in reply.text for words in ("Acme", "app.example.com", "Did somebody send you this link?"))
    assert await traces(vault) == before
    assert vault.provider.calls["authorize"] == 0


async def test_who_agrees_goes_on_to_the_service(vault: Deployment) -> None:
    """And comes back to where the link says."""
    browser = vault.browser()
    asked = await browser.visit(await vault.authorize_url(), initiator="https://chat.example/room")
    provider = await asked.submit("Continue to Sandbox CRM")

    page = await provider.allow()

    assert is_asked(asked)
    assert provider.url.startswith(PROVIDER_URL)
    assert page.url == RETURN_TO
    assert next(status for method, status, _ in browser.history if method == "POST") == 303
    assert (await vault.connection())["state"] == "callable"


async def test_who_stops_connects_nothing(vault: Deployment) -> None:
    """And is asked to tell the application."""
    asked = await vault.browser().visit(await vault.authorize_url())

    page = await asked.submit("Stop, I did not expect this")

    assert (page.status, "Nothing was connected" in page.text, "Acme" in page.text) == (200, True, True)
    assert not [cookie for cookie in page.browser.cookies.cookies if cookie.name.startswith("hf_")]
    assert vault.provider.calls["authorize"] == 0


@pytest.mark.parametrize("headers", [*PROGRAMS, PRODUCT, {"accept": ACCEPT, "referer": f"{RETURN_TO}/x?y"}])
async def test_programs_and_the_application_s_own_pages_are_sent_on(vault: Deployment, headers: dict[str, str]) -> None:
    """The 301 of the API."""
    reply = await vault.open(await vault.authorize_url(), headers=headers)

    assert (reply.status, reply.location.startswith(PROVIDER_URL)) == (301, True)


@pytest.mark.parametrize(
    "referer",
    [
        "https://app.example.com.evil.example/",
        "https://app.example.com@evil.example/",
        "http://app.example.com/",
        "https://app.example.com:8443/",
        "https://evil.example/?https://app.example.com/",
        f"{PUBLIC_URL}/oauth/callback",
        "https://[::1/",
        "null",
        "",
    ],
)
async def test_an_origin_is_the_application_s_own_or_it_is_not(vault: Deployment, referer: str) -> None:
    """Scheme, host and port, and our own pages are nobody's."""
    redirect_uris = [RETURN_TO, f"{PUBLIC_URL}/oauth/callback"]
    await vault.manage("PATCH", f"/applications/{vault.application_id}", json={"redirect_uris": redirect_uris})

    reply = await vault.open(await vault.authorize_url(), headers={**PRODUCT, "Referer": referer})

    assert is_asked(reply)


async def test_a_nonce_needs_no_question(vault: Deployment) -> None:
    """The product confirms who came back, which is more than a page of ours can."""
    reply = await vault.open(await vault.authorize_url(nonce="5f0c"), headers=CHAT)

    assert reply.location.startswith(PROVIDER_URL)


async def test_off_asks_nobody_and_is_told_of(deploy: Deploy) -> None:
    """It is for products that know no confirmation, and the vault says what it means."""
    async with deploy(confirmation="off") as vault:
        reply = await vault.open(await vault.authorize_url(), headers=CHAT)
        health = await vault.get("/health")

    assert reply.location.startswith(PROVIDER_URL)
    assert health.body["status"] == "ok"
    assert "1 application(s) with confirmation off" in health.body["warnings"][0]


async def test_whether_the_process_lives_does_not_depend_on_warnings(vault: Deployment) -> None:
    """Nothing to say, or nobody to ask: it lives."""
    quiet = await vault.get("/health")
    await vault.manage("PATCH", f"/applications/{vault.application_id}", json={"confirmation": "off"})
    vault.clock.advance(2)
    told = await vault.get("/health")

    assert quiet.body == {"status": "ok"}
    assert "warnings" in told.body


async def test_always_refuses_a_link_without_a_nonce_as_a_page(deploy: Deploy) -> None:
    """A person is not shown JSON there either."""
    async with deploy(confirmation="always") as vault:
        reply = await vault.open(await vault.authorize_url(), headers=TYPED)

    assert (reply.status, "This link does not work" in reply.text) == (400, True)


@pytest.mark.parametrize("scanner", SCANNERS)
async def test_what_opens_links_by_itself_ends_nothing(vault: Deployment, scanner: str) -> None:
    """Mail and chat look into links; it is a person who ends a connection."""
    await vault.connect()
    link = await revoke_link(vault)
    before = await traces(vault)

    reply = await vault.open(link, headers=SCANNERS[scanner])

    assert is_asked(reply)
    assert "Disconnect <bdi>Sandbox CRM</bdi>?" in reply.text
    assert await traces(vault) == before
    assert (await vault.connection())["state"] == "callable"


async def test_a_person_disconnects_by_the_button(vault: Deployment) -> None:
    """Then the grant is ended, here and at the provider."""
    await vault.connect()
    browser = vault.browser()
    asked = await browser.visit(await revoke_link(vault))

    kept = await asked.submit("Keep it")
    still = (await vault.connection())["state"]
    done = await (await browser.visit(await revoke_link(vault))).submit("Disconnect")

    assert "stays connected" in kept.text
    assert still == "callable"
    assert done.url == RETURN_TO
    assert (await vault.connection())["health"] == "revoked"
    assert vault.provider.calls["revoke"] == 2


@pytest.mark.parametrize("headers", [*PROGRAMS, CHAT, PRODUCT])
async def test_a_program_and_a_click_on_a_page_disconnect_at_once(vault: Deployment, headers: dict[str, str]) -> None:
    """The 301 of the API; a person who clicks on a page has read what the link is for."""
    await vault.connect()

    reply = await vault.open(await revoke_link(vault), headers=headers)

    assert (reply.status, reply.location) == (301, RETURN_TO)
    assert (await vault.connection())["health"] == "revoked"


@pytest.mark.parametrize(
    "forged",
    [
        {"origin": "https://evil.example", "sec_fetch_site": "cross-site"},
        {"origin": "https://evil.example", "sec_fetch_site": None},
        {"origin": "null", "sec_fetch_site": None},
        {"origin": PUBLIC_URL, "sec_fetch_site": "same-site"},
        {"cookie": None},
        {"token": ""},
        {"token": "0" * 64},
        {"token": "é"},
        {"url": "other"},
    ],
)
@pytest.mark.parametrize("link", ["authorize", "revoke"])
async def test_a_form_is_sent_by_our_own_page_in_the_same_browser(
    vault: Deployment, link: str, forged: dict[str, str | None]
) -> None:
    """For the very link that it stood on; anything else changes nothing, and the right form still works."""
    await vault.connect()
    url = await vault.authorize_url() if link == "authorize" else await revoke_link(vault)
    asked = await vault.browser().visit(url)
    token, cookie = asked.forms[0].values["token"], asked.browser.cookies.header(url)
    right: dict[str, str | None] = {
        "origin": PUBLIC_URL, "sec_fetch_site": "same-origin", "cookie": cookie, "token": token, "url": "same",
    }  # fmt: skip
    before = await traces(vault)
    given = {**right, **forged}

    target = url if given.pop("url") == "same" else f"{url}&scope=contacts%3Aread"
    wrong = await send(vault, target, {"answer": "yes", "token": given.pop("token") or ""}, **given)
    after = await traces(vault)
    headers = {name: value for name, value in right.items() if name not in ("token", "url")}
    once = await send(vault, url, {"answer": "yes", "token": token}, **headers)

    assert (wrong.status, wrong.body["type_name"]) == (400, "StalePage")
    assert after == before
    assert once.status == 303
    assert "Max-Age=0" in once.headers["set-cookie"] or link == "authorize"


async def test_a_browser_that_hides_where_a_form_came_from_is_told_so(vault: Deployment) -> None:
    """Nothing is done, as it could be anybody's form; the page is not said to have been open for too long."""
    url = await vault.authorize_url()
    asked = await vault.browser().visit(url)
    answer = {"answer": "yes", "token": asked.forms[0].values["token"]}
    cookie = asked.browser.cookies.header(url)

    page = await send(vault, url, answer, cookie=cookie, accept="text/html")
    program = await send(vault, url, answer, cookie=cookie)
    stranger = await send(vault, url, answer, cookie=None)

    assert (page.status, "Your browser hides where it comes from" in page.text) == (400, True)
    assert [reply.body["type_name"] for reply in (program, stranger)] == ["HiddenSender", "StalePage"]
    assert vault.provider.calls["authorize"] == 0


async def test_a_form_works_once(vault: Deployment) -> None:
    """A reload or a second click is told that nothing was changed."""
    asked = await vault.browser().visit(await vault.authorize_url())
    await asked.submit("Continue to Sandbox CRM")

    again = await asked.submit("Continue to Sandbox CRM")

    assert (again.status, "Nothing was changed" in again.text) == (400, True)
    assert vault.provider.calls["authorize"] == 1


async def test_a_form_may_lead_on_over_any_host_of_the_service(vault: Deployment) -> None:
    """Chromium holds every redirect after a form against form-action; the page's origin is told to us alone."""
    asked = await vault.open(await vault.authorize_url(), headers=TYPED)

    policy = asked.headers["content-security-policy"]
    assert "form-action 'self' https:" in policy
    assert "frame-ancestors 'none'" in policy
    assert asked.headers["referrer-policy"] == "same-origin"
    assert asked.headers["cache-control"] == "no-store"


async def test_after_disconnecting_our_own_page_says_how_far_it_went(vault: Deployment) -> None:
    """Ended at the service too, or not answered yet, or nothing left to end."""
    await vault.connect()
    link = f"{(await vault.connection())['revoke_url']}&redirect_uri={CALLBACK_PAGE}"

    vault.network.fail_next("refused")
    pending = await vault.open((await vault.open(link)).location)
    again = await vault.open((await vault.open(link)).location)
    await vault.connect()
    link = f"{(await vault.connection())['revoke_url']}&redirect_uri={CALLBACK_PAGE}"
    ended = await vault.open((await vault.open(link)).location)

    assert "has not confirmed it yet" in pending.text
    assert "no keys are left here" in again.text
    assert "has confirmed the end" in ended.text
    assert urlsplit(link).path.startswith("/vault/revoke/")
