"""Who opens a link: a person's browser, on which page, by a click; or a program.

Browsers say so by Fetch Metadata (https://www.w3.org/TR/fetch-metadata/), which no page can forge or leave out, to
every https host and to loopback. Where that is missing, `Accept` and `Referer` remain.
"""

from __future__ import annotations

from collections.abc import Iterator

from starlette.datastructures import Headers

from holdfast.usecases.steps import Visit, origin_of

# Where a click can come from: a page. "none" is an address bar, a bookmark, another program on the person's machine.
_PAGES = ("same-origin", "same-site", "cross-site")
_AHEAD = ("sec-purpose", "purpose", "x-purpose", "x-moz")


def visit(headers: Headers) -> Visit:
    """How a link is opened."""
    site = headers.get("sec-fetch-site")
    navigates = headers.get("sec-fetch-mode", "navigate") == "navigate"
    return Visit(
        browser=site is not None or _quality(headers, "text/html") > 0,
        origin=origin_of(headers.get("referer", "")) if navigates and site != "none" else None,
        clicked=navigates and headers.get("sec-fetch-user") == "?1" and site in _PAGES,
    )


def reads_pages(headers: Headers) -> bool:
    """Whether whoever asks wants a page to read: it navigates, and would rather have HTML than JSON."""
    page = _quality(headers, "text/html")
    return headers.get("sec-fetch-mode", "navigate") == "navigate" and page > 0 and page >= _quality(
        headers, "application/json"
    )  # fmt: skip


def fetches_ahead(headers: Headers) -> bool:
    """Whether a link is fetched before anybody opened it."""
    said = " ".join(headers.get(name, "") for name in _AHEAD).lower()
    return "prefetch" in said or "preview" in said or "prerender" in said


def hides_sender(headers: Headers) -> bool:
    """Whether nothing says which page sent a form: old browsers do not, and extensions take it away."""
    return "sec-fetch-site" not in headers and "origin" not in headers


def is_own_form(headers: Headers, public_url: str) -> bool:
    """Whether a form was sent from a page of ours; False where nothing says so."""
    site, sender = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin") or (site is None and sender is None):
        return False
    return sender is None or sender == origin_of(public_url)


def _quality(headers: Headers, media: str) -> float:
    """How much a media type is wanted (RFC 9110 section 12.5.1); 0 if it is not named."""
    return max((q for named, q in _accepted(headers) if named == media), default=0.0)


def _accepted(headers: Headers) -> Iterator[tuple[str, float]]:
    for item in headers.get("accept", "").split(","):
        named, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            yield named, float(weight)
        except ValueError:
            continue
