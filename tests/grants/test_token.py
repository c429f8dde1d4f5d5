"""The token endpoint: what is sent, and what an answer means."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from driving import NOW, acme, answer, run, sent, setup

from holdfast.domain.credential import OAuthToken, Secret
from holdfast.domain.exchange import Response
from holdfast.errors import GrantDeferred, GrantMisconfigured, GrantRejected, ProviderError
from holdfast.grants.token import client_credentials, exchange_code, password, refresh

CALLBACK = "https://vault.example.com/vault/callback"
GRANTED = {"access_token": "at-1", "refresh_token": "rt-1", "expires_in": 3600, "token_type": "Bearer", "scope": "a b"}
OLD = OAuthToken(Secret("at-0"), Secret("rt-0"), refresh_expires_at=NOW + 5)


def exchange(connector: Any = None, **more: Any) -> Any:
    return exchange_code(setup(connector), "code-1", redirect_uri=CALLBACK, verifier="v" * 43, now=NOW, **more)


def test_a_code_is_redeemed_with_its_verifier_and_redirect_uri() -> None:
    """The request holds the grant's members in a form body, authenticated in the body by default."""
    granted, (request,) = run(exchange(), answer(GRANTED))

    assert request.url == "https://auth.acme.example/token"
    assert sent(request) == {
        "grant_type": "authorization_code",
        "code": "code-1",
        "redirect_uri": CALLBACK,
        "code_verifier": "v" * 43,
        "client_id": "client:1",
        "client_secret": "s3cret/+ %",
    }
    assert (granted.token.access_token.reveal(), granted.token.expires_at) == ("at-1", NOW + 3_600_000)


def test_basic_credentials_are_form_encoded_first() -> None:
    """Client id and secret are form-encoded before they are joined, so a colon in the id does not split it."""
    _, (request,) = run(exchange(acme(client={"auth": "basic"})), answer(GRANTED))

    pair = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
    assert pair == "client%3A1:s3cret%2F%2B+%25"
    assert "client_secret" not in sent(request)


@pytest.mark.parametrize(("body", "place"), [("json", "body"), ("query", "url")])
def test_members_go_where_the_manifest_says(body: str, place: str) -> None:
    """A provider that wants JSON or a query gets it."""
    token = {"url": "https://auth.acme.example/token", "body": body, "params": {"expiring": "1"}}

    _, (request,) = run(exchange(acme(token=token)), answer(GRANTED))

    if place == "body":
        assert (json.loads(request.body or b"")["code"], json.loads(request.body or b"")["expiring"]) == ("code-1", "1")
    else:
        assert "code=code-1" in request.url
        assert request.body is None


def test_a_public_client_sends_no_secret() -> None:
    """A client that authenticates with nothing still says who it is."""
    _, (request,) = run(exchange(acme(client={"auth": "none"})), answer(GRANTED))

    assert sent(request)["client_id"] == "client:1"
    assert "client_secret" not in sent(request)


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        (client_credentials, {"grant_type": "client_credentials", "scope": "read"}),
        (password, {"grant_type": "password", "scope": "read", "username": "ann", "password": "pw"}),
    ],
)
def test_grants_without_a_browser(grant: Any, expected: dict[str, str]) -> None:
    """Client credentials and password grants send their own members and the default scopes."""
    connector = acme(scopes={"default": ["read"]})

    _, (request,) = run(grant(setup(connector, settings={"username": "ann", "password": "pw"}), NOW), answer(GRANTED))

    assert expected.items() <= sent(request).items()


def test_a_refresh_keeps_what_does_not_come_back() -> None:
    """An answer without a refresh token, or with an empty one, leaves the old one in force."""
    for missing in ({}, {"refresh_token": None}, {"refresh_token": ""}):
        members = {"access_token": "at-1", "expires_in": 60, **missing}
        granted, (request,) = run(refresh(setup(), OLD, redirect_uri=CALLBACK, now=NOW), answer(members))

        assert sent(request)["refresh_token"] == "rt-0"
        assert granted.token.refresh_token.reveal() == "rt-0"


def test_a_rotated_refresh_token_replaces_the_old_one() -> None:
    """A refresh token that comes back is the one to use from now on."""
    granted, _ = run(refresh(setup(), OLD, redirect_uri=CALLBACK, now=NOW), answer(GRANTED))

    assert granted.token.refresh_token.reveal() == "rt-1"


def test_a_refresh_has_its_own_url_and_parameters() -> None:
    """A provider may renew elsewhere, and may want the redirect URI and more again."""
    word = {"url": "https://auth.acme.example/renew", "params": {"type": "refresh"}, "send_redirect_uri": True}

    _, (request,) = run(refresh(setup(acme(refresh=word)), OLD, redirect_uri=CALLBACK, now=NOW), answer(GRANTED))

    assert request.url == "https://auth.acme.example/renew"
    assert (sent(request)["type"], sent(request)["redirect_uri"]) == ("refresh", CALLBACK)


EXPIRIES: list[tuple[dict[str, Any], dict[str, Any], int | None]] = [
    ({}, {"expires_in": 60}, NOW + 60_000),
    ({}, {"expires_in": "60"}, NOW + 60_000),
    ({}, {"expires_in": 59.5}, NOW + 59_500),
    ({}, {}, None),
    ({"refresh": {"access_lifetime": 1800}}, {}, NOW + 1_800_000),
    ({"answer": {"expires": None}}, {"expires_in": 60}, None),
    (
        {"answer": {"expires": {"path": "expires_at", "as": "iso"}}},
        {"expires_at": "2026-01-01T01:00:00Z"},
        NOW + 3_600_000,
    ),
    ({"answer": {"expires": {"path": "exp", "as": "epoch_s"}}}, {"exp": NOW // 1000 + 60}, NOW + 60_000),
    ({"answer": {"expires": {"path": "exp", "as": "epoch_ms"}}}, {"exp": NOW + 60_000}, NOW + 60_000),
    ({"answer": {"expires": {"path": "exp", "as": "epoch_s"}}}, {"exp": 1e308}, None),
    ({"answer": {"expires": {"path": "exp", "as": "epoch_ms"}}}, {"exp": 1e308}, None),
]


@pytest.mark.parametrize(("words", "members", "expected"), EXPIRIES)
def test_every_form_of_expiry_is_read(words: dict[str, Any], members: dict[str, Any], expected: int | None) -> None:
    """A lifetime, a time, the manifest's own figure, or nothing: each gives the expiry it means."""
    token = {"url": "https://auth.acme.example/token", "response": words.pop("answer", {})}

    granted, _ = run(exchange(acme(token=token, **words)), answer({"access_token": "at-1", **members}))

    assert expected == granted.token.expires_at


@pytest.mark.parametrize("value", [-1, float("inf"), "soon", True, {"a": 1}, [60]])
def test_a_lifetime_that_is_none_is_refused(value: Any) -> None:
    """A lifetime that is not a number of seconds makes the answer unusable; nothing is guessed."""
    body = json.dumps({"access_token": "at-1", "expires_in": value}).encode()

    with pytest.raises(GrantDeferred):
        run(exchange(), Response(200, {"content-type": "application/json"}, body))


def test_values_are_captured_and_nested_members_found() -> None:
    """The manifest says where the token and the settings stand in the answer."""
    response = {"access_token": "data.token", "capture": {"shop": "data.domain"}}
    token = {"url": "https://auth.acme.example/token", "response": response}

    granted, _ = run(exchange(acme(token=token)), answer({"data": {"token": "at-9", "domain": "south"}}))

    assert (granted.token.access_token.reveal(), granted.captured) == ("at-9", {"shop": "south"})


def test_a_form_encoded_answer_is_read() -> None:
    """Some endpoints answer with a form."""
    body = Response(200, {"content-type": "application/x-www-form-urlencoded"}, b"access_token=at-1&scope=repo")

    granted, _ = run(exchange(), body)

    assert granted.token.access_token.reveal() == "at-1"


OUTCOMES: list[tuple[Response, type[ProviderError]]] = [
    (answer({"error": "invalid_grant"}, 400), GrantRejected),
    (answer({"error": "invalid_grant"}, 200), GrantRejected),
    (answer({"error": "access_denied"}, 403), GrantRejected),
    (Response(400, {}, b""), GrantRejected),
    (Response(403, {}, b"<html>"), GrantRejected),
    (answer({"error": "invalid_client"}, 401), GrantMisconfigured),
    (answer({"error": "invalid_client"}, 200), GrantMisconfigured),
    (answer({"error": "unauthorized_client"}, 400), GrantMisconfigured),
    (answer({"error": "invalid_scope"}, 400), GrantMisconfigured),
    (Response(401, {}, b""), GrantMisconfigured),
    (Response(404, {}, b""), GrantMisconfigured),
    (Response(307, {"location": "https://evil.example"}, b""), GrantMisconfigured),
    (answer({"access_token": "x", "token_type": "DPoP"}), GrantMisconfigured),
    (answer({"error": "temporarily_unavailable"}, 400), GrantDeferred),
    (Response(500, {}, b""), GrantDeferred),
    (Response(503, {"retry-after": "7"}, b""), GrantDeferred),
    (Response(429, {"retry-after": "7"}, b""), GrantDeferred),
    (Response(200, {"content-type": "text/html"}, b"<html>welcome</html>"), GrantDeferred),
    (answer([]), GrantDeferred),
    (answer({"access_token": None}), GrantDeferred),
    (answer({"access_token": "a\nb"}), GrantDeferred),
    (Response(200, {}, b'{"access_token":"x","expires_in":NaN}'), GrantDeferred),
]


@pytest.mark.parametrize(("response", "expected"), OUTCOMES, ids=lambda v: getattr(v, "__name__", repr(v)))
def test_a_failure_says_who_must_act(response: Response, expected: type[ProviderError]) -> None:
    """A refusal of the grant, a refusal of the client and no answer are three different things."""
    with pytest.raises(expected):
        run(exchange(), response)


def test_the_wait_that_a_provider_asks_for_is_kept() -> None:
    """Retry-After of a busy provider comes with the error."""
    with pytest.raises(GrantDeferred) as raised:
        run(exchange(), Response(429, {"retry-after": "7"}, b""))

    assert (raised.value.retry_after, raised.value.ambiguous) == (7, False)


def test_a_lost_answer_is_ambiguous() -> None:
    """After an answer that could not be read, the provider may have rotated the token."""
    with pytest.raises(GrantDeferred) as raised:
        run(exchange(), Response(500, {}, b""))

    assert raised.value.ambiguous


def test_the_manifest_may_know_better() -> None:
    """A provider's own error codes are mapped in its manifest."""
    with pytest.raises(GrantRejected):
        run(exchange(acme(errors={"token_revoked": "rejected"})), answer({"error": "token_revoked"}, 401))


@pytest.mark.parametrize("code", ["x" * 65, "a\r\nb", "é"])
def test_a_hostile_error_code_is_not_repeated(code: str) -> None:
    """What a provider calls its error is shown only if it is a short printable word."""
    with pytest.raises(ProviderError) as raised:
        run(exchange(), answer({"error": code}, 400))

    assert code not in str(raised.value.detail)
