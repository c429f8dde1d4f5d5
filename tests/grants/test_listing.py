"""Lists of several pages: custom fields and the choices of selects."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from driving import acme, answer, run, setup

from holdfast.domain.exchange import Response
from holdfast.domain.manifest.connector import Connector
from holdfast.errors import ConnectionSettingsError, GrantDeferred
from holdfast.grants.listing import LIST_LIMIT, PAGES, custom_fields, next_link, options

API = "https://api.acme.example/v1"


def listing(next: dict[str, Any], **request: Any) -> Connector:
    """A connector whose custom fields go on as `next` says."""
    fields = {"*": {"request": {"path": "/fields", **request}, "items": "data", "map": {"id": "id"}, "next": next}}
    manifest = json.loads(msgspec.json.encode(acme()))
    return msgspec.convert({**manifest, "custom_fields": fields}, Connector)


def pages(connector: Connector, *answers: Response) -> tuple[list[str], list[str]]:
    """The ids that were found, and the URLs that were asked for."""
    known = setup(connector, cred={"access_token": "at-1"})
    found, requests = run(custom_fields(known, connector.custom_fields["*"], "leads"), *answers)
    assert all(r.headers["Authorization"] == "Bearer at-1" for r in requests)
    return [field.id for field in found], [r.url for r in requests]


def page(*ids: Any, status: int = 200, link: str = "", **members: Any) -> Response:
    return answer({"data": [{"id": id} for id in ids], **members}, status, **({"link": link} if link else {}))


def test_a_cursor_replaces_that_of_the_page_before() -> None:
    """The parameter takes the cursor of each answer, in place of the one before, until there is none."""
    connector = listing({"by": "cursor", "path": "next", "param": "start"}, query={"limit": "2", "start": "0"})

    found, asked = pages(connector, page(1, 2, next=2), page(3, next="a&b"), page(4, next=None))

    assert found == ["1", "2", "3", "4"]
    assert [parse_qs(urlsplit(url).query) for url in asked] == [
        {"limit": ["2"], "start": ["0"]},
        {"limit": ["2"], "start": ["2"]},
        {"limit": ["2"], "start": ["a&b"]},
    ]


@pytest.mark.parametrize("following", [f"{API}/fields?page=2", "/v1/fields?page=2", "?page=2"])
def test_the_next_page_may_be_a_url(following: str) -> None:
    """An address of the service's own, whole or relative, is followed."""
    found, asked = pages(listing({"by": "url", "path": "more"}), page(1, more=following), page(2, more=""))

    assert (found, asked[1]) == (["1", "2"], f"{API}/fields?page=2")


def test_the_next_page_may_be_a_link() -> None:
    """A Link header is read for its `next` (RFC 8288)."""
    link = f'<{API}/fields?page=1>; rel="prev", <{API}/fields?page=3>; title="a, b"; rel="last next"'

    found, asked = pages(listing({"by": "link"}), page(1, link=link), page(2))

    assert (found, asked[1]) == (["1", "2"], f"{API}/fields?page=3")


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("", ""),
        ("<https://a/>; rel=next", "https://a/"),
        ("<https://a/>; rel=nextish", ""),
        ('<https://a/>; rel="first", <https://b/?x=1,2>; rel="next"', "https://b/?x=1,2"),
        ("<https://a/>; rel=prev", ""),
        ("no link", ""),
    ],
)
def test_only_a_next_link_leads_on(header: str, target: str) -> None:
    """The other relations are other pages."""
    assert next_link(header) == target


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ({"by": "offset", "param": "skip", "size": 2}, ["", "skip=2", "skip=4"]),
        ({"by": "page", "param": "p", "size": 2}, ["", "p=2", "p=3"]),
        ({"by": "page", "param": "p", "size": 2, "first": 0}, ["", "p=1", "p=2"]),
    ],
)
def test_pages_may_be_counted(word: dict[str, Any], asked: list[str]) -> None:
    """Items or pages are counted until a page is not full."""
    found, urls = pages(listing(word), page(1, 2), page(3, 4), page(5))

    assert (found, [urlsplit(url).query for url in urls]) == (["1", "2", "3", "4", "5"], asked)


@pytest.mark.parametrize(
    "following", ["https://evil.example/fields", "https://acme.example.evil.com/", "//evil.example/"]
)
def test_no_page_leads_the_credential_elsewhere(following: str) -> None:
    """A next page on a host that is not the service's is an error, and nothing is sent there."""
    with pytest.raises(ConnectionSettingsError):
        pages(listing({"by": "url", "path": "more"}), page(1, more=following))


def test_the_next_page_is_asked_over_the_same_scheme() -> None:
    """A service that calls its own pages by http:// does not bring the credential into the clear."""
    http = f"http://{API.partition('://')[2]}/fields?page=2"

    assert pages(listing({"by": "url", "path": "more"}), page(1, more=http), page(2))[1][1] == f"{API}/fields?page=2"


def test_a_list_ends() -> None:
    """Pages without end, the same page again and more items than anybody can choose from all come to an end."""
    cursor = {"by": "cursor", "path": "next", "param": "start"}

    endless = pages(listing(cursor), *(page(n, next=n + 1) for n in range(PAGES)))
    assert len(endless[0]) == PAGES
    assert pages(listing(cursor), page(1, next=7), page(2, next=7))[0] == ["1", "2"]
    assert len(pages(listing(cursor), page(*range(LIST_LIMIT + 5), next=7))[0]) == LIST_LIMIT


def test_half_a_list_is_no_list() -> None:
    """A page that fails fails the list: fields that are missing would look as if they did not exist."""
    with pytest.raises(GrantDeferred) as raised:
        pages(listing({"by": "offset", "param": "skip", "size": 1}), page(1), page(status=429))

    assert raised.value.status == 429


def test_choices_go_on_as_fields_do() -> None:
    """A select offers what stands on the later pages as well."""
    connector = listing({"by": "cursor", "path": "next", "param": "start"})
    word = {"request": {"path": "/users"}, "items": "data", "value": "id", "label": "id", "next": {"by": "link"}}
    manifest = json.loads(msgspec.json.encode(connector))
    manifest["settings"] = [{"id": "owner", "label": "Owner", "type": "select", "options_from": word}]
    connector = msgspec.convert(manifest, Connector)
    owner = connector.settings[0].options_from
    assert owner

    found, _ = run(options(setup(connector), owner), page(1, link=f"<{API}/users?p=2>; rel=next"), page(2))

    assert [option.value for option in found] == ["1", "2"]
