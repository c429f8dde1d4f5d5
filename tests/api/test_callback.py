"""The provider sends a browser back: whose flow it is, once, from the right browser, connector and issuer."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from dance import begin, came_back, changed, consent
from nodes import another_node
from structlog.testing import capture_logs
from traces import rows, traces

from holdfast.testing.asgi import call
from holdfast.testing.browser import Browser
from holdfast.testing.harness import PROVIDER_URL, PUBLIC_URL, RETURN_TO, SERVICE, Deployment
from holdfast.testing.provider import RawAnswer, say, stall

FOREIGN_ISSUERS = {
    "another issuer": "https://login.evil.example",
    "a slash more": f"{PROVIDER_URL}/",
    "upper case": PROVIDER_URL.upper(),
    "nothing in it": "",
    "absent": None,
}


@pytest.mark.parametrize("state", [None, "", "x", "A" * 64, "é" * 64, "A" * 16_000, "\x00"])
async def test_a_callback_without_a_state_of_ours_goes_nowhere(vault: Deployment, state: str | None) -> None:
    """Failing open here would let anybody link any account (RFC 6749 section 10.12)."""
    begun, callback = await came_back(vault)
    before = await traces(vault)

    reply = await vault.open(changed(callback, state=state), cookie=begun.cookie)

    assert reply.status == 400
    assert "location" not in reply.headers
    assert await traces(vault) == before


async def test_a_callback_by_a_form_is_read_at_our_own_address(vault: Deployment) -> None:
    """A form of another site brings no cookie along (SameSite=Lax), so the browser comes once more by itself."""
    begun, callback = await came_back(vault)
    address = urlsplit(callback)
    form = [("content-type", "application/x-www-form-urlencoded"), ("origin", PROVIDER_URL)]

    posted = await call(vault.app, "POST", f"{PUBLIC_URL}{address.path}", form, address.query.encode())
    sent_to = dict(posted.headers)["location"]

    assert (posted.status, dict(posted.headers)["cache-control"]) == (303, "no-store")
    assert vault.provider.calls["token"] == 0
    assert parse_qsl(urlsplit(sent_to).query) == parse_qsl(address.query)
    assert (await vault.open(sent_to)).status == 400
    assert (await vault.open(sent_to, cookie=begun.cookie)).location == RETURN_TO


@pytest.mark.parametrize(("label", "body", "status"), [("application/json", b"{}", 415), ("", b"a=b", 415)])
async def test_a_callback_by_post_is_a_form(vault: Deployment, label: str, body: bytes, status: int) -> None:
    """Anything else is refused, and so is a form that no query could hold."""
    headers = [("content-type", label)] if label else []

    assert (await call(vault.app, "POST", f"{PUBLIC_URL}/vault/callback", headers, body)).status == status
    headers = [("content-type", "application/x-www-form-urlencoded")]
    assert (await call(vault.app, "POST", f"{PUBLIC_URL}/vault/callback", headers, b"a=" + b"x" * 13_000)).status == 400


@pytest.mark.parametrize("name", ["state", "code", "iss", "error"])
async def test_a_parameter_that_comes_twice_is_refused(vault: Deployment, name: str) -> None:
    """Neither of the two values is taken, and the flow can still be ended properly."""
    begun, callback = await came_back(vault)
    twice = changed(callback, error="access_denied") if name == "error" else callback

    reply = await vault.open(f"{twice}&{name}=x", cookie=begun.cookie)

    assert reply.status == 400
    assert vault.provider.calls["token"] == 0
    assert (await vault.open(callback, cookie=begun.cookie)).location == RETURN_TO


async def test_a_forged_state_does_not_reach_the_database(vault: Deployment) -> None:
    """Its own proof is checked first, so a flood of junk costs no statement: it is refused even without a database."""
    begun = await begin(vault)
    forged = ("B" if begun.state[0] == "A" else "A") + begun.state[1:]
    await vault.vault.store.database.close()

    reply = await vault.open(f"{PUBLIC_URL}/vault/callback?state={forged}&code=x", cookie=begun.cookie)

    assert (reply.status, reply.body["type_name"]) == (400, "OAuthInvalidStateError")


async def test_a_flow_ends_once(vault: Deployment) -> None:
    """The second time is refused by the same node, and by one that started later."""
    begun, callback = await came_back(vault)
    first = await vault.open(callback, cookie=begun.cookie)

    second = await vault.open(callback, cookie=begun.cookie)
    async with another_node(vault) as restarted:
        third = await restarted.open(callback, cookie=begun.cookie)

    assert first.location == RETURN_TO
    assert [second.status, third.status] == [400, 400]
    assert vault.provider.calls["token"] == 1


async def test_of_many_callbacks_at_once_one_wins(vault: Deployment) -> None:
    """Over two nodes: one token request, one success, and one connection."""
    begun, callback = await came_back(vault)

    async with another_node(vault) as other:
        opened = [node.open(callback, cookie=begun.cookie) for _ in range(25) for node in (vault, other)]
        replies = await asyncio.gather(*opened)

    assert sorted(reply.status for reply in replies) == [301] + [400] * 49
    assert vault.provider.calls["token"] == 1
    assert (await vault.events()).count("callable") == 1


async def test_a_flow_expires(vault: Deployment) -> None:
    """Ten minutes are enough to log in and consent."""
    begun, callback = await came_back(vault)
    vault.clock.advance(600)

    reply = await vault.open(callback, cookie=begun.cookie)

    assert reply.status == 400
    assert vault.provider.calls["token"] == 0


async def test_a_code_of_another_flow_is_of_no_use(vault: Deployment) -> None:
    """A code that was injected into a victim's callback does not fit the victim's verifier (RFC 9700 section 4.5)."""
    _, attackers = await came_back(vault, consumer="attacker")
    victims, callback = await came_back(vault, consumer="victim")
    code = dict(part.split("=") for part in urlsplit(attackers).query.split("&"))["code"]

    reply = await vault.open(changed(callback, code=code), cookie=victims.cookie)

    assert reply.parameters["error_type"] == "OAuthCodeExchangeError"
    assert (await vault.connection(consumer="victim"))["state"] == "available"
    assert vault.provider.calls["token"] == 1


@pytest.mark.parametrize("cookie", [None, "hf_00000000=AAAA", "theirs"])
async def test_another_browser_cannot_end_a_flow(vault: Deployment, cookie: str | None) -> None:
    """Whoever lures a victim to a callback URL, or to the consent page, gets nothing; who began it can still end it."""
    begun, callback = await came_back(vault)
    theirs = await begin(vault, consumer="victim")

    stolen = await vault.open(callback, cookie=theirs.cookie if cookie == "theirs" else cookie)
    calls = vault.provider.calls["token"]
    proper = await vault.open(callback, cookie=begun.cookie)

    assert stolen.status == 400
    assert "location" not in stolen.headers
    assert calls == 0
    assert proper.location == RETURN_TO


async def test_a_victim_who_consents_on_a_copied_consent_page_links_nothing(vault: Deployment) -> None:
    """The provider's URL was copied out of the attacker's flow; the victim's browser has not begun it."""
    begun = await begin(vault, consumer="attacker")
    victim = Browser(apps={**vault.network.apps, urlsplit(PUBLIC_URL).netloc: vault.app}, clock=vault.clock)

    page = await (await victim.visit(begun.provider_url)).allow()

    assert page.status == 400
    assert vault.provider.calls["token"] == 0
    assert (await vault.connection(consumer="attacker"))["state"] == "available"


@pytest.mark.parametrize("name", FOREIGN_ISSUERS)
async def test_an_answer_of_another_issuer_is_refused(vault: Deployment, name: str) -> None:
    """`iss` is compared as text, and must be there where the provider always sends it (RFC 9207 section 2.4)."""
    begun, callback = await came_back(vault)

    reply = await vault.open(changed(callback, iss=FOREIGN_ISSUERS[name]), cookie=begun.cookie)
    again = await vault.open(callback, cookie=begun.cookie)

    assert [reply.status, again.status] == [400, 400]
    assert vault.provider.calls["token"] == 0


async def test_a_callback_belongs_to_its_connector(vault: Deployment) -> None:
    """A code must not arrive at the redirect URI of another provider, nor at the shared one (RFC 9700 section 4.4)."""
    for path in ("/vault/callback", "/vault/callback/aaaaaaaaaaaaaaaa"):
        begun, callback = await came_back(vault)
        query = urlsplit(callback).query

        reply = await vault.open(f"{PUBLIC_URL}{path}?{query}", cookie=begun.cookie)

        assert reply.status == 400
    assert vault.provider.calls["token"] == 0


async def test_a_code_that_two_flows_bring_is_redeemed_for_each(vault: Deployment) -> None:
    """Whoever puts somebody else's code beside a state of their own shares neither the answer nor the grant."""
    begun, callback = await came_back(vault)
    theirs, other = await came_back(vault, consumer="user-2")
    code = dict(parse_qsl(urlsplit(callback).query))["code"]
    with vault.provider.behave("token", stall(5), times=1):
        first = asyncio.create_task(vault.open(callback, cookie=begun.cookie))
        await vault.clock.asleep()
        second = await vault.open(changed(other, code=code), cookie=theirs.cookie)
        vault.clock.advance(5)
        await first

    vault.consumer = "user-2"
    assert second.parameters["error_type"] == "OAuthCodeExchangeError"
    assert vault.provider.calls["token"] == 2
    assert (await vault.connection())["state"] != "callable"


async def test_callbacks_of_one_millisecond_are_two_consents(vault: Deployment) -> None:
    """Two windows of one person end at the same moment: the later grant replaces the earlier, and is announced."""
    ways = [await came_back(vault) for _ in range(2)]

    replies = await asyncio.gather(*(vault.open(url, cookie=begun.cookie) for begun, url in ways))

    assert [reply.location for reply in replies] == [RETURN_TO, RETURN_TO]
    assert vault.provider.calls["token"] == 2
    assert (await vault.events()).count("callable") == 2
    assert (await vault.connection())["state"] == "callable"
    assert (await vault.get(f"/vault/connections/crm/{SERVICE}/leads/custom-fields")).status == 200


async def test_a_refusal_of_the_person_goes_back_to_the_product(vault: Deployment) -> None:
    """The flow is over, nothing is stored, and the product learns why."""
    begun = await begin(vault)
    callback = await consent(vault, begun, allow=False)

    reply = await vault.open(callback, cookie=begun.cookie)

    assert reply.location.startswith(RETURN_TO + "?")
    assert reply.parameters["error_type"] == "OAuthConnectorError"
    assert reply.parameters["error_message"] == "The service refused the authorization (access_denied)."
    assert (reply.parameters["origin"], reply.parameters["service_id"]) == ("callback", SERVICE)
    assert (await vault.open(callback, cookie=begun.cookie)).status == 400
    assert (await rows(vault))["connections"] == 0


@pytest.mark.parametrize("error", ["access_denied", "Call 555-0100 now", "x\r\nSet-Cookie: a=b"])
async def test_hostile_words_of_a_provider_go_nowhere(vault: Deployment, error: str) -> None:
    """Text of a callback is anybody's text: the product is told in ours, and no existing connection ends."""
    await vault.connect()
    begun, callback = await came_back(vault)
    text = "<script>alert(1)</script>\r\nLocation: https://evil.example" + "a" * 10_000
    failed = changed(callback, code=None, error=error, error_description=text)

    reply = await vault.open(failed, cookie=begun.cookie)

    known = " (access_denied)" if error == "access_denied" else ""
    assert reply.location.startswith(f"{RETURN_TO}?error_type=OAuthConnectorError&")
    assert reply.parameters["error_message"] == f"The service refused the authorization{known}."
    assert not any(word in reply.location for word in ("evil", "555", "Cookie"))
    assert list(reply.headers).count("location") == 1
    assert (await vault.connection())["state"] == "callable"


async def test_a_code_of_a_token_answer_is_told_if_a_standard_defines_it(vault: Deployment) -> None:
    """Any other one could be a sentence, and a product shows what it is given."""
    told = {}
    for code in ("invalid_grant", "Call 555-0100 now"):
        begun, callback = await came_back(vault)
        refusal = RawAnswer(400, {"Content-Type": "application/json"}, json.dumps({"error": code}).encode())
        with vault.provider.behave("token", say(refusal)):
            reply = await vault.open(callback, cookie=begun.cookie)
        told[code] = reply.parameters["error_message"]

    assert told == {
        "invalid_grant": "The service gave no token for the authorization code (invalid_grant).",
        "Call 555-0100 now": "The service gave no token for the authorization code.",
    }


async def test_a_provider_s_own_words_are_in_the_log_alone(vault: Deployment) -> None:
    """The operator reads what was wrong; a text that repeats the state is not written either."""
    begun, callback = await came_back(vault)
    repeated, again = await came_back(vault)
    failed = {"code": None, "error": "invalid_scope"}

    with capture_logs() as logs:
        await vault.open(changed(callback, **failed, error_description="No scope crm.read."), cookie=begun.cookie)
        await vault.open(changed(again, **failed, error_description=f"No {repeated.state}"), cookie=repeated.cookie)

    told = [(line["code"], line["said"]) for line in logs if line["event"] == "authorization_refused"]
    assert told == [("invalid_scope", "No scope crm.read."), ("invalid_scope", "***")]
    assert repeated.state not in str(logs)


async def test_an_error_beside_a_code_is_an_error(vault: Deployment) -> None:
    """The code is not redeemed."""
    begun, callback = await came_back(vault)

    reply = await vault.open(changed(callback, error="server_error"), cookie=begun.cookie)

    assert reply.parameters["error_type"] == "OAuthConnectorError"
    assert vault.provider.calls["token"] == 0


@pytest.mark.parametrize("code", [None, "", "c" * 9000, "c" * 65_536, "c\r\nd", "c\x00d"])
async def test_a_callback_without_a_usable_code_redeems_nothing(vault: Deployment, code: str | None) -> None:
    """An access token in its place is no code either: the implicit grant is not spoken here."""
    begun, callback = await came_back(vault)

    reply = await vault.open(changed(callback, code=code, access_token="sbx_at_x"), cookie=begun.cookie)

    assert reply.status == 400 or reply.parameters["error_type"] == "RequestValidationError"
    assert vault.provider.calls["token"] == 0
    assert (await rows(vault))["connections"] == 0


async def test_an_integration_that_was_switched_off_meanwhile_takes_no_account(vault: Deployment) -> None:
    """The person is sent back with the reason; the code is not redeemed."""
    begun, callback = await came_back(vault)
    path = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
    await vault.manage("PUT", path, json={"enabled": False})

    reply = await vault.open(callback, cookie=begun.cookie)

    assert reply.parameters["error_type"] == "ConnectorDisabledError"
    assert vault.provider.calls["token"] == 0
