"""What a person sees where a program is answered JSON: a page of ours, with the same status, in our own words."""

from __future__ import annotations

import re

import pytest
from dance import begin, came_back, changed, consent
from nodes import Deploy

from holdfast.http.pages import sheet
from holdfast.http.pages.sentences import WORDS
from holdfast.testing.harness import PUBLIC_URL, SERVICE, Deployment, Reply
from holdfast.testing.navigation import Navigation
from holdfast.testing.provider import fail

CALLBACK_PAGE = f"{PUBLIC_URL}/oauth/callback"
TYPED = Navigation().headers("GET", PUBLIC_URL)
HOSTILE = "Your account was suspended. Call 555-0100 <b>now</b>"
AUTHORIZE = f"{PUBLIC_URL}/vault/authorize/{SERVICE}"


async def end(vault: Deployment, callback: str, cookie: str) -> Reply:
    """Where a flow ends that returns to our own page."""
    back = await vault.open(callback, cookie=cookie)
    return await vault.open(back.location, headers=TYPED)


def heading(reply: Reply) -> str:
    found = re.search("<h1[^>]*>(.*?)</h1>", reply.text)
    return re.sub("<[^>]+>", "", found[1]) if found else ""


async def test_a_person_is_shown_a_page_and_a_program_json(vault: Deployment) -> None:
    """The same status for both; neither is sent anywhere."""
    urls = {
        f"{PUBLIC_URL}/vault/callback?error=access_denied&error_description={HOSTILE}": 400,
        f"{PUBLIC_URL}/vault/callback?state=abc&code=x": 400,
        f"{AUTHORIZE}/nobody?state=abc": 404,
        f"{await vault.authorize_url(redirect_uri='https://evil.example')}": 400,
        f"{PUBLIC_URL}/vault/revoke/{SERVICE}/{vault.application_id}?state=abc": 400,
        f"{PUBLIC_URL}/vault/callback/a/b/c": 404,
    }

    pages = [await vault.open(url.replace(" ", "%20"), headers=TYPED) for url in urls]
    programs = [
        await vault.open(url.replace(" ", "%20"), headers=accept)
        for url in urls
        for accept in ({}, {"accept": "*/*"}, {"accept": "application/json"})
    ]

    assert [page.status for page in pages] == list(urls.values())
    assert {page.headers["content-type"] for page in pages} == {"text/html; charset=utf-8"}
    assert [heading(page) for page in pages] == [
        "This link does not work",
        "This link does not work",
        "This link is no longer in use",
        "This link leads nowhere yet",
        "This link does not work",
        "This link does not work",
    ]
    assert not any("555" in page.text or "location" in page.headers for page in pages)
    assert {reply.headers["content-type"] for reply in programs} == {"application/json"}


@pytest.mark.parametrize(
    ("headers", "page"),
    [
        ({"accept": "text/html"}, True),
        ({"accept": "application/json;q=0.9, text/html"}, True),
        ({"accept": "application/json, text/html;q=0.5"}, False),
        ({"accept": "text/html;q=0"}, False),
        ({"accept": "text/html;q=many"}, False),
        ({"accept": "text/html", "sec-fetch-mode": "cors"}, False),
        ({"accept": "text/html", "sec-fetch-mode": "navigate"}, True),
    ],
)
async def test_who_would_rather_have_a_page_is_shown_one(
    vault: Deployment, headers: dict[str, str], page: bool
) -> None:
    """By what is accepted (RFC 9110 section 12.5.1), and only where a browser navigates."""
    reply = await vault.open(f"{PUBLIC_URL}/vault/callback?state=abc", headers=headers)

    assert reply.headers["content-type"].startswith("text/html") is page


async def test_the_api_never_answers_with_a_page(vault: Deployment) -> None:
    """A browser at an address of the API sees what the API answers."""
    reply = await vault.get("/vault/connections/crm/nothing", headers=TYPED)

    assert reply.headers["content-type"] == "application/json"


async def test_a_spent_state_a_late_one_and_another_browser_are_told_apart(vault: Deployment) -> None:
    """Programs are told the same of all three; a person has something different to do."""
    begun, callback = await came_back(vault)
    other = await vault.open(callback, headers=TYPED)
    await vault.open(callback, cookie=begun.cookie)
    used = await vault.open(callback, cookie=begun.cookie, headers=TYPED)
    _, late = await came_back(vault)
    vault.clock.advance(3600)
    expired = await vault.open(late, headers=TYPED)

    assert [heading(page) for page in (other, used, expired)] == [
        "Continue where you started",
        "This link was used before",
        "This link has expired",
    ]
    assert {page.status for page in (other, used, expired)} == {400}
    assert len({(await vault.open(url)).text for url in (callback, late)}) == 1


async def test_our_own_page_says_what_happened(vault: Deployment) -> None:
    """With the names of service and application; a person finds the way back."""
    begun, callback = await came_back(vault, redirect_uri=CALLBACK_PAGE)

    page = await end(vault, callback, begun.cookie)

    assert (page.status, heading(page)) == (200, "Sandbox CRM is connected")
    assert "Acme" in page.text
    assert 'href="https://app.example.com"' in page.text
    assert "<title>Sandbox CRM is connected · Acme</title>" in page.text


async def test_a_code_that_waits_is_not_called_connected(vault: Deployment) -> None:
    """Nothing is connected before the product has confirmed."""
    begun, callback = await came_back(vault, redirect_uri=CALLBACK_PAGE, nonce="5f0c")

    page = await end(vault, callback, begun.cookie)

    assert heading(page) == "Almost done"
    assert "is connected" not in page.text.replace("Nothing is connected", "")


async def test_a_refusal_is_told_in_our_words(vault: Deployment) -> None:
    """What the provider wrote is said neither on our domain nor to the product."""
    begun = await begin(vault, redirect_uri=CALLBACK_PAGE)
    callback = await consent(vault, begun, allow=False)

    back = await vault.open(changed(callback, error_description=HOSTILE), cookie=begun.cookie)
    page = await vault.open(back.location, headers=TYPED)

    assert "555" not in back.location
    assert heading(page) == "Sandbox CRM was not connected"
    assert "You said no at" in page.text
    assert "555" not in page.text


async def test_a_service_that_is_down_is_not_the_person_s_fault(vault: Deployment) -> None:
    """Nor the application's."""
    begun, callback = await came_back(vault, redirect_uri=CALLBACK_PAGE)

    with vault.provider.behave("token", fail(503)):
        page = await end(vault, callback, begun.cookie)

    assert heading(page) == "Sandbox CRM does not answer"


async def test_an_integration_that_is_not_ready_is_the_application_s_to_mend(vault: Deployment) -> None:
    """A person can only tell them."""
    url = await vault.authorize_url(redirect_uri=CALLBACK_PAGE)
    path = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
    await vault.manage("PUT", path, json={"enabled": False})

    back = await vault.open(url)

    assert heading(await vault.open(back.location, headers=TYPED)) == "Acme has to fix something first"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?disconnected",
        f"?error_type=x&error_message={HOSTILE}".replace(" ", "%20"),
        "?outcome=connected",
        "?outcome=.",
        "?outcome=WyJjb25uZWN0ZWQiLCJBIiwiQiJd.AAAA",
        "?outcome=%C3%A9.%C3%A9",
        "?outcome=" + "a" * 5000 + ".b",
    ],
)
async def test_our_own_page_says_nothing_that_we_did_not_send(vault: Deployment, query: str) -> None:
    """Opened bare, or with anybody's words: nothing happened here."""
    page = await vault.open(CALLBACK_PAGE + query, headers=TYPED)

    assert (page.status, heading(page)) == (200, "Nothing happened here")
    assert "555" not in page.text


async def test_what_happened_is_said_for_a_few_minutes(vault: Deployment) -> None:
    """A changed word of it, or an old one, says nothing."""
    begun, callback = await came_back(vault, redirect_uri=CALLBACK_PAGE)
    told = (await vault.open(callback, cookie=begun.cookie)).location
    body, _, mac = told.partition("outcome=")[2].partition(".")

    forged = await vault.open(f"{CALLBACK_PAGE}?outcome={body[:-2]}AA.{mac}")
    vault.clock.advance(600)
    late = await vault.open(told)

    assert [heading(page) for page in (forged, late)] == ["Nothing happened here"] * 2


async def test_a_fault_of_ours_is_a_page_too(vault: Deployment) -> None:
    """A person is asked to come back; nothing is called lost."""
    begun, callback = await came_back(vault)
    await vault.vault.store.q.run("ALTER TABLE flows RENAME TO gone")
    try:
        page = await vault.open(callback, cookie=begun.cookie, headers=TYPED)
    finally:
        await vault.vault.store.q.run("ALTER TABLE gone RENAME TO flows")

    assert page.status in (500, 503)
    assert heading(page) in ("Something went wrong here", "We can’t be reached right now")


async def test_pages_load_nothing_and_lead_nowhere(vault: Deployment) -> None:
    """No script, no other host, no frame around them, nothing kept, nobody told."""
    page = await vault.open(CALLBACK_PAGE, headers=TYPED)
    style = re.search('<link rel="stylesheet" href="([^"]+)"', page.text)
    sheet_reply = await vault.open(f"{PUBLIC_URL}{style[1]}" if style else "")

    assert page.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
    )
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-robots-tag"] == "noindex"
    assert page.headers["x-frame-options"] == "DENY"
    assert "<script" not in page.text
    assert not re.search(r"(src|href)=\"?(https?:)?//", page.text)
    assert (sheet_reply.status, sheet_reply.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in sheet_reply.headers["cache-control"]
    assert "url(" not in sheet_reply.text


async def test_a_page_can_be_read_aloud(vault: Deployment) -> None:
    """A language, a title, one heading that takes the focus, landmarks."""
    page = await vault.open(CALLBACK_PAGE, headers=TYPED)

    assert '<html lang="en">' in page.text
    assert "<title>Nothing happened here</title>" in page.text
    assert page.text.count("<h1") == page.text.count("<main") == page.text.count("<footer") == 1
    assert "autofocus>" in page.text.partition("<h1")[2].partition("\n")[0]
    assert 'name="viewport"' in page.text


@pytest.mark.parametrize("said", WORDS)
def test_every_page_is_whole(said: str) -> None:
    """With names of any kind, and without any."""
    names = dict.fromkeys(("service", "application", "customer"), '"><script>\u202e{0}' + "x" * 100)

    for given in (names, None):
        text = bytes(sheet.page(said, names=given, code="Some<b>Error").body).decode()  # type: ignore[arg-type]
        assert "<script" not in text
        assert "<b>" not in text
        assert "\u202e" not in text
        assert not re.search(r"\{(service|application|customer)\}", text)


async def test_pages_of_a_vault_behind_https_are_bound_to_it(deploy: Deploy) -> None:
    """The cookie of a form is one that no other host can set."""
    async with deploy(public_url="https://vault.example") as vault:
        url = await vault.authorize_url()
        asked = await vault.open(url, headers=Navigation().headers("GET", "https://vault.example/"))

    assert asked.headers["set-cookie"].startswith("__Host-hf_form_")
    assert "Secure" in asked.headers["set-cookie"]
