"""Ending a grant, and calling the service with it."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from driving import acme, answer, run, sent, setup

from holdfast.domain.credential import OAuthToken, Secret
from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest.connector import Connector
from holdfast.errors import ConnectionSettingsError, GrantDeferred, GrantRejected
from holdfast.grants.call import after_connect, choices, custom_fields, place, verify
from holdfast.grants.revoke import Ended, revoke

TOKEN = OAuthToken(Secret("at-1"), Secret("rt-1"))
REVOKE = "https://auth.acme.example/revoke"
OK = Response(200, {}, b"")


def with_words(**words: Any) -> Connector:
    manifest = json.loads(msgspec.json.encode(acme()))
    return msgspec.convert({**manifest, **words}, Connector)


def test_both_tokens_are_revoked() -> None:
    """The refresh token and then the access token are sent with their hints, authenticated as the client."""
    ended, requests = run(revoke(setup(acme(revoke={"url": REVOKE})), TOKEN), OK, OK)

    assert ended == Ended(accepted=True, status=200)
    assert [(sent(r)["token"], sent(r)["token_type_hint"]) for r in requests] == [
        ("rt-1", "refresh_token"),
        ("at-1", "access_token"),
    ]
    assert sent(requests[0])["client_id"] == "client:1"


def test_a_token_in_the_path_and_a_delete() -> None:
    """A provider may end a grant by deleting its token's own address; the token is encoded there."""
    word = {
        "url": "https://api.acme.example/tokens/{cred.refresh_token}",
        "method": "DELETE",
        "auth": "none",
        "body": "none",
        "tokens": ["refresh_token"],
    }

    _, (request,) = run(revoke(setup(acme(revoke=word)), OAuthToken(None, Secret("a/b"))), OK)

    assert (request.method, request.url, request.body) == ("DELETE", "https://api.acme.example/tokens/a%2Fb", None)


def test_client_credentials_and_a_json_body() -> None:
    """A provider may want the client's Basic credentials and JSON."""
    word = {
        "url": "https://api.acme.example/grant",
        "method": "DELETE",
        "auth": "client_basic",
        "body": "json",
        "params": {"access_token": "{cred.access_token}"},
        "tokens": ["access_token"],
    }

    _, (request,) = run(revoke(setup(acme(revoke=word)), TOKEN), OK)

    assert json.loads(request.body or b"") == {"access_token": "at-1"}
    assert request.headers["Authorization"].startswith("Basic ")


def test_a_call_with_the_credential_itself() -> None:
    """A provider may end the grant of whoever calls."""
    word = {"url": "https://api.acme.example/logout", "auth": "credential", "body": "none", "tokens": ["access_token"]}

    _, (request,) = run(revoke(setup(acme(revoke=word)), TOKEN), OK)

    assert request.headers["Authorization"] == "Bearer at-1"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_provider_that_cannot_answer_is_asked_again(status: int) -> None:
    """No answer is no refusal."""
    with pytest.raises(GrantDeferred):
        run(revoke(setup(acme(revoke={"url": REVOKE})), TOKEN), Response(status, {}, b""))


def test_a_refusal_is_told() -> None:
    """A provider that refuses one of the tokens has not ended the grant."""
    refused, _ = run(revoke(setup(acme(revoke={"url": REVOKE})), TOKEN), Response(400, {}, b""), OK)

    assert refused == Ended(accepted=False, status=400)


def test_a_credential_goes_only_to_the_hosts_of_the_service() -> None:
    """The credential is not put on a request to any other host."""
    with pytest.raises(ConnectionSettingsError):
        place(setup(cred={"access_token": "at-1"}), Request("GET", "https://acme.example.evil.com/"))


def test_placements() -> None:
    """Headers, query and Basic, with constants and without what resolves to empty."""
    request = {
        "base_url": "https://api.acme.example",
        "auth": [
            {"name": "X-Key", "value": "{api_key}"},
            {"name": "X-Org", "value": "{org}"},
            {"in": "query", "name": "k", "value": "{api_key}"},
            {"in": "basic", "value": "{api_key}:x"},
        ],
    }
    known = setup(with_words(request=request), settings={"api_key": "a&b"})

    placed = place(known, Request("GET", "https://api.acme.example/me?x=1"))

    assert placed.headers["X-Key"] == "a&b"
    assert "X-Org" not in placed.headers
    assert placed.url == "https://api.acme.example/me?x=1&k=a%26b"
    assert base64.b64decode(placed.headers["Authorization"].removeprefix("Basic ")) == b"a&b:x"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer({"ok": True}), "ok"),
        (answer({"ok": False}), "invalid"),
        (Response(401, {}, b""), "invalid"),
        (Response(500, {}, b""), "unknown"),
        (Response(429, {}, b""), "unknown"),
    ],
)
def test_verification_tells_invalid_from_unknown(response: Response, expected: str) -> None:
    """Only what the service says of the credentials makes them invalid."""
    connector = with_words(verify={"request": {"path": "/me"}, "body": {"path": "$.ok", "equals": True}})

    assert expected == run(verify(setup(connector)), response)[0]


FIELDS = {
    "*": {
        "request": {"path": "/fields/{resource.module}"},
        "items": "$.data",
        "map": {"id": "key", "name": "label", "custom": "edit_flag"},
    }
}


def test_custom_fields_are_found_and_named() -> None:
    """The fields of the account are told with a finder; the service's own are left out, quotes are escaped."""
    connector = with_words(custom_fields=FIELDS, resources={"leads": {"module": "Leads"}})
    items = [
        {"key": "it's", "label": "Source", "edit_flag": True},
        {"key": "title", "edit_flag": False},
        {"x": 1},
        "odd",
    ]
    word = connector.fields_of("leads")
    assert word

    found, (request,) = run(custom_fields(setup(connector), word, "leads"), answer({"data": items}))

    assert request.url == "https://api.acme.example/v1/fields/Leads"
    assert [(f.id, f.name, f.finder) for f in found] == [("it's", "Source", "$['it\\'s']")]


@pytest.mark.parametrize(
    ("status", "error"), [(401, GrantRejected), (403, GrantRejected), (500, GrantDeferred), (302, GrantDeferred)]
)
def test_a_call_that_fails_says_how(status: int, error: type[Exception]) -> None:
    """A refused credential and a service that is away are told apart."""
    connector = with_words(custom_fields=FIELDS, resources={"leads": {"module": "Leads"}})
    word = connector.fields_of("leads")
    assert word

    with pytest.raises(error):
        run(custom_fields(setup(connector), word, "leads"), Response(status, {}, b"{}"))


def test_calls_after_connecting_build_on_each_other() -> None:
    """What one call found, the next one can use."""
    steps = [
        {"request": {"path": "/me"}, "capture": {"company_id": "$.company.id"}},
        {"request": {"path": "/companies/{company_id}"}, "capture": {"plan": "$.plan"}},
    ]
    settings = [{"id": id, "label": id, "filled_by": "after_connect"} for id in ("company_id", "plan")]
    connector = with_words(after_connect=steps, settings=settings)

    found, requests = run(after_connect(setup(connector)), answer({"company": {"id": 7}}), answer({"plan": "pro"}))

    assert found == {"company_id": "7", "plan": "pro"}
    assert requests[1].url == "https://api.acme.example/v1/companies/7"


def test_choices_come_from_the_account() -> None:
    """A select that is picked after connecting is filled with what the account has."""
    tenant = {
        "id": "tenant_id",
        "label": "Organisation",
        "type": "select",
        "options_from": {"request": {"path": "/connections"}, "items": "$", "value": "tenantId", "label": "tenantName"},
    }

    found, _ = run(
        choices(setup(with_words(settings=[tenant]))),
        answer([{"tenantId": "t1", "tenantName": "Demo Company"}, {"tenantId": "t2"}, {}]),
    )

    assert [(o.label, o.value) for o in found["tenant_id"]] == [("Demo Company", "t1"), ("t2", "t2")]


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_the_credential_takes_the_place_of_a_header_of_its_name(name: str) -> None:
    """However a caller writes it, no second credential travels beside the connection's own."""
    request = Request("GET", "https://api.acme.example/v1/leads", {name: "Bearer caller's", "X-Trace": "7"})

    placed = place(setup(cred={"access_token": "at-1"}), request)

    assert dict(placed.headers) == {"X-Trace": "7", "Authorization": "Bearer at-1"}
