"""Which URLs of a manifest bind the hosts: those that requests of ours go to, by their types alone."""

from __future__ import annotations

from typing import Any

import pytest
from small_connectors import CODE, connector

from holdfast.domain.manifest.oauth import Authorize, OAuth, Token
from holdfast.domain.manifest.urls import url_templates
from holdfast.domain.manifest.words import Template, UrlTemplate, WebAddress, Word


class Ping(Word, frozen=True, kw_only=True):
    """A word that the vocabulary does not have yet."""

    url: UrlTemplate
    fallback: UrlTemplate | None = None
    website: WebAddress = "https://www.acme.example"
    path: Template = "/ping"


class Pings(Word, frozen=True, kw_only=True):
    """Words with such words in them, in every way in which words stand in words."""

    one: Ping | None = None
    many: tuple[Ping, ...] = ()
    by_name: dict[str, Ping | str] = {}
    mirrors: tuple[UrlTemplate, ...] = ()
    regions: dict[str, UrlTemplate] = {}


PINGS: dict[str, tuple[Any, list[str]]] = {
    "one": (Ping(url="https://a.example", fallback="https://b.example"), ["https://a.example", "https://b.example"]),
    "many": (
        (Ping(url="https://a.example"), Ping(url="https://b.example")),
        ["https://a.example", "https://b.example"],
    ),
    "by_name": ({"eu": Ping(url="https://eu.example"), "us": "https://no-url.example"}, ["https://eu.example"]),
    "mirrors": (("https://a.example", "https://b.example"), ["https://a.example", "https://b.example"]),
    "regions": ({"eu": "https://eu.example"}, ["https://eu.example"]),
}
OPTIONS = {
    "id": "list",
    "label": "List",
    "options_from": {"request": {"url": "https://it.acme.example"}, "items": "$", "value": "id", "label": "name"},
}
CALL = {"url": "https://it.acme.example"}
WORDS: dict[str, dict[str, Any]] = {
    "request": {"request": {"base_url": "https://it.acme.example"}},
    "token": {"auth": {"type": "oauth2", "oauth": {**CODE, "token": CALL}}},
    "refresh": {"auth": {"type": "oauth2", "oauth": {**CODE, "refresh": CALL}}},
    "revoke": {"auth": {"type": "oauth2", "oauth": {**CODE, "revoke": CALL}}},
    "options of a setting": {"settings": [OPTIONS]},
    "options of a resource": {"unified_apis": {"crm": {"config": {"leads": [OPTIONS]}}}},
    "after_connect": {"after_connect": [{"request": CALL, "capture": {}}]},
    "verify": {"verify": {"request": CALL}},
    "custom_fields": {"custom_fields": {"leads": {"request": CALL, "items": "$", "map": {"id": "id"}}}},
}


@pytest.mark.parametrize("member", PINGS)
def test_a_new_word_with_a_url_is_bound_by_itself(member: str) -> None:
    """Nobody has to add it to a list; addresses and paths beside it are no URLs of requests."""
    value, urls = PINGS[member]

    assert url_templates(Pings(**{member: value})) == urls


def test_the_consent_page_is_the_browsers_business() -> None:
    """The vault sends nothing there, so it binds no host; its neighbours do."""
    oauth = OAuth(
        authorize=Authorize(url="https://login.acme.example/authorize"),
        token=Token(url="https://api.acme.example/token"),
    )

    assert url_templates(oauth) == ["https://api.acme.example/token"]


@pytest.mark.parametrize("place", WORDS)
def test_every_url_of_a_manifest_is_found(place: str) -> None:
    """Wherever a manifest says where a request goes, that host is one of its hosts."""
    assert "https://it.acme.example" in url_templates(connector("authorization_code", **WORDS[place]))
