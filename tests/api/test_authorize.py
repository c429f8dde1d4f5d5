"""Opening the connect link: who may, what the provider is asked for, and what opening it must not do."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from dance import begin, changed, consent
from nodes import Deploy
from traces import rows, traces

from holdfast.store.flows import OPEN_FLOWS
from holdfast.testing.asgi import call
from holdfast.testing.harness import CLIENT_SECRET, PROVIDER_URL, PUBLIC_URL, RETURN_TO, SERVICE, Deployment

CALLBACK_PAGE = f"{PUBLIC_URL}/oauth/callback"


async def put_integration(vault: Deployment, **members: Any) -> None:
    path = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
    assert (await vault.manage("PUT", path, json=members)).status == 200


async def test_every_opening_is_an_authorization_of_its_own(vault: Deployment) -> None:
    """One link may be opened often: each time with another state, another S256 challenge and another cookie."""
    link = await vault.authorize_url()

    replies = [await vault.open(link) for _ in range(10)]

    asked = [dict(parse_qsl(urlsplit(reply.location).query)) for reply in replies]
    assert {a["code_challenge_method"] for a in asked} == {"S256"}
    assert len({a["state"] for a in asked}) == len({a["code_challenge"] for a in asked}) == 10
    assert len({reply.headers["set-cookie"] for reply in replies}) == 10


async def test_a_redirect_is_kept_by_no_cache_and_names_no_referrer(vault: Deployment) -> None:
    """A 301 is stored for ever unless it says otherwise (RFC 9110 section 15.4.2), and its URL holds a state."""
    reply = await vault.open(await vault.authorize_url())

    assert reply.status == 301
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert reply.headers["x-robots-tag"] == "noindex"
    assert "access-control-allow-origin" not in reply.headers


async def test_the_binding_cookie_stays_with_its_host(deploy: Deploy) -> None:
    """On https it has the `__Host-` prefix; scripts and other sites' forms do not get it; it is not the state."""
    async with deploy(public_url="https://vault.example.com") as vault:
        reply = await vault.open(await vault.authorize_url())

    name, _, rest = reply.headers["set-cookie"].partition("=")
    value, *attributes = [part.strip().lower() for part in rest.split(";")]
    assert name.startswith("__Host-")
    assert {"secure", "httponly", "samesite=lax", "path=/", "max-age=600"} == set(attributes)
    assert len(value) >= 43
    assert value not in reply.location.lower()


async def test_an_unknown_application_answers_404(vault: Deployment) -> None:
    """No redirect: nobody has registered where to go."""
    link = (await vault.authorize_url()).replace(vault.application_id, "0" * 32)

    reply = await vault.open(link)

    assert reply.status == 404
    assert "location" not in reply.headers


async def test_a_service_that_the_link_does_not_name_is_refused(vault: Deployment) -> None:
    """The path is not signed, so it must say what the state says."""
    link = (await vault.authorize_url()).replace(f"/{SERVICE}/", "/pipedrive/")

    reply = await vault.open(link)

    assert reply.location.startswith(RETURN_TO + "?")
    assert reply.parameters["error_type"] == "OAuthInvalidStateError"


async def test_a_link_outlives_neither_the_switch_nor_the_integration(vault: Deployment) -> None:
    """A link that was given out before answers with the reason once the integration is off, or gone."""
    link = await vault.authorize_url()
    await put_integration(vault, enabled=False)
    switched_off = await vault.open(link)
    path = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
    await vault.manage("DELETE", path)

    taken_away = await vault.open(link)

    assert switched_off.parameters["error_type"] == "ConnectorDisabledError"
    assert taken_away.parameters["error_type"] == "IntegrationNotFoundError"
    assert (await rows(vault))["flows"] == 0


@pytest.mark.parametrize("members", [{"client_id": None}, {"client_secret": None}], ids=["no id", "no secret"])
async def test_an_integration_without_its_client_cannot_be_authorized(
    vault: Deployment, members: dict[str, None]
) -> None:
    """The connection says so beforehand, and the link says so to whoever opens it all the same."""
    await put_integration(vault, **members, **({"client_secret": None} if "client_id" in members else {}))

    reply = await vault.open(await vault.authorize_url())

    assert (await vault.connection())["integration_state"] == "needs_configuration"
    assert reply.parameters["error_type"] == "OAuthCredentialsNotFoundError"
    assert (await rows(vault))["flows"] == 0


async def test_fewer_scopes_may_be_asked_for(vault: Deployment) -> None:
    """The request narrows what the integration asks for."""
    begun = await begin(vault, scope="leads:read users:read")

    assert begun.asked["scope"] == "leads:read users:read"


@pytest.mark.parametrize("scope", ["admin", "leads:read admin", "leads:read\tadmin", "LEADS:READ"])
async def test_a_scope_that_the_integration_does_not_have_is_refused(vault: Deployment, scope: str) -> None:
    """A link can be edited by whoever opens it; the consent page must not then ask for more than the product does."""
    before = await traces(vault)

    reply = await vault.open(await vault.authorize_url(scope=scope))

    assert reply.parameters["error_type"] == "RequestValidationError"
    assert await traces(vault) == before


@pytest.mark.parametrize("scope", ["leads:write", "{cred.client_secret}", "{"])
async def test_an_integration_of_no_scopes_lets_none_be_asked_for(vault: Deployment, scope: str) -> None:
    """An empty list is the operator's decision. A manifest's scopes are templates; those of a request are not."""
    await put_integration(vault, scopes=[])

    reply = await vault.open(await vault.authorize_url(scope=scope))

    assert reply.parameters["error_type"] == "RequestValidationError"
    assert CLIENT_SECRET not in reply.location


@pytest.mark.parametrize("name", ["state", "redirect_uri", "scope", "nonce"])
async def test_a_parameter_that_comes_twice_is_refused(vault: Deployment, name: str) -> None:
    """Two values of one parameter mean that somebody added theirs (RFC 6749 section 3.1)."""
    link = await vault.authorize_url(scope="leads:read", nonce="5f0c")
    value = dict(parse_qsl(urlsplit(link).query))[name]
    before = await traces(vault)

    for encoded_name in (name, name.replace("e", "%65")):
        reply = await vault.open(f"{link}&{encoded_name}={value}")
        assert (reply.status, reply.body["type_name"]) == (400, "RequestValidationError")
    assert await traces(vault) == before


async def test_parameters_that_nobody_knows_are_ignored(vault: Deployment) -> None:
    """A redirect URI that was put into a link without encoding leaves parts of itself behind."""
    begun = await begin(vault, utm_source="newsletter", client_id="somebody-else", code_challenge="0")

    assert begun.asked["client_id"] == "sandbox-client"
    assert begun.asked["code_challenge"] != "0"
    assert "utm_source" not in begun.asked


async def test_only_a_get_does_something(vault: Deployment) -> None:
    """Link scanners ask with HEAD, pages of other sites with POST and OPTIONS: nothing, and no word about CORS. A POST
    has to be a form."""
    begun = await begin(vault)
    await vault.connect()
    connection = await vault.connection()
    urls = [f"{connection[name]}&redirect_uri={RETURN_TO}" for name in ("authorize_url", "revoke_url")]
    urls.append(f"{PUBLIC_URL}/vault/callback?state={begun.state}&code=x")
    headers = [("cookie", begun.cookie), ("origin", "https://evil.example")]
    before = await traces(vault)

    answers = [await call(vault.app, method, url, headers) for url in urls for method in ("HEAD", "OPTIONS", "POST")]

    assert [answer.status for answer in answers] == [405, 405, 415] * 3
    assert not [name for answer in answers for name, _ in answer.headers if name.startswith("access-control-")]
    assert await traces(vault) == before


@pytest.mark.parametrize(
    "header",
    [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "Prefetch"),
        ("x-moz", "prefetch"),
    ],
)
async def test_a_prefetch_begins_and_ends_nothing(vault: Deployment, header: tuple[str, str]) -> None:
    """Browsers fetch links ahead; that must neither open a flow nor end a grant."""
    await vault.connect()
    connection = await vault.connection()
    before = await traces(vault)

    for name in ("authorize_url", "revoke_url"):
        answer = await call(vault.app, "GET", f"{connection[name]}&redirect_uri={RETURN_TO}", [header])
        assert answer.status == 400
    assert await traces(vault) == before


async def test_flows_that_nobody_ends_do_not_pile_up(vault: Deployment) -> None:
    """Of one connection only so many stay open, and the newest of all can still be ended."""
    for _ in range(OPEN_FLOWS + 5):
        begun = await begin(vault)
        vault.clock.advance(1)

    assert (await rows(vault))["flows"] == OPEN_FLOWS
    assert (await vault.open(await consent(vault, begun), cookie=begun.cookie)).location == RETURN_TO


async def test_mode_auto_confirms_wherever_there_is_a_nonce(vault: Deployment) -> None:
    """Both the nonce and the target are chosen by whoever opens the link, so the target decides nothing."""
    ours = changed(await vault.authorize_url(nonce="5f0c"), redirect_uri=CALLBACK_PAGE)

    page = await (await vault.browser().visit(ours, initiator=RETURN_TO)).allow()
    theirs = await vault.connect(consumer="user-2", nonce="5f0c")

    assert page.query["nonce"] == "5f0c"
    assert page.query["confirm_token"]
    assert theirs.url.startswith(f"{RETURN_TO}#nonce=5f0c&confirm_token=")


async def test_mode_always_demands_a_nonce(deploy: Deploy) -> None:
    """Leaving the nonce out must not lead back to the unconfirmed flow, and with it every page confirms."""
    async with deploy(confirmation="always") as vault:
        before = await traces(vault)
        refused = [await vault.open(await vault.authorize_url(**nonce)) for nonce in ({}, {"nonce": ""})]
        assert await traces(vault) == before

        page = await vault.connect(nonce="5f0c")

        assert [reply.status for reply in refused] == [400, 400]
        assert all("location" not in reply.headers for reply in refused)
        assert page.query["confirm_token"]
        assert (await vault.connection())["health"] == "pending_confirmation"


async def test_mode_off_connects_in_one_step(deploy: Deploy) -> None:
    """A nonce asks for nothing then."""
    async with deploy(confirmation="off") as vault:
        link = changed(await vault.authorize_url(nonce="5f0c"), redirect_uri=CALLBACK_PAGE)

        page = await (await vault.browser().visit(link, initiator=RETURN_TO)).allow()

        assert page.url.startswith(f"{CALLBACK_PAGE}?outcome=")
        assert (await vault.connection())["state"] == "callable"


@pytest.mark.parametrize("nonce", ["n" * 513, "5f0c\r\nSet-Cookie: a=b", "5f0c\x00"])
async def test_a_nonce_is_a_short_printable_text(vault: Deployment, nonce: str) -> None:
    """It is echoed into a URL."""
    reply = await vault.open(await vault.authorize_url(nonce=nonce))

    assert reply.status == 400


async def test_only_the_provider_that_the_manifest_names_is_gone_to(vault: Deployment) -> None:
    """Nothing in the request decides where the consent page is."""
    begun = await begin(vault)

    assert begun.provider_url.startswith(f"{PROVIDER_URL}/oauth/authorize?")
    assert begun.asked["redirect_uri"].startswith(f"{PUBLIC_URL}/vault/callback/")
