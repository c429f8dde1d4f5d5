"""What a browser says of how it comes to a page; each line was seen in Chromium."""

from __future__ import annotations

import pytest

from holdfast.testing.navigation import Navigation

PRODUCT, VAULT = "https://app.example.com/integrations?a#b", "https://vault.example/x"


def fetch_site(initiator: str | None, *urls: str) -> str:
    navigation = Navigation(initiator)
    for url in urls[:-1]:
        navigation = navigation.redirected(url, "")
    return navigation.headers("GET", urls[-1]).get("Sec-Fetch-Site", "")


@pytest.mark.parametrize(
    ("initiator", "urls", "site"),
    [
        (None, (VAULT,), "none"),
        (PRODUCT, (VAULT,), "cross-site"),
        (VAULT, (VAULT,), "same-origin"),
        ("https://www.vault.example/", (VAULT,), "same-site"),
        ("http://127.0.0.1:9000/", ("http://127.0.0.1:8000/",), "same-site"),
        (VAULT, ("https://crm.example/", VAULT), "cross-site"),
        (PRODUCT, ("http://vault.example/",), ""),
    ],
)
def test_it_says_how_far_it_comes(initiator: str | None, urls: tuple[str, ...], site: str) -> None:
    """The farthest address on the way counts; what is not trustworthy is told nothing."""
    assert fetch_site(initiator, *urls) == site


@pytest.mark.parametrize(
    ("initiator", "policy", "url", "referer"),
    [
        (PRODUCT, "", VAULT, "https://app.example.com/"),
        (PRODUCT, "", "http://127.0.0.1:8000/", "https://app.example.com/"),
        (PRODUCT, "", "http://vault.example/", None),
        (PRODUCT, "no-referrer", VAULT, None),
        (PRODUCT, "same-origin", VAULT, None),
        (VAULT, "same-origin", VAULT, VAULT),
        (PRODUCT, "", "https://app.example.com/", "https://app.example.com/integrations?a"),
        (None, "", VAULT, None),
    ],
)
def test_it_names_the_page_it_left_as_that_allows(
    initiator: str | None, policy: str, url: str, referer: str | None
) -> None:
    """By the referrer policy of the page, and never from https to http that is not this machine's."""
    assert Navigation(initiator, policy).headers("GET", url).get("Referer") == referer


def test_a_redirect_may_hide_the_page_that_was_left() -> None:
    """Its own referrer policy counts from there on."""
    navigation = Navigation(PRODUCT).redirected(VAULT, "no-referrer")

    assert "Referer" not in navigation.headers("GET", "https://crm.example/")


@pytest.mark.parametrize(
    ("initiator", "policy", "origin"),
    [
        (VAULT, "same-origin", "https://vault.example"),
        (VAULT, "no-referrer", "null"),
        (PRODUCT, "", "https://app.example.com"),
        (PRODUCT, "same-origin", "null"),
        (None, "", "null"),
    ],
)
def test_a_form_says_which_page_it_comes_from(initiator: str | None, policy: str, origin: str) -> None:
    """Unless the page's referrer policy hides it (Fetch, 3.2)."""
    assert Navigation(initiator, policy).headers("POST", VAULT)["Origin"] == origin
