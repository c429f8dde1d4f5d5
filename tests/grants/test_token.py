"""The token endpoint: what is sent, and what an answer means."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from driving import NOW, acme, answer, run, sent, setup

from holdfast.domain.credential import Client, OAuthToken, Secret
from holdfast.domain.exchange import Response
from holdfast.errors import (
    GrantDeferred,
    GrantMisconfigured,
    GrantRejected,
    OAuthCredentialsNotFoundError,
    ProviderError,
)
from holdfast.grants.lifetime import seconds_to_wait
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
    """A provider may refresh elsewhere, and may want the redirect URI and more again."""
    word = {"url": "https://auth.acme.example/refresh", "params": {"type": "refresh"}, "send_redirect_uri": True}

    _, (request,) = run(refresh(setup(acme(refresh=word)), OLD, redirect_uri=CALLBACK, now=NOW), answer(GRANTED))

    assert request.url == "https://auth.acme.example/refresh"
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


@pytest.mark.parametrize(("words", "expected"), [({}, None), ({"refresh": {"access_lifetime": 600}}, NOW + 600_000)])
@pytest.mark.parametrize("value", [-1, 0, "0", "never", float("inf"), float("nan"), "soon", True, {"a": 1}, [60], 1e12])
@pytest.mark.parametrize("refreshing", [False, True])
def test_a_lifetime_that_is_none_costs_no_token(
    value: Any, words: dict[str, Any], expected: int | None, refreshing: bool
) -> None:
    """A lifetime that is none is not known, at the first connection as at a refresh; the manifest's stands in."""
    connector = acme(**words)
    flow = refresh(setup(connector), OLD, redirect_uri=CALLBACK, now=NOW) if refreshing else exchange(connector)

    granted, _ = run(flow, answer({"access_token": "at-1", "expires_in": value}))

    assert (granted.token.access_token.reveal(), granted.token.expires_at) == ("at-1", expected)


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
    (answer([{"error": "invalid_grant"}], 400), GrantRejected),
    (answer({"error": {"code": "invalid_grant"}}, 400), GrantRejected),
    (answer({"code": "INVALID_GRANT"}, 400), GrantRejected),
    (Response(400, {"content-type": "text/plain"}, b"error=invalid_grant"), GrantRejected),
    (answer({"error": "invalid_client"}, 401), GrantMisconfigured),
    (answer({"error": "invalid_client"}, 200), GrantMisconfigured),
    (answer({"error": "unauthorized_client"}, 400), GrantMisconfigured),
    (answer({"error": "invalid_scope"}, 400), GrantMisconfigured),
    (answer({"status": "BAD_CLIENT_ID", "message": "missing or invalid client id"}, 400), GrantMisconfigured),
    (answer({"error": "invalidClientSecret"}, 400), GrantMisconfigured),
    (answer({"error": "client_not_found"}, 400), GrantMisconfigured),
    (answer({"access_token": "x", "token_type": "DPoP"}), GrantMisconfigured),
    (Response(400, {}, b""), GrantDeferred),
    (Response(401, {}, b""), GrantDeferred),
    (Response(403, {"content-type": "text/html"}, b"<html>error=invalid_grant</html>"), GrantDeferred),
    (Response(404, {}, b""), GrantDeferred),
    (Response(307, {"location": "https://evil.example"}, b""), GrantDeferred),
    (answer({"error": "Access Denied"}, 403), GrantDeferred),
    (answer({"error": "something_of_our_own"}, 400), GrantDeferred),
    (answer({"error": 40100}, 400), GrantDeferred),
    (answer({"error": "invalid_grant"}, 429), GrantDeferred),
    (answer({"error": "invalid_grant"}, 503), GrantDeferred),
    (answer({"error": "invalid_grant", "error_description": "request is already being processed"}, 400), GrantDeferred),
    (answer({"odd": 1}, 200), GrantDeferred),
    (answer({"error": "temporarily_unavailable"}, 400), GrantDeferred),
    (Response(500, {}, b""), GrantDeferred),
    (Response(503, {"retry-after": "7"}, b""), GrantDeferred),
    (Response(429, {"retry-after": "7"}, b""), GrantDeferred),
    (Response(200, {"content-type": "text/html"}, b"<html>welcome</html>"), GrantDeferred),
    (answer([]), GrantDeferred),
    (answer({"access_token": None}), GrantDeferred),
    (answer({"access_token": "a\nb"}), GrantDeferred),
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


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7),
        ("86400", 3600),
        ("0", 0),
        ("-5", 0),
        ("1.5", 2),
        ("120, 60", 120),
        ("Thu, 01 Jan 2026 00:10:00 GMT", 600),
        ("Thursday, 01-Jan-26 00:10:00 GMT", 600),
        ("Thu Jan  1 00:10:00 2026", 600),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0),
        ("Fri, 01 Jan 2027 00:00:00 GMT", 3600),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_an_hour_at_most(asked: str, seconds: int | None) -> None:
    """Both forms of RFC 9110 section 10.2.3 are understood, and no provider can ask for silence without end."""
    assert seconds_to_wait(Response(503, {"retry-after": asked}, b""), NOW) == seconds


def test_a_lost_answer_is_ambiguous() -> None:
    """After an answer that could not be read, the provider may have rotated the token."""
    with pytest.raises(GrantDeferred) as raised:
        run(exchange(), Response(500, {}, b""))

    assert raised.value.ambiguous


def test_the_manifest_may_know_better() -> None:
    """A provider's own error codes are mapped in its manifest."""
    with pytest.raises(GrantRejected):
        run(exchange(acme(errors={"token_revoked": "rejected"})), answer({"error": "token_revoked"}, 401))


@pytest.mark.parametrize(("code", "status"), [(40100, 200), ("40100", 400)])
def test_a_number_is_a_code_too(code: Any, status: int) -> None:
    """A provider that counts its errors has them mapped by their numbers; 0 is none."""
    token = {"url": "https://auth.acme.example/token", "response": {"error": {"path": "code"}}}
    connector = acme(token=token, errors={"40100": "rejected"})

    with pytest.raises(GrantRejected):
        run(exchange(connector), answer({"code": code}, status))
    assert run(exchange(connector), answer({**GRANTED, "code": 0}))[0].token.access_token.reveal() == "at-1"


def test_a_description_decides_where_the_code_does_not() -> None:
    """What a manifest says of a description counts more than the code, and works without one."""
    connector = acme(error_descriptions={"is locked": "deferred", "was revoked": "rejected"})

    with pytest.raises(GrantDeferred):
        run(exchange(connector), answer({"error": "invalid_grant", "error_description": "The grant IS LOCKED."}, 400))
    with pytest.raises(GrantRejected):
        run(exchange(connector), answer({"message": "Your token was revoked"}, 400))


NOTHING: list[Any] = ["", None, {}, [], False, 0, "0", "null", "ok", {"code": "ok", "message": "", "log_id": "2"}, [[]]]


@pytest.mark.parametrize("error", NOTHING)
def test_an_error_that_is_empty_is_none(error: Any) -> None:
    """An error member that tells nothing, in whatever shape, costs no token."""
    granted, _ = run(exchange(), answer({**GRANTED, "error": error}))

    assert granted.token.refresh_token.reveal() == "rt-1"


def test_a_token_beside_an_error_that_nobody_knows_is_kept() -> None:
    """The provider granted it; an error that is known, or that the manifest marks, is a failure all the same."""
    granted, _ = run(exchange(), answer({**GRANTED, "error": "deprecated_endpoint"}))
    assert granted.token.access_token.reveal() == "at-1"

    marked = {"url": "https://auth.acme.example/token", "response": {"error": {"path": "ok", "when": False}}}
    with pytest.raises(GrantDeferred):
        run(exchange(acme(token=marked)), answer({**GRANTED, "ok": False}))
    with pytest.raises(GrantRejected):
        run(exchange(), answer({**GRANTED, "error": "invalid_grant"}))


PLAIN = json.dumps(GRANTED)
NAMED = json.dumps({**GRANTED, "name": "Zoë"}, ensure_ascii=False)
BODIES: list[tuple[str, bytes]] = [
    (
        "application/json; charset=iso-8859-1",
        NAMED.encode("latin-1"),
    ),
    ("application/json", NAMED.encode("latin-1")),
    ("application/json", NAMED.encode()[:-3] + b'"}'),
    ("application/json; charset=nonsense", NAMED.encode("cp1252")),
    ("application/json", b"\xef\xbb\xbf" + PLAIN.encode()),
    ("application/json", PLAIN.encode("utf-16")),
    ("application/json", b"\r\n\r\n \xc2\xa0" + PLAIN.encode() + b"\r\n\0"),
    ("application/json", PLAIN.encode() + b"<!-- 0.02 s -->"),
    ("application/json", b"[" + PLAIN.encode() + b"]"),
    ("application/json", json.dumps(PLAIN).encode()),
    ("application/json", PLAIN.replace("}", ', "note": "a\tb", "huge": ' + "9" * 5000 + "}").encode()),
    ("text/javascript", PLAIN.encode()),
    ("application/x-www-form-urlencoded", PLAIN.encode()),
    ("text/html", b"access_token=at-1&refresh_token=rt-1&expires_in=3600&scope=a+b&token_type=Bearer"),
    ("text/plain", b"\nscope=a b&access_token=at-1&refresh_token=rt-1&expires_in=3600\n"),
    ("application/json", b"access_token=at-1&refresh_token=rt-1&expires_in=3600&scope=a%20b&error="),
    ("application/json", json.dumps({**GRANTED, "expires_in": "3600", "scope": ["a", "b"]}).encode()),
    ("application/json", json.dumps({**GRANTED, "access_token": " at-1\n"}).encode()),
]


@pytest.mark.parametrize(("label", "body"), BODIES)
def test_a_granted_token_is_read_from_any_body(label: str, body: bytes) -> None:
    """Label, charset, what stands around the answer and what stands beside the token cost no token."""
    granted, _ = run(exchange(), Response(200, {"content-type": label}, body))

    token = granted.token
    assert (token.access_token.reveal(), token.refresh_token.reveal()) == ("at-1", "rt-1")
    assert (token.expires_at, token.scope) == (NOW + 3_600_000, "a b")


def test_a_path_may_name_the_list() -> None:
    """A manifest may lead into the list itself, as it does elsewhere."""
    shape = {
        "access_token": "[0].access_token",
        "expires": {"path": "[0].expires_in"},
        "capture": {"shop": "[0].scope"},
    }
    token = {"url": "https://auth.acme.example/token", "response": shape}

    granted, _ = run(exchange(acme(token=token)), answer([GRANTED]))

    assert (granted.token.access_token.reveal(), granted.token.expires_at) == ("at-1", NOW + 3_600_000)
    assert granted.captured == {"shop": "a b"}


@pytest.mark.parametrize("body", [b"", b"welcome", b'{"expires_in": 60}'])
def test_a_token_may_come_in_a_header(body: bytes) -> None:
    """A provider that answers in headers is read there, without the scheme before the token."""
    shape = {"headers": {"access_token": "Authorization", "expires_in": "X-Lives"}}
    token = {"url": "https://auth.acme.example/token", "response": shape}
    headers = {"authorization": "Bearer at-7", "x-lives": "60"}

    granted, _ = run(exchange(acme(token=token)), Response(204, headers, body))

    assert (granted.token.access_token.reveal(), granted.token.expires_at) == ("at-7", NOW + 60_000)


def test_a_number_may_be_a_token() -> None:
    """A token that the provider sends as a number is that number's digits; nothing else than text and number is one."""
    assert run(exchange(), answer({"access_token": 4711}))[0].token.access_token.reveal() == "4711"
    for value in (True, 1.5, ["at"], {"a": 1}):
        with pytest.raises(GrantDeferred):
            run(exchange(), answer({"access_token": value}))


def test_a_refresh_lifetime_of_zero_is_no_end() -> None:
    """A refresh token that is said to live for 0 s never expires: what was known of the old one no longer holds."""
    token = {"url": "https://auth.acme.example/token", "response": {"refresh_expires": {"path": "refresh_expires_in"}}}
    flow = refresh(setup(acme(token=token)), OLD, redirect_uri=CALLBACK, now=NOW)

    granted, _ = run(flow, answer({**GRANTED, "refresh_expires_in": 0}))

    assert granted.token.refresh_expires_at is None


def test_a_client_may_show_itself_as_it_is() -> None:
    """A provider that does not decode HTTP Basic gets id and secret unencoded; one without a secret an empty one."""
    plain = run(exchange(acme(client={"auth": "basic_plain"})), answer(GRANTED))[1][0]
    assert base64.b64decode(plain.headers["Authorization"].removeprefix("Basic ")) == b"client:1:s3cret/+ %"

    word = {"auth": "basic", "has_secret": False}
    bare = replace(setup(acme(client=word)), client=Client("installed"))
    (request,) = run(exchange_code(bare, "c", redirect_uri=CALLBACK, verifier=None, now=NOW), answer(GRANTED))[1]
    assert base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")) == b"installed:"


def test_a_client_that_must_have_a_secret_sends_nothing_without() -> None:
    """Without the secret that the provider wants, no code is spent."""
    bare = replace(setup(acme(client={"auth": "basic"})), client=Client("installed"))

    with pytest.raises(OAuthCredentialsNotFoundError):
        run(exchange_code(bare, "c", redirect_uri=CALLBACK, verifier=None, now=NOW), answer(GRANTED))


def test_token_requests_carry_headers_of_the_manifest() -> None:
    """A gateway before the token endpoint gets its key, at a refresh too; a header without a value is left out."""
    headers = {"X-Api-Key": "{app.gateway}", "X-None": "{app.nothing}"}
    connector = acme(token={"url": "https://auth.acme.example/token", "headers": headers})
    known = setup(connector, app={"gateway": "gw"})

    (request,) = run(refresh(known, OLD, redirect_uri=CALLBACK, now=NOW), answer(GRANTED))[1]

    assert request.headers["X-Api-Key"] == "gw"
    assert "X-None" not in request.headers
    assert request.headers["Accept"] == "application/json"


@pytest.mark.parametrize("grant", [client_credentials, password])
@pytest.mark.parametrize(("scopes", "expected"), [(("only.this",), "only.this"), ((), None), (None, "read")])
def test_grants_without_a_browser_ask_for_the_same_scopes(
    grant: Any, scopes: tuple[str, ...] | None, expected: str | None
) -> None:
    """They ask for what an authorization would ask for, which is the integration's choice."""
    known = replace(setup(acme(scopes={"default": ["read"]})), scopes=scopes)

    (request,) = run(grant(known, NOW), answer(GRANTED))[1]

    assert sent(request).get("scope") == expected


def test_a_refresh_names_its_scopes_where_it_must() -> None:
    """Some providers give only what is asked for again."""
    known = replace(setup(acme(refresh={"send_scopes": True})), scopes=("read", "offline"))

    (request,) = run(refresh(known, OLD, redirect_uri=CALLBACK, now=NOW), answer(GRANTED))[1]

    assert sent(request)["scope"] == "read offline"
    silent = replace(setup(), scopes=("read",))
    assert "scope" not in sent(run(refresh(silent, OLD, redirect_uri=CALLBACK, now=NOW), answer(GRANTED))[1][0])


@pytest.mark.parametrize("code", ["x" * 65, "a\r\nb", "é"])
def test_a_hostile_error_code_is_not_repeated(code: str) -> None:
    """What a provider calls its error is shown only if it is a short printable word."""
    with pytest.raises(ProviderError) as raised:
        run(exchange(), answer({"error": code}, 400))

    assert code not in str(raised.value.detail)


# What Entra ID issues: {"alg":"RS256","typ":"JWT"}, {"iss":"https://sts.windows.net/","exp":1767229200}.
JWT = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL3N0cy53aW5kb3dzLm5ldC8iLCJleHAiOjE3NjcyMjkyMDB9.c2ln"


@pytest.mark.parametrize(
    ("answered", "manifest", "lives"),
    [
        ({"expires_in": 60}, {}, 60),
        ({}, {}, 3600),
        ({"expires_in": "never"}, {}, 3600),
        ({}, {"refresh": {"access_lifetime": 600}}, 3600),
        ({}, {"token": {"url": "https://auth.acme.example/token", "response": {"expires": None}}}, None),
    ],
)
def test_a_lifetime_that_is_told_nowhere_else_is_the_tokens_own(
    answered: dict[str, Any], manifest: dict[str, Any], lives: int | None
) -> None:
    """The answer knows best; a token that says when it ends knows better than the manifest, unless that says never."""
    granted, _ = run(exchange(acme(**manifest)), answer({"access_token": JWT, **answered}))

    assert granted.token.expires_at == (lives and NOW + lives * 1000)


def test_using_a_refresh_token_begins_its_idle_time_anew() -> None:
    """Also where the provider does not replace it, and says nothing of it."""
    connector = acme(refresh={"idle_lifetime": 86_400})

    granted, _ = run(refresh(setup(connector), OLD, redirect_uri=CALLBACK, now=NOW), answer({"access_token": "at-1"}))

    assert (granted.token.refresh_token, granted.token.refresh_expires_at) == (OLD.refresh_token, NOW + 86_400_000)
