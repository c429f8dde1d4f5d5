"""A browser's cookie jar: RFC 6265 with the prefixes and SameSite of its revision, RFC 6265bis.

Strict where browsers are, so that a cookie that would not survive one does not survive a test. Plain http to
loopback counts as secure, as it does in browsers. "Site" is the last two labels of a name: there is no list of
public suffixes here, and no port, which cookies do not see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

from holdfast.clock import Clock

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True, repr=False)
class Cookie:
    """`expires_at` in milliseconds; None lasts as long as the browser. A host-only cookie has no `subdomains`."""

    name: str
    value: str
    host: str
    subdomains: bool
    path: str
    secure: bool
    http_only: bool
    same_site: str
    expires_at: int | None


class CookieJar:
    """What a browser remembers for its hosts. `cookies` may be looked at."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._kept: dict[tuple[str, str, str], Cookie] = {}

    @property
    def cookies(self) -> list[Cookie]:
        """The cookies that have not expired."""
        now = self.clock.now()
        return [cookie for cookie in self._kept.values() if cookie.expires_at is None or cookie.expires_at > now]

    def keep(self, url: str, headers: Iterable[str]) -> None:
        """Take in the `Set-Cookie` headers of an answer from `url`; those that break a rule are ignored."""
        address = urlsplit(url)
        for header in headers:
            cookie = _read(header, address, self.clock.now())
            if cookie is not None:
                self._kept[cookie.name, cookie.host, cookie.path] = cookie

    def header(self, url: str, *, method: str = "GET", initiator: str | None = None) -> str:
        """The `Cookie` header of a request to `url`; empty for none.

        `initiator` is the page whose link or form led to the request, also if through redirects; None if a
        person typed the address. It decides about SameSite: `Strict` stays home if it is of another site, and
        `Lax`, which is also the default, then goes along only with GET.
        """
        address = urlsplit(url)
        foreign = initiator is not None and site_of(urlsplit(initiator)) != site_of(address)
        sent = [c for c in self.cookies if _belongs(c, address) and _may_travel(c, foreign, method)]
        return "; ".join(f"{c.name}={c.value}" for c in sorted(sent, key=lambda c: -len(c.path)))


def _read(header: str, address: SplitResult, now: int) -> Cookie | None:
    pair, *rest = header.split(";")
    name, _, value = pair.strip().partition("=")
    attributes = {k.strip().lower(): v.strip() for k, _, v in (part.partition("=") for part in rest)}
    host = address.hostname or ""
    domain = attributes.get("domain", "").lstrip(".").lower()
    secure = "secure" in attributes
    same_site = attributes.get("samesite", "lax").lower()
    if not name or (domain and not _within(host, domain)) or (secure and not is_secure(address)):
        return None
    if name.startswith("__Host-") and (not secure or "domain" in attributes or attributes.get("path") != "/"):
        return None
    if (name.startswith("__Secure-") or same_site == "none") and not secure:
        return None
    path = attributes.get("path", "")
    if not path.startswith("/"):
        path = address.path.rpartition("/")[0] or "/"
    expires_at = _expires_at(attributes, now)
    http_only = "httponly" in attributes
    return Cookie(name, value, domain or host, bool(domain), path, secure, http_only, same_site, expires_at)


def _expires_at(attributes: dict[str, str], now: int) -> int | None:
    """RFC 6265 section 5.3: Max-Age wins over Expires; what cannot be read is as if it were not there."""
    if attributes.get("max-age", "").lstrip("-").isdecimal():
        return now + int(attributes["max-age"]) * 1000
    try:
        when = parsedate_to_datetime(attributes.get("expires", ""))
    except ValueError:
        return None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)


def _belongs(cookie: Cookie, address: SplitResult) -> bool:
    host = address.hostname or ""
    on_host = _within(host, cookie.host) if cookie.subdomains else host == cookie.host
    path, under = address.path or "/", cookie.path.rstrip("/") + "/"
    return on_host and (path == cookie.path or path.startswith(under)) and (not cookie.secure or is_secure(address))


def _may_travel(cookie: Cookie, foreign: bool, method: str) -> bool:
    if not foreign or cookie.same_site == "none":
        return True
    return cookie.same_site != "strict" and method == "GET"


def _within(host: str, domain: str) -> bool:
    return host == domain or (host.endswith("." + domain) and not host.replace(".", "").isdecimal())


def is_secure(address: SplitResult) -> bool:
    """Whether a browser trusts the way to this address."""
    return address.scheme == "https" or (address.hostname or "") in LOOPBACK


def site_of(address: SplitResult) -> str:
    """The site that an address belongs to."""
    host = address.hostname or ""
    return host if host.replace(".", "").isdecimal() else ".".join(host.split(".")[-2:])
