"""What a browser says of how it comes to a page, as Chromium does: Fetch Metadata, `Accept`, `Referer`, `Origin`.

Fetch Metadata goes to https and loopback only. A `Referer` follows the referrer policy of the page that was left, or of
a redirect on the way (https://www.w3.org/TR/referrer-policy/); `Origin`, on a form that is posted, does too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urldefrag, urlsplit

from holdfast.testing.cookies import is_secure, site_of

ACCEPT = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
DEFAULT_POLICY = "strict-origin-when-cross-origin"
_SITES = ("none", "same-origin", "same-site", "cross-site")


@dataclass(frozen=True, slots=True)
class Navigation:
    """One way to a page. `initiator` is the page on which somebody clicked, None for an address that was typed.

    `farthest` is the farthest that any address on the way was from the initiator.
    """

    initiator: str | None = None
    policy: str = ""
    farthest: str = "none"

    def headers(self, method: str, url: str) -> dict[str, str]:
        """The headers of the request to `url`."""
        said = {"Accept": ACCEPT, "Referer": self._referer(url)}
        if method == "POST":
            said["Origin"] = self._origin(url)
        if is_secure(urlsplit(url)):
            said |= {
                "Sec-Fetch-Site": self._site(url),
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-User": "?1",
                "Sec-Fetch-Dest": "document",
            }
        return {name: value for name, value in said.items() if value}

    def redirected(self, url: str, policy: str) -> Navigation:
        """The same way, after `url` has answered with a redirect."""
        return replace(self, farthest=self._site(url), policy=policy or self.policy)

    def _site(self, url: str) -> str:
        return max(self.farthest, self._relation(url), key=_SITES.index)

    def _relation(self, url: str) -> str:
        if self.initiator is None:
            return "none"
        at, of = urlsplit(url), urlsplit(self.initiator)
        if (at.scheme, at.netloc) == (of.scheme, of.netloc):
            return "same-origin"
        return "same-site" if (at.scheme, site_of(at)) == (of.scheme, site_of(of)) else "cross-site"

    def _referer(self, url: str) -> str:
        if self.initiator is None:
            return ""
        origin = origin_of(self.initiator) + "/"
        own = self._relation(url) == "same-origin"
        match self.policy or DEFAULT_POLICY:
            case "no-referrer":
                return ""
            case "same-origin":
                return urldefrag(self.initiator).url if own else ""
            case _:
                downgrade = is_secure(urlsplit(self.initiator)) and not is_secure(urlsplit(url))
                return "" if downgrade else urldefrag(self.initiator).url if own else origin

    def _origin(self, url: str) -> str:
        """Fetch, 3.2: the referrer policy decides about it as well."""
        if self.initiator is None:
            return "null"
        hidden = self.policy == "no-referrer" or (self.policy == "same-origin" and self._relation(url) != "same-origin")
        return "null" if hidden else origin_of(self.initiator)


def origin_of(url: str) -> str:
    """The origin of a URL."""
    return "{0.scheme}://{0.netloc}".format(urlsplit(url))
