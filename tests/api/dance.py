"""An authorization step by step, so that a test can stand between the steps.

begun = await begin(vault)                 # the link was opened: the browser has a cookie and goes to the provider
callback = await consent(vault, begun)     # the person said yes: the browser is sent to this URL
reply = await vault.open(callback, cookie=begun.cookie)
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from holdfast.testing.browser import Browser
from holdfast.testing.harness import PUBLIC_URL, Deployment


@dataclass(frozen=True, slots=True)
class Begun:
    """An authorization that one browser has begun. `cookie` is what that browser sends back."""

    provider_url: str
    cookie: str

    @property
    def asked(self) -> dict[str, str]:
        """The parameters that the provider was sent."""
        return dict(parse_qsl(urlsplit(self.provider_url).query))

    @property
    def state(self) -> str:
        return self.asked["state"]


async def begin(vault: Deployment, **query: str) -> Begun:
    """Opens the connect link of `consumer` (the deployment's own one unless given), with `query` on it."""
    reply = await vault.open(await vault.authorize_url(**query))
    assert reply.location.startswith("http"), reply.text
    return Begun(reply.location, reply.headers["set-cookie"].partition(";")[0])


async def consent(vault: Deployment, begun: Begun, *, allow: bool = True) -> str:
    """What a person decides at the provider: the URL of the callback, which nobody has opened yet."""
    browser = Browser(apps=vault.network.apps, stop_at=PUBLIC_URL, clock=vault.clock)
    page = await browser.visit(begun.provider_url)
    return (await (page.allow() if allow else page.deny())).url


async def came_back(vault: Deployment, **query: str) -> tuple[Begun, str]:
    """A flow whose browser stands before the callback, and the URL of that."""
    begun = await begin(vault, **query)
    return begun, await consent(vault, begun)


def changed(url: str, **parameters: str | None) -> str:
    """`url` with parameters of its query replaced, added or, given as None, taken away."""
    address = urlsplit(url)
    pairs = {**dict(parse_qsl(address.query, keep_blank_values=True)), **parameters}
    query = urlencode({name: value for name, value in pairs.items() if value is not None}, quote_via=quote)
    return urlunsplit(address._replace(query=query))
