"""A caller's own request: what its URL may be, and that nothing but the credential's own place is touched."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from holdfast.domain.manifest.connector import Connector
from holdfast.errors import EgressRefused, RequestHeadersValidationError
from holdfast.grants.flow import Setup
from holdfast.grants.forward import Asked, carried, forwarded, target

BASE = "https://api.acme-crm.example/v1"


def setup(*, auth: Any = None, query: Any = None, values: dict[str, str] | None = None) -> Setup:
    request = {"base_url": BASE, "auth": auth or [{"value": "Bearer {cred.access_token}"}], "query": query or {}}
    connector = msgspec.convert(
        {
            "schema": 1, "id": "acme-crm", "name": "Acme", "website": "https://acme-crm.example", "unified_apis": {},
            "hosts": ["files.acme-crm.example"], "auth": {"type": "apiKey"}, "request": request,
            "settings": [{"id": "team", "label": "Team"}, {"id": "api_key", "label": "Key", "type": "password"}],
            "verified": {"by": "nobody", "on": "2026-11-25"},
        },
        Connector,
    )  # fmt: skip
    given = {"team": "north wind", "api_key": "k-7731-ff", **(values or {})}
    hosts = ("api.acme-crm.example", "files.acme-crm.example")
    return Setup(connector, hosts, values={"settings": given, "cred": {"access_token": "at-4f8a21c7"}})


def asked(url: str, **more: Any) -> Asked:
    return Asked("GET", url, {}, **more)


@pytest.mark.parametrize(
    "url",
    [
        "/a\tb", "/a b", "/a#b", "/a\\b", "/\u00e9", "/a\x00b", "/a\x7fb", "https://api.acme-crm.example\\@evil.example/",
        "https://api.acme-crm.example#@evil.example/", "", "/..", "/a/../b", "/%2e%2e/a", "/.%2E;x/a",
    ],
)  # fmt: skip
def test_a_url_that_reads_in_two_ways_is_refused(url: str) -> None:
    """Before anything looks at its host."""
    with pytest.raises(EgressRefused):
        target(setup(), url)


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("/leads?q=a/../b", f"{BASE}/leads?q=a/../b"),
        ("/teams/{team}/leads?t={team}", f"{BASE}/teams/north%20wind/leads?t=north%20wind"),
        ("/leads?filter={{x}}", f"{BASE}/leads?filter={{x}}"),
        ("https://files.acme-crm.example/7", "https://files.acme-crm.example/7"),
    ],
)
def test_a_url_is_spelled_out(url: str, called: str) -> None:
    """Below the base, or whole, with settings escaped by where they stand."""
    assert forwarded(setup(), asked(url)).url == called


@pytest.mark.parametrize("url", ["//evil.example/a", "https://evil.example/a", "leads", "?x", "https://[", "x:y"])
def test_a_url_that_leads_elsewhere_is_refused(url: str) -> None:
    """With the connection's credential or with one of the caller's own."""
    for own in (None, "Bearer own"):
        with pytest.raises(EgressRefused):
            forwarded(setup(), asked(url, authorization=own))


@pytest.mark.parametrize("url", ["/{", "/}", "/{api_key}", "/{cred.access_token}", "/{nothing}", "/{team|shout}"])
def test_only_a_setting_that_is_shown_stands_in_a_url(url: str) -> None:
    """No secret does, nor what is no setting at all."""
    with pytest.raises(RequestHeadersValidationError):
        target(setup(), url)


def test_of_two_parameters_the_callers_goes() -> None:
    """Where the credential stands in the query, in whatever way the name is written; others stay byte by byte."""
    known = setup(auth=[{"in": "query", "name": "api key", "value": "{api_key}"}], query={"v": "2", "lang": "en"})

    request = forwarded(known, asked("/leads?api%20key=mine&api+key=mine&q=%41&lang=pl"))

    assert request.url == f"{BASE}/leads?q=%41&lang=pl&v=2&api%20key=k-7731-ff"


def test_what_is_secret_of_a_request_is_known() -> None:
    """The token and whatever carries it; with an authorization of the caller's own, that."""
    basic = setup(auth=[{"in": "basic", "value": "{team}:{api_key}"}])
    own = asked("/leads", authorization="Bearer of-the-callers-own")

    assert carried(setup(), asked("/a"), forwarded(setup(), asked("/a"))) == ("at-4f8a21c7",)
    assert carried(basic, asked("/a"), forwarded(basic, asked("/a"))) == ("k-7731-ff", "bm9ydGggd2luZDprLTc3MzEtZmY=")
    assert carried(setup(), own, forwarded(setup(), own)) == ("of-the-callers-own",)
