"""`/docs`: the API reference, which anybody may open and which asks nobody else for anything."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from bs4 import BeautifulSoup, Tag
from described import DOCUMENT

from holdfast.testing.harness import Deployment, Reply

# Elements that have no end tag (HTML Living Standard, section 13.1.2).
VOID = {"meta", "input", "br", "link", "img", "hr"}
# Attributes that make a browser fetch something.
FETCHED = ("src", "srcset", "action", "formaction", "poster", "data", "background", "ping", "style")


class Balance(HTMLParser):
    """Notes every end tag that closes something else than what was opened last."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> in line {self.getpos()[0]}")


@pytest.fixture
async def reply(vault: Deployment) -> Reply:
    return await vault.get("/docs", headers={"authorization": None})


@pytest.fixture
def page(reply: Reply) -> BeautifulSoup:
    return BeautifulSoup(reply.text, "html.parser")


async def test_the_page_is_html_that_closes_what_it_opens(reply: Reply) -> None:
    """One document in English, whose elements are nested properly and whose ids are each given once."""
    balance = Balance()
    balance.feed(reply.text)

    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.text.startswith("<!doctype html>\n<html lang=")
    assert (balance.faults, balance.open) == ([], [])
    ids = re.findall(r'\sid="([^"]+)"', reply.text)
    assert len(ids) == len(set(ids))


async def test_nothing_comes_from_another_host(reply: Reply, page: BeautifulSoup) -> None:
    """No element fetches anything, no link leads away, and the policy would not let one."""
    assert not [element for name in FETCHED for element in page.select(f"[{name}]")]
    assert {str(a["href"])[0] for a in page.find_all("a")} == {"#", "/"}
    assert not page.find_all(("link", "iframe", "object", "embed", "base", "form"))
    assert not re.search(r"@import|url\(|https?://(?!127\.0\.0\.1:8000<)", reply.text)
    assert reply.headers["content-security-policy"].startswith("default-src 'none'; ")


async def test_script_and_style_have_the_nonce_of_this_answer(vault: Deployment, reply: Reply) -> None:
    """What is in the page may run, and what somebody gets into it may not: the nonce is new each time."""
    policy = reply.headers["content-security-policy"]
    nonces = dict(re.findall(r"(\w+)-src 'nonce-([\w-]{20,})'(?=;|$)", policy))

    assert nonces.keys() == {"style", "script"}
    assert re.findall(r'<(script|style) nonce="([^"]+)">', reply.text) == [*nonces.items()]
    assert len(re.findall(r"<(?:script|style)\b", reply.text)) == 2
    assert not re.search(r"\son\w+=", reply.text)
    assert nonces["script"] not in (await vault.get("/docs")).text


async def test_every_operation_is_told(page: BeautifulSoup) -> None:
    """Its method and path, each of its parameters and each of its statuses."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            article = page.find("article", id=operation["operationId"])
            assert isinstance(article, Tag)
            words = [code.get_text() for code in article.find_all("code")]
            assert (article.select(".method")[0].get_text(), words[0]) == (method.upper(), path)
            assert {p["name"] for p in operation["parameters"]} | set(operation["responses"]) <= set(words)


async def test_a_member_is_told_with_its_type_and_meaning(page: BeautifulSoup) -> None:
    """What can be set is told apart from what the vault says; words of an enum are spelled out."""
    body = page.select_one("#connectionsUpdate details")
    assert body

    rows = {row.select("code")[0].get_text(): row.get_text(" ", strip=True) for row in body.select("tbody tr")}
    assert rows["name"] == "name read-only string The service's name."
    assert rows["state"].startswith("state added | authorized | available | callable | invalid")
    assert "read-only" not in rows["settings"]


async def test_the_search_finds_what_it_hides(page: BeautifulSoup) -> None:
    """Each article that the script may hide has exactly one link of its own in the list."""
    links = [str(a["data-of"]) for a in page.select("nav a")]

    assert links == [str(article["id"]) for article in page.find_all("article")]
    assert page.find(id="search")
    assert page.find(id="none")
