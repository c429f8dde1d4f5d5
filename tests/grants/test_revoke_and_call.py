"""Ending a grant, and calling the service with it."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from driving import NOW, acme, answer, run, sent, setup

from holdfast.domain.credential import OAuthToken, Secret
from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.manifest.oauth import Revoke
from holdfast.errors import ConnectionSettingsError, GrantDeferred, GrantRejected
from holdfast.grants.call import DEAD_TOKEN, after_connect, place, verify
from holdfast.grants.listing import choices, custom_fields
from holdfast.grants.revoke import Ending, needs_refresh, revoke

TOKEN = OAuthToken(Secret("at-1"), Secret("rt-1"))
REVOKE = "https://auth.acme.example/revoke"
OK = Response(200, {}, b"")


def with_words(**words: Any) -> Connector:
    manifest = json.loads(msgspec.json.encode(acme()))
    return msgspec.convert({**manifest, **words}, Connector)


def test_both_tokens_are_revoked() -> None:
    """The refresh token and then the access token are sent with their hints, authenticated as the client."""
    accepted, requests = run(revoke(setup(acme(revoke={"url": REVOKE})), TOKEN, now=NOW), OK, OK)

    assert accepted == Ending("revoked")
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

    _, (request,) = run(revoke(setup(acme(revoke=word)), OAuthToken(None, Secret("a/b")), now=NOW), OK)

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

    _, (request,) = run(revoke(setup(acme(revoke=word)), TOKEN, now=NOW), OK)

    assert json.loads(request.body or b"") == {"access_token": "at-1"}
    assert request.headers["Authorization"].startswith("Basic ")


def test_a_call_with_the_credential_itself() -> None:
    """A provider may end the grant of whoever calls."""
    word = {"url": "https://api.acme.example/logout", "auth": "credential", "body": "none", "tokens": ["access_token"]}

    _, (request,) = run(revoke(setup(acme(revoke=word)), TOKEN, now=NOW), OK)

    assert request.headers["Authorization"] == "Bearer at-1"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_provider_that_cannot_answer_is_asked_again(status: int) -> None:
    """No answer is no refusal."""
    with pytest.raises(GrantDeferred):
        run(revoke(setup(acme(revoke={"url": REVOKE})), TOKEN, now=NOW), Response(status, {}, b""))


def test_a_refusal_is_told() -> None:
    """A provider that refuses one of the tokens has not ended the grant."""
    refused, _ = run(revoke(setup(acme(revoke={"url": REVOKE})), TOKEN, now=NOW), Response(400, {}, b""), OK)

    assert refused == Ending("refused")


HTML = {"content-type": "text/html"}
UNSUPPORTED = answer({"error": "unsupported_token_type"}, 400)
ENDINGS: list[tuple[dict[str, Any], Response, Ending]] = [
    ({}, answer({"error": "invalid_token"}, 400), Ending("gone", "invalid_token")),
    ({}, Response(404, {}, b""), Ending("refused")),
    ({"gone": [404]}, Response(404, {}, b""), Ending("gone")),
    ({"method": "DELETE", "body": "none"}, Response(404, {}, b""), Ending("gone")),
    ({}, answer({"ok": False, "error": "no_permission"}), Ending("refused", "no_permission")),
    ({}, answer({"error": {"code": "ok"}}), Ending("revoked")),
    ({}, answer({"error": "invalid_client"}, 401), Ending("refused", "invalid_client")),
    ({"auth": "credential"}, answer({"error": "invalid_token"}, 401), Ending("refused", "invalid_token")),
]


@pytest.mark.parametrize(("word", "response", "expected"), ENDINGS)
def test_the_evidence_of_a_revocation_is_true(word: dict[str, Any], response: Response, expected: Ending) -> None:
    """What the body says counts; a token that is unknown has ended; one that merely could not speak for itself has
    not."""
    connector = acme(revoke={"url": REVOKE, "tokens": ["refresh_token"], **word})

    assert run(revoke(setup(connector), TOKEN, now=NOW), response)[0] == expected


def test_an_error_in_a_good_answer_is_read_as_the_manifest_says() -> None:
    """A provider that answers 200 to everything has its failures marked in the token answer, and here as well."""
    shape = {"response": {"error": {"path": "ok", "when": False}}}
    token = {"url": "https://auth.acme.example/token", **shape}
    connector = acme(token=token, revoke={"url": REVOKE, "tokens": ["access_token"]}, errors={"busy": "deferred"})

    refused, _ = run(revoke(setup(connector), TOKEN, now=NOW), answer({"ok": False, "error": "token_expired"}))
    assert refused == Ending("refused", "token_expired")
    assert run(revoke(setup(connector), TOKEN, now=NOW), answer({"ok": True}))[0] == Ending("revoked")
    with pytest.raises(GrantDeferred):
        run(revoke(setup(connector), TOKEN, now=NOW), answer({"ok": False, "error": "busy"}))


def test_a_firewall_has_ended_nothing_and_refused_nothing() -> None:
    """A page in place of an answer is asked again, after the time that was asked for."""
    page = Response(403, {**HTML, "retry-after": "90000"}, b"<html>Attention</html>")

    with pytest.raises(GrantDeferred) as raised:
        run(revoke(setup(acme(revoke={"url": REVOKE})), TOKEN, now=NOW), page)

    assert raised.value.retry_after == 3600


@pytest.mark.parametrize(
    ("tokens", "answers", "expected"),
    [
        (["access_token", "refresh_token"], (UNSUPPORTED, OK), "revoked"),
        (["refresh_token", "access_token"], (OK, UNSUPPORTED), "revoked"),
        (["refresh_token", "access_token"], (OK, answer({"error": "invalid_token"}, 401)), "revoked"),
        (["refresh_token", "access_token"], (OK, Response(401, {}, b"")), "revoked"),
        (["refresh_token", "access_token"], (UNSUPPORTED, UNSUPPORTED), "refused"),
        (["refresh_token", "access_token"], (Response(401, {}, b""), OK), "refused"),
    ],
)
def test_both_tokens_are_presented_whatever_became_of_the_first(
    tokens: list[str], answers: tuple[Response, ...], expected: str
) -> None:
    """A second token that went with the first has ended; one that stays although it was refused has not."""
    ending, requests = run(revoke(setup(acme(revoke={"url": REVOKE, "tokens": tokens})), TOKEN, now=NOW), *answers)

    assert (ending.outcome, len(requests)) == (expected, 2)


def test_a_revocation_carries_headers_of_the_manifest() -> None:
    """A gateway may stand before this endpoint too."""
    for auth in ("client", "client_basic", "credential", "none"):
        word = {"url": REVOKE, "auth": auth, "headers": {"X-Api-Key": "{app.gateway}"}, "tokens": ["access_token"]}

        _, (request,) = run(revoke(setup(acme(revoke=word), app={"gateway": "gw"}), TOKEN, now=NOW), OK)

        assert request.headers["X-Api-Key"] == "gw"


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


@pytest.mark.parametrize(
    ("words", "response", "dead"),
    [
        ({}, Response(401, {}, b""), True),
        ({}, Response(403, {}, b"Bad_OAuth_Token"), True),
        ({}, answer({"message": "The access token has expired"}, 403), True),
        ({}, Response(403, {"www-authenticate": 'Bearer error="invalid_token"'}, b""), True),
        ({}, answer({"message": "You may not see this"}, 403), False),
        ({"statuses": [401, 419]}, Response(419, {}, b""), True),
        ({"path": "error", "codes": ["token_expired"]}, answer({"ok": False, "error": "token_expired"}), True),
        ({"path": "error", "codes": ["token_expired"]}, answer({"ok": False, "error": "not_found"}, 403), False),
    ],
)
def test_a_service_says_that_the_token_is_dead(words: dict[str, Any], response: Response, dead: bool) -> None:
    """By its status, by words beside a 403, or by a code in an answer of any status."""
    request = {"base_url": "https://api.acme.example/v1", "auth": [{"value": "Bearer x"}], "expired": words}
    connector = with_words(custom_fields={"*": {**FIELDS["*"], "request": {"path": "/f"}}}, request=request)

    with pytest.raises(GrantRejected) as raised:
        run(custom_fields(setup(connector), connector.custom_fields["*"], "leads"), response)

    assert (raised.value.code == DEAD_TOKEN) is dead


def test_a_good_answer_may_speak_of_dead_tokens() -> None:
    """Words beside another status than 403 are the service's data, not a verdict on the credential."""
    connector = with_words(custom_fields={"*": {**FIELDS["*"], "request": {"path": "/f"}}})
    word = connector.custom_fields["*"]
    field = {"key": "k", "label": "Token expired", "edit_flag": True}

    found, _ = run(custom_fields(setup(connector), word, "leads"), answer({"data": [field]}))

    assert [f.name for f in found] == ["Token expired"]


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


ITS_TOKEN = "https://api.acme.example/tokens/{cred.token}"


@pytest.mark.parametrize(
    ("word", "needed"),
    [
        (Revoke(url=REVOKE, auth="credential"), True),
        (Revoke(url=REVOKE, tokens=("access_token",)), True),
        (Revoke(url=ITS_TOKEN, tokens=("access_token",), params={}), True),
        (Revoke(url=REVOKE, tokens=("access_token",), params={"account": "{settings.account}"}), False),
        (Revoke(url=REVOKE), False),
    ],
)
@pytest.mark.parametrize(
    ("expires_at", "refresh_token", "expired"),
    [(NOW, "rt", True), (NOW + 1, "rt", False), (None, "rt", False), (NOW, None, False)],
)
def test_a_revocation_that_rests_on_an_expired_token_needs_another_one(
    word: Revoke, needed: bool, expires_at: int | None, refresh_token: str | None, expired: bool
) -> None:
    """Where the token authenticates the request, or is all that it names the grant by, and one is to be had."""
    token = OAuthToken(Secret("at"), Secret(refresh_token) if refresh_token else None, expires_at=expires_at)

    assert needs_refresh(word, token, NOW) == (needed and expired)
