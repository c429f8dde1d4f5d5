"""holdfast.testing.cookies: RFC 6265 and 6265bis, as browsers keep them."""

from __future__ import annotations

import pytest

from holdfast.testing.clock import TestClock
from holdfast.testing.cookies import CookieJar


@pytest.mark.parametrize(
    ("set_at", "set_cookie", "asked_at", "sent"),
    [
        ("https://vault.example/a/b", "sid=1", "https://vault.example/a/c", "sid=1"),
        ("https://vault.example/a/b", "sid=1", "https://vault.example/b", ""),
        ("https://vault.example/", "sid=1; Path=/vault", "https://vault.example/vault/callback", "sid=1"),
        ("https://vault.example/", "sid=1; Path=/vault", "https://vault.example/vaults", ""),
        ("https://vault.example/", "sid=1", "https://sub.vault.example/", ""),
        ("https://vault.example/", "sid=1; Domain=vault.example", "https://sub.vault.example/", "sid=1"),
        ("https://vault.example/", "sid=1; Domain=crm.example", "https://crm.example/", ""),
        ("https://vault.example/", "sid=1; Secure", "http://vault.example/", ""),
        ("http://vault.example/", "sid=1; Secure", "https://vault.example/", ""),
        ("http://127.0.0.1:8000/", "sid=1; Secure", "http://127.0.0.1:8000/", "sid=1"),
        ("http://127.0.0.1:8000/", "sid=1", "http://127.0.0.1:9000/", "sid=1"),
        ("https://vault.example/", "__Host-f=1; Secure; Path=/", "https://vault.example/x", "__Host-f=1"),
        ("https://vault.example/", "__Host-f=1; Path=/", "https://vault.example/", ""),
        ("https://vault.example/", "__Host-f=1; Secure; Path=/vault", "https://vault.example/vault", ""),
        ("https://vault.example/", "__Host-f=1; Secure; Path=/; Domain=vault.example", "https://vault.example/", ""),
        ("https://vault.example/", "__Secure-f=1; Path=/", "https://vault.example/", ""),
        ("https://vault.example/", "sid=1; SameSite=None", "https://vault.example/", ""),
        ("https://vault.example/", "sid=a=b", "https://vault.example/", "sid=a=b"),
    ],
)
def test_a_cookie_goes_where_browsers_send_it(
    set_at: str, set_cookie: str, asked_at: str, sent: str, clock: TestClock
) -> None:
    """Host, path, Secure and name prefixes decide whether a cookie is kept, and where it goes."""
    jar = CookieJar(clock)

    jar.keep(set_at, [set_cookie])

    assert jar.header(asked_at) == sent


@pytest.mark.parametrize(
    ("same_site", "method", "from_crm", "from_vault"),
    [
        ("", "GET", True, True),
        ("", "POST", False, True),
        ("; SameSite=Lax", "GET", True, True),
        ("; SameSite=Lax", "POST", False, True),
        ("; SameSite=Strict", "GET", False, True),
        ("; SameSite=None; Secure", "POST", True, True),
    ],
)
def test_same_site_decides_by_the_page_that_led_there(
    same_site: str, method: str, from_crm: bool, from_vault: bool, clock: TestClock
) -> None:
    """Strict does not travel from another site; Lax, the default, only with GET; None always."""
    jar = CookieJar(clock)
    jar.keep("https://vault.example/", [f"sid=1{same_site}"])

    def travels(initiator: str) -> bool:
        return jar.header("https://vault.example/", method=method, initiator=initiator) == "sid=1"

    assert travels("https://crm.test/consent") is from_crm
    assert travels("https://www.vault.example/") is from_vault


@pytest.mark.parametrize("lifetime", ["Max-Age=600", "Expires=Thu, 01 Jan 2026 00:10:00 GMT"])
def test_a_cookie_ends_with_its_lifetime(lifetime: str, clock: TestClock) -> None:
    """Max-Age and Expires count on the browser's clock."""
    jar = CookieJar(clock)
    jar.keep("https://vault.example/", [f"sid=1; {lifetime}"])

    clock.advance(599)
    before = jar.header("https://vault.example/")
    clock.advance(1)

    assert (before, jar.header("https://vault.example/")) == ("sid=1", "")


def test_a_lifetime_of_zero_deletes(clock: TestClock) -> None:
    """A server takes a cookie back by setting it again with Max-Age=0."""
    jar = CookieJar(clock)
    jar.keep("https://vault.example/", ["sid=1; Path=/", "theme=dark; Path=/"])

    jar.keep("https://vault.example/", ["sid=; Path=/; Max-Age=0"])

    assert [cookie.name for cookie in jar.cookies] == ["theme"]
