"""The proxy: what a caller's request is when it reaches the service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from accounts import open_account
from own_manifests import DESK, put_integration, write_manifests
from proxying import BASE, METHODS, MIRROR, arrived, bearer, proxy, seen

from holdfast.testing.harness import SERVICE, Deployment

ONE = f"/vault/connections/crm/{SERVICE}"


async def key_with(vault: Deployment, **given: Any) -> dict[str, str | None]:
    """The headers of a key that the operator makes so."""
    made = await vault.manage("POST", f"/applications/{vault.application_id}/api-keys", json=given)
    return {"authorization": f"Bearer {made.data['api_key']}"}


@pytest.mark.parametrize("method", METHODS)
async def test_every_method_goes_on(mirrored: Deployment, method: str) -> None:
    """With the credential of the consumer's connection, and the body as it was sent."""
    body = None if method in ("GET", "OPTIONS") else b'{"title": "Fleet"}'

    told = seen(await proxy(mirrored, method, MIRROR, body=body))

    assert (told["method"], told["body"]) == (method, (body or b"").decode())
    assert arrived(mirrored)[0].headers["authorization"] == f"Bearer {bearer(mirrored)}"


async def test_a_head_has_a_length_and_no_body(mirrored: Deployment) -> None:
    """It is told how long the answer would be, and none comes."""
    reply = await proxy(mirrored, "HEAD")

    assert (reply.status, reply.text) == (200, "")
    assert int(reply.headers["content-length"]) > 100


async def test_the_method_may_stand_in_a_header(mirrored: Deployment) -> None:
    """A POST carries what the service gets as a PATCH."""
    told = seen(await proxy(mirrored, "POST", headers={"x-apideck-downstream-method": "patch"}, body=b"{}"))

    assert told["method"] == "PATCH"


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "FOO", "GET POST", "X" * 10_000])
async def test_other_methods_go_nowhere(mirrored: Deployment, method: str) -> None:
    """A verb that would make a tunnel, repeat the credential, or is none."""
    reply = await proxy(mirrored, headers={"x-apideck-downstream-method": method})

    assert (reply.status, reply.body["type_name"]) == (400, "RequestHeadersValidationError")
    assert arrived(mirrored) == []


@pytest.mark.parametrize("url", ["/mirror", MIRROR, "/mirror?q=a%20b&q=c&empty="])
async def test_a_url_is_whole_or_below_the_base(mirrored: Deployment, url: str) -> None:
    """A path is appended to the connector's base URL; a query goes on byte by byte."""
    told = seen(await proxy(mirrored, url=url))

    assert told["url"] == url if url.startswith("http") else BASE + url


async def test_a_setting_stands_in_the_url(mirrored: Deployment) -> None:
    """The connection's own value, escaped by where it stands."""
    told = seen(await proxy(mirrored, url="/mirror?company={company_id}"))

    assert told["url"] == f"{MIRROR}?company={mirrored.provider.users[0].company_id}"


async def test_a_setting_may_be_the_host(tmp_path: Path, vault: Deployment) -> None:
    """Only of this connection's host: that of another customer of the same service gets no credential."""
    force = await open_account(vault, "salesforce", "crm")
    await force.connect()
    headers = {"x-apideck-service-id": "salesforce"}
    before = len(vault.network.requests)

    elsewhere = await proxy(vault, url="{instance_url}.evil.example/services/data", headers=headers)
    there = await proxy(vault, url="{instance_url}/services/data", headers=headers)

    assert elsewhere.status == 422
    assert [r.url for r in vault.network.requests[before:]] == [
        f"{force.example.settings['instance_url']}/services/data"
    ]
    assert there.status == 404


@pytest.mark.parametrize("name", ["api_key", "client_secret", "cred.access_token", "app.key", "nothing", "sys.now"])
async def test_no_secret_stands_in_a_url(mirrored: Deployment, name: str) -> None:
    """Where logs and referrers would have it: only settings that answers show can be named."""
    reply = await proxy(mirrored, url=f"/mirror?x={{{name}}}")

    assert (reply.status, reply.body["type_name"]) == (400, "RequestHeadersValidationError")
    assert arrived(mirrored) == []


async def test_what_was_for_the_vault_ends_there(mirrored: Deployment) -> None:
    """Its key, selectors, cookies, and what describes the connection or the way of the request."""
    sent: dict[str, str | None] = {
        "cookie": "session=1", "x-forwarded-for": "10.0.0.1", "forwarded": "for=10.0.0.1", "via": "1.1 edge",
        "proxy-authorization": "Basic eA==", "te": "trailers", "upgrade": "h2c", "keep-alive": "timeout=5",
        "connection": "keep-alive, X-Hop", "x-hop": "1", "origin": "https://app.example.com",
        "referer": "https://app.example.com/deals", "sec-fetch-mode": "cors", "x-apideck-timeout": "9000",
    }  # fmt: skip

    told = seen(await proxy(mirrored, headers=sent))

    assert told["headers"].keys() & sent.keys() <= {"connection"}
    assert not [name for name in told["headers"] if name.startswith("x-apideck-")]
    assert mirrored.api_key not in str(told)


async def test_what_was_for_the_service_goes_on(mirrored: Deployment) -> None:
    """Every other header, repeated ones joined; nothing is added that says what the caller would accept."""
    sent: dict[str, str | None] = {
        "accept": "text/csv", "accept-encoding": "br;q=1.0, gzip;q=0.5", "range": "bytes=0-9", "if-none-match": '"7"',
        "user-agent": "acme/3", "x-request-id": "r-1", "content-type": "application/vnd.acme+json", "prefer": "a=1",
    }  # fmt: skip

    told = seen(await proxy(mirrored, "POST", headers=sent, body=b"{}"))

    assert {name: told["headers"].get(name) for name in sent} == sent


async def test_nothing_is_said_that_the_caller_did_not_say(mirrored: Deployment) -> None:
    """No Accept, no Accept-Encoding, no Content-Type of the vault's own."""
    told = seen(await proxy(mirrored))

    assert told["headers"].keys() <= {"host", "content-length", "authorization", "user-agent"}


async def test_what_the_connector_adds_gives_way_to_the_callers(vault: Deployment) -> None:
    """A header that every call of the service needs is there, unless the caller has sent its own."""
    account = await open_account(vault, "github", "issue-tracking")
    await account.connect()
    vault.network.requests.clear()
    own = {"x-github-api-version": "2030-01-01"}

    for headers in ({}, own):
        await proxy(vault, url="/nothing", headers={"x-apideck-service-id": "github", **headers})

    sent = [{name.lower(): value for name, value in r.headers.items()} for r in vault.network.requests]
    assert [headers["x-github-api-version"] for headers in sent] == ["2022-11-28", "2030-01-01"]


async def test_an_authorization_of_the_callers_own(mirrored: Deployment) -> None:
    """It takes the place of the connection's credential, which is not opened."""
    token = "Bearer of-the-callers-own"

    reply = await proxy(mirrored, headers={"x-apideck-downstream-authorization": token})

    assert (reply.status, reply.headers["x-apideck-downstream-error"]) == (401, "true")
    assert arrived(mirrored)[0].headers["authorization"] == token


async def test_a_key_replaces_the_callers_own(tmp_path: Path, vault: Deployment) -> None:
    """Of two credentials under one name the service would choose; the caller's goes. The vault's own key stays here."""
    account = await open_account(vault, "activecampaign", "crm")
    await account.fill_in()
    base = account.example.settings["base_url"].rstrip("/")
    called = len(vault.network.requests)

    await proxy(
        vault, url=f"{base}/api/3/users", headers={"x-apideck-service-id": "activecampaign", "api-token": "mine"}
    )

    (request,) = vault.network.requests[called:]
    assert [value for name, value in request.headers.items() if name.lower() == "api-token"] == [
        account.example.settings["api_key"]
    ]
    assert "authorization" not in {name.lower() for name in request.headers}
    assert vault.api_key not in str(request.headers)


@pytest.mark.parametrize("missing", ["x-apideck-service-id", "x-apideck-downstream-url", "x-apideck-consumer-id"])
async def test_what_is_missing_is_named(mirrored: Deployment, missing: str) -> None:
    """By its header."""
    reply = await proxy(mirrored, headers={missing: None})

    assert (reply.status, reply.body["detail"]) == (400, {"missing": [{missing: "required"}]})


@pytest.mark.parametrize("given", ["0", "-1", "a", "600001", "1.5"])
async def test_a_timeout_is_a_number_of_milliseconds(mirrored: Deployment, given: str) -> None:
    """Ten minutes at most."""
    assert (await proxy(mirrored, headers={"x-apideck-timeout": given})).status == 400


async def test_a_key_needs_the_scope(mirrored: Deployment) -> None:
    """One that reads connections does not call services, and one that makes sessions does not either."""
    for scopes in (["connections"], ["sessions"], ["credentials:read"]):
        reply = await proxy(mirrored, headers=await key_with(mirrored, scopes=scopes))
        assert (reply.status, reply.body["type_name"]) == (401, "UnauthorizedError")
    assert (await proxy(mirrored, headers=await key_with(mirrored, scopes=["proxy"]))).status == 200


@pytest.mark.parametrize(
    "bounds", [{"services": []}, {"services": ["crm+pipedrive"]}, {"consumers": ["user-2"]}, {"connections": []}]
)
async def test_a_bound_key_calls_within_its_bounds(mirrored: Deployment, bounds: dict[str, list[str]]) -> None:
    """A key that reaches other services, consumers or connections does not call this one."""
    reply = await proxy(mirrored, headers=await key_with(mirrored, scopes=["proxy"], bounds=bounds))

    assert (reply.status, arrived(mirrored)) == (401, [])


async def test_the_gate_stands_before_the_proxy(mirrored: Deployment) -> None:
    """A connection that is switched off, or another consumer's, is not used."""
    other = await proxy(mirrored, consumer="user-2")
    await mirrored.patch(ONE, json={"enabled": False})
    off = await proxy(mirrored)

    assert (other.status, off.status, arrived(mirrored)) == (422, 422, [])


@pytest.mark.parametrize(("service", "name"), [("nope", "Integration"), ("pipedrive", "Integration")])
async def test_a_service_that_is_not_set_up_is_not_called(mirrored: Deployment, service: str, name: str) -> None:
    """Whether the catalogue has it or not."""
    reply = await proxy(mirrored, headers={"x-apideck-service-id": service})

    assert (reply.status, reply.body["type_name"]) == (404, f"{name}NotFoundError")


async def test_the_unified_api_is_named_where_there_are_several(vault: Deployment) -> None:
    """The consumer's only connection of a service needs no name; of two, one is named."""
    first = await open_account(vault, "activecampaign", "crm")
    second = await open_account(vault, "activecampaign", "lead")
    await first.fill_in()
    base = first.example.settings["base_url"].rstrip("/")
    headers = {"x-apideck-service-id": "activecampaign"}

    alone = await proxy(vault, url=f"{base}/nothing", headers=headers)
    await second.fill_in()
    unnamed = await proxy(vault, url=f"{base}/nothing", headers=headers)
    named = await proxy(vault, url=f"{base}/nothing", headers={**headers, "x-apideck-unified-api": "lead"})

    assert (alone.status, unnamed.status, named.status) == (404, 400, 404)
    assert unnamed.body["detail"] == {"missing": [{"x-apideck-unified-api": "required"}]}


async def test_a_header_that_decides_comes_once(mirrored: Deployment) -> None:
    """Programs disagree about which of two counts."""
    from holdfast.testing.asgi import call
    from holdfast.testing.harness import PUBLIC_URL

    headers = [
        ("authorization", f"Bearer {mirrored.api_key}"), ("x-apideck-app-id", mirrored.application_id),
        ("x-apideck-consumer-id", mirrored.consumer), ("x-apideck-service-id", SERVICE),
        ("x-apideck-downstream-url", "/mirror"), ("x-apideck-downstream-url", "/users/me"),
    ]  # fmt: skip

    answer = await call(mirrored.app, "GET", f"{PUBLIC_URL}/proxy", headers)

    assert (answer.status, arrived(mirrored)) == (400, [])


async def test_a_host_that_settings_name_is_this_connections(tmp_path: Path, deploy: Any) -> None:
    """`https://{subdomain}.example.com` is one host, not every host below example.com."""
    write_manifests(tmp_path)
    async with deploy() as vault:
        await put_integration(vault, "issue-tracking", DESK)
        form = {"subdomain": "northwind", "email": "ada@northwind.example", "api_key": "k-7731-ff"}
        await vault.patch(f"/vault/connections/issue-tracking/{DESK}", json={"settings": form})
        headers = {"x-apideck-service-id": DESK}
        vault.network.requests.clear()

        other = await proxy(vault, url="https://southwind.acme-desk.example/api/v2/tickets", headers=headers)
        own = await proxy(vault, url="https://northwind.acme-desk.example/api/v2/tickets", headers=headers)

        assert (other.status, [r.url for r in vault.network.requests]) == (
            422, ["https://northwind.acme-desk.example/api/v2/tickets"],
        )  # fmt: skip
        assert own.status == 502
