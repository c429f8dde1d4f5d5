"""A person with a browser, without the browser: follows redirects, keeps cookies, fills in and sends forms.

    browser = Browser({"vault.example": app, "crm.example": provider.app}, stop_at="https://product.example/")
    page = await browser.visit(authorize_url)
    page = await page.allow()
    assert page.query["service_id"] == "sandbox-crm"

With `apps` it reaches these hosts only, in this process; without, it goes to the network. It runs no script. What
browsers do and test clients forget, it does: SameSite and `__Host-` (`holdfast.testing.cookies`), permanent
redirects that are remembered unless the answer forbids it, and the headers that say how it came to a page
(`holdfast.testing.navigation`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urldefrag, urlencode, urljoin, urlsplit

import aiohttp
from yarl import URL

from holdfast.clock import Clock, SystemClock
from holdfast.testing.asgi import Answer, Apps, app_for, call
from holdfast.testing.cookies import CookieJar
from holdfast.testing.forms import Button, Form, PageReader
from holdfast.testing.navigation import Navigation, origin_of

ALLOW = ("allow", "authorize", "approve", "accept", "confirm", "continue", "connect", "yes")
DENY = ("deny", "cancel", "decline", "reject", "no")
REDIRECTS = {301, 302, 303, 307, 308}
MAX_REDIRECTS = 20


class BrowserError(Exception):
    """The browser can go no further: no such host, too many redirects, no such button."""


@dataclass(frozen=True, slots=True, repr=False)
class Page:
    """Where the browser is. `stopped` says that `url` is where it was sent, and that it did not go there."""

    url: str
    status: int
    headers: dict[str, str]
    text: str
    browser: Browser
    stopped: bool = False

    @property
    def query(self) -> dict[str, str]:
        """The parameters in the URL's query and fragment."""
        address = urlsplit(self.url)
        return dict(parse_qsl(address.query) + parse_qsl(address.fragment))

    @property
    def forms(self) -> list[Form]:
        return PageReader(self.text).forms

    @property
    def links(self) -> dict[str, str]:
        """The address behind each link's text."""
        return {text: urljoin(self.url, href) for text, href in PageReader(self.text).links.items()}

    async def submit(self, button: str | None = None, **fields: str) -> Page:
        """Fill in `fields`, press `button` (by label, value or name; the first one if None), and see what comes.

        BrowserError if the page has no such button, LookupError if its form has no such field.
        """
        for form in self.forms:
            for candidate in form.buttons or [Button("")]:
                if button is None or candidate.called(button):
                    return await self.browser.send(self, form, form.filled(fields, candidate))
        raise BrowserError(f"{self!r} has no button {button!r}: {[b.label for f in self.forms for b in f.buttons]}")

    async def allow(self, **fields: str) -> Page:
        """Press whichever button says yes."""
        return await self.submit(self._button(ALLOW), **fields)

    async def deny(self, **fields: str) -> Page:
        """Press whichever button says no."""
        return await self.submit(self._button(DENY), **fields)

    async def follow(self, text: str) -> Page:
        """Click on the link that says `text`."""
        if text not in self.links:
            raise BrowserError(f"{self!r} has no link {text!r}: {sorted(self.links)}")
        policy = self.headers.get("referrer-policy", "")
        return await self.browser.visit(self.links[text], initiator=self.url, policy=policy)

    def _button(self, words: tuple[str, ...]) -> str:
        buttons = [button for form in self.forms for button in form.buttons]
        return next((word for word in words if any(button.called(word) for button in buttons)), words[0])

    def __repr__(self) -> str:
        """Without query and text, which hold codes."""
        return f"Page({self.status} {_plain(self.url)})"


@dataclass(slots=True, repr=False)
class Browser:
    """One person's browser; another person needs another one.

    `stop_at` are beginnings of URLs that the browser is sent to but does not fetch: the app at the end of a flow.
    `history` holds (method, status, URL) of every request; URLs in it hold codes.
    """

    apps: Apps | None = None
    stop_at: str | tuple[str, ...] = ()
    clock: Clock = field(default_factory=SystemClock)
    history: list[tuple[str, int, str]] = field(default_factory=list)
    cookies: CookieJar = field(init=False)
    remembered: dict[str, str] = field(default_factory=dict)
    """Permanent redirects that no `Cache-Control` forbade to store (RFC 9110 section 15.4.2)."""

    def __post_init__(self) -> None:
        self.cookies = CookieJar(self.clock)

    async def visit(self, url: str, *, initiator: str | None = None, policy: str = "") -> Page:
        """Open `url`, as typed in or, with `initiator`, as clicked on that page, which has a `Referrer-Policy`."""
        return await self._go("GET", url, b"", Navigation(initiator, policy))

    async def send(self, page: Page, form: Form, values: dict[str, str]) -> Page:
        """Send a form of `page`."""
        target = urljoin(page.url, form.action or page.url)
        navigation = Navigation(page.url, page.headers.get("referrer-policy", ""))
        if form.method == "POST":
            return await self._go("POST", target, urlencode(values).encode(), navigation)
        return await self._go("GET", f"{target.partition('?')[0]}?{urlencode(values)}", b"", navigation)

    async def _go(self, method: str, url: str, body: bytes, navigation: Navigation) -> Page:
        """Follow redirects from `url` to a page, or to where the browser stops."""
        status, headers = 0, dict[str, str]()
        for _ in range(MAX_REDIRECTS):
            if self.stop_at and url.startswith(self.stop_at):
                return Page(url, status, headers, "", self, stopped=True)
            if method == "GET" and url in self.remembered:
                url = self.remembered[url]
                continue
            answer = await self._fetch(method, url, body, navigation)
            status, headers = answer.status, {name: answer.header(name) for name, _ in answer.headers}
            if status not in REDIRECTS or "location" not in headers:
                return Page(url, status, headers, answer.body.decode("utf-8", "replace"), self)
            target = _redirected(url, headers["location"])
            if status in (301, 308) and method == "GET" and not _forbids_storing(headers):
                self.remembered[url] = target
            if status not in (307, 308):
                method, body = "GET", b""
            navigation = navigation.redirected(url, headers.get("referrer-policy", ""))
            url = target
        raise BrowserError(f"more than {MAX_REDIRECTS} redirects, the last one to {_plain(url)}")

    async def _fetch(self, method: str, url: str, body: bytes, navigation: Navigation) -> Answer:
        url = urldefrag(url).url
        headers = {"User-Agent": "holdfast.testing.browser", **navigation.headers(method, url)}
        cookie = self.cookies.header(url, method=method, initiator=navigation.initiator)
        if cookie:
            headers["Cookie"] = cookie
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = await self._exchange(method, url, headers, body)
        self.history.append((method, answer.status, url))
        self.cookies.keep(url, [value for name, value in answer.headers if name == "set-cookie"])
        return answer

    async def _exchange(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        if self.apps is None:
            return await _over_http(method, url, headers, body)
        app = app_for(self.apps, url)
        if app is None:
            raise BrowserError(f"no such host: {urlsplit(url).netloc}")
        return await call(app, method, url, headers.items(), body)


async def _over_http(method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
    jar, target = aiohttp.DummyCookieJar(), URL(url, encoded=True)  # encoded: sent as it stands, as browsers do
    async with (
        aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=30)) as session,
        session.request(method, target, headers=headers, data=body or None, allow_redirects=False) as response,
    ):
        received = tuple((name.lower(), value) for name, value in response.headers.items())
        return Answer(response.status, received, await response.read())


def _redirected(url: str, location: str) -> str:
    """Where a redirect leads; a fragment is carried on unless the new address has one (RFC 9110 section 10.2.2)."""
    target, fragment = urljoin(url, location), urlsplit(url).fragment
    return target if not fragment or urlsplit(target).fragment else f"{target}#{fragment}"


def _forbids_storing(headers: dict[str, str]) -> bool:
    control = headers.get("cache-control", "").lower()
    return any(word in control for word in ("no-store", "no-cache", "max-age=0"))


def _plain(url: str) -> str:
    return origin_of(url) + urlsplit(url).path
