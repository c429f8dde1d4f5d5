"""The authorization URL and what a callback brings."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from driving import acme, setup

from holdfast.errors import (
    ConnectionSettingsError,
    GrantDeferred,
    GrantMisconfigured,
    GrantRejected,
    OAuthInvalidStateError,
    RequestValidationError,
)
from holdfast.grants.authorize import authorization_url, challenge, manifest_scopes, new_verifier, read_callback

AUTHORIZE = "https://auth.acme.example/authorize"


def url(connector: Any = None, verifier: str | None = None, scopes: tuple[str, ...] = (), **values: Any) -> str:
    return authorization_url(
        setup(connector, **values),
        redirect_uri="https://v.example/cb?x=1&y",
        state="st",
        scopes=scopes,
        verifier=verifier,
    )


def query(of: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(of).query)


def test_the_url_carries_the_request() -> None:
    """Response type, client, redirect URI, scopes, state and the S256 challenge stand in the query, each once."""
    verifier = new_verifier(bytes(range(32)))

    found = query(url(verifier=verifier, scopes=("leads:read", "leads:write")))

    assert {
        "response_type": ["code"],
        "client_id": ["client:1"],
        "redirect_uri": ["https://v.example/cb?x=1&y"],
        "scope": ["leads:read leads:write"],
        "state": ["st"],
        "code_challenge": [challenge(verifier)],
        "code_challenge_method": ["S256"],
    } == found


def test_the_challenge_is_that_of_the_specification() -> None:
    """The example of RFC 7636 appendix B holds."""
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_verifier_holds_all_the_randomness_that_it_is_given() -> None:
    """256 bits become 43 characters, and other bits others; fewer bits are refused."""
    found = {new_verifier(bytes([n] * 31 + [m])) for n in range(32) for m in range(32)}

    assert len(found) == 1024
    assert {43} == {len(v) for v in found}
    with pytest.raises(AssertionError):
        new_verifier(b"short")


def test_parameters_are_added_renamed_and_left_out() -> None:
    """A manifest may add fixed parameters, rename standard ones, leave some out and join scopes its own way."""
    words = {
        "authorize": {
            "url": AUTHORIZE,
            "params": {"access_type": "offline"},
            "rename": {"client_id": "clientId"},
            "omit": ["response_type"],
        },
        "scopes": {"param": "user_scope", "separator": ",", "extra": {"optional_scope": "x"}},
    }

    found = query(url(acme(**words), scopes=("a", "b")))

    assert {
        "access_type": ["offline"],
        "clientId": ["client:1"],
        "user_scope": ["a,b"],
        "optional_scope": ["x"],
    }.items() <= found.items()
    assert not {"response_type", "client_id", "scope"} & set(found)


def test_an_empty_scope_is_left_out() -> None:
    """A provider whose scopes are fixed gets no empty scope parameter."""
    assert "scope" not in query(url())


@pytest.mark.parametrize("value", ["x&redirect_uri=https://evil.example#", "a\r\nLocation: b", "x y/../"])
def test_a_setting_adds_no_parameter(value: str) -> None:
    """A hostile setting stays one value."""
    words = {"authorize": {"url": "https://auth.acme.example/authorize?shop={shop}"}}

    found = url(acme(**words), settings={"shop": value})

    assert [value] == query(found)["shop"]
    assert len(query(found)["redirect_uri"]) == 1
    assert not urlsplit(found).fragment


def test_a_missing_setting_is_named() -> None:
    """A URL that needs a setting which is not filled in is not built."""
    with pytest.raises(ConnectionSettingsError, match="shop"):
        url(acme(authorize={"url": "https://{shop}.acme.example/authorize"}), settings={})


def test_a_scope_may_contain_a_setting() -> None:
    """A manifest's scope is a template too; one without its setting is left out."""
    connector = acme(scopes={"default": ["https://{shop}/.default", "{region}"]})

    assert manifest_scopes(setup(connector), "crm") == ("https://north/.default",)


def test_scopes_that_are_asked_for_are_no_templates() -> None:
    """What an operator or a link names is sent as it is: it could otherwise name a secret."""
    assert query(url(scopes=("{cred.client_secret}",)))["scope"] == ["{cred.client_secret}"]


def test_a_callback_brings_a_code_and_settings() -> None:
    """The code's own name and the captured parameters are the manifest's."""
    connector = acme(callback={"code": "spapi_code", "capture": {"shop": "realmId"}})

    assert read_callback(setup(connector), {"spapi_code": "c1", "realmId": "9", "state": "st"}) == ("c1", {"shop": "9"})


def test_an_error_is_a_refusal_even_beside_a_code() -> None:
    """A callback with an error redeems nothing, and its words are not repeated."""
    with pytest.raises(GrantRejected) as raised:
        read_callback(setup(), {"error": "access_denied", "error_description": "Call 555-0100", "code": "c"})

    assert raised.value.code == "access_denied"
    assert raised.value.detail == "The provider refused the authorization (access_denied)."


@pytest.mark.parametrize("code", ["call\r\n555-0100", "x" * 65, "<b>no</b>", ""])
def test_a_code_that_is_none_is_not_repeated(code: str) -> None:
    """What looks like no code may be anybody's text."""
    with pytest.raises(GrantRejected) as raised:
        read_callback(setup(), {"error": code})

    assert (raised.value.code, raised.value.detail) == (None, "The provider refused the authorization.")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"error": "temporarily_unavailable"}, GrantDeferred),
        ({"error": "server_error"}, GrantDeferred),
        ({"error": "busy_here"}, GrantDeferred),
        ({"error": "access_denied", "error_description": "Too many requests"}, GrantDeferred),
        ({"error": "unauthorized_client"}, GrantMisconfigured),
        ({"error": "access_denied"}, GrantRejected),
        ({"error": "whatever"}, GrantRejected),
    ],
)
def test_an_error_of_the_callback_says_who_must_act(given: dict[str, str], expected: type[Exception]) -> None:
    """A provider that was busy has refused nobody, and a wrong client is not the customer's fault."""
    with pytest.raises(expected) as raised:
        read_callback(setup(acme(errors={"busy_here": "deferred"})), given)

    assert type(raised.value) is expected


@pytest.mark.parametrize("given", [{}, {"code": ""}, {"code": "a\nb"}, {"code": "x" * 8193}])
def test_a_callback_without_a_usable_code_is_refused(given: dict[str, str]) -> None:
    """Neither a code nor an error is no answer."""
    with pytest.raises(RequestValidationError):
        read_callback(setup(), given)


ISSUER = "https://auth.acme.example"


@pytest.mark.parametrize("iss", ["https://auth.acme.example/", "https://AUTH.acme.example", "https://evil.example", ""])
def test_another_issuer_is_refused(iss: str) -> None:
    """The issuer is compared as text, exactly."""
    with pytest.raises(OAuthInvalidStateError):
        read_callback(setup(acme(issuer=ISSUER)), {"code": "c", "iss": iss})


def test_a_missing_issuer_counts_only_where_it_is_required() -> None:
    """A provider that promises `iss` must send it; one that may or may not is believed either way."""
    assert read_callback(setup(acme(issuer=ISSUER)), {"code": "c"})[0] == "c"
    assert read_callback(setup(acme(issuer=ISSUER, requires_iss=True)), {"code": "c", "iss": ISSUER})[0] == "c"
    with pytest.raises(OAuthInvalidStateError):
        read_callback(setup(acme(issuer=ISSUER, requires_iss=True)), {"code": "c"})
