"""A page as a response: words and names in the template, under headers that let it load and do nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, Response

from holdfast.http.pages.sentences import WORDS, Note, Said

NAME_LIMIT = 80
HUES = "0123456789ab"
# What turns or hides the text around it: a name must not make a sentence say something else.
_UNSHOWN = frozenset(map(chr, (*range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF, 0xAD)))

STYLESHEET = (files("holdfast.http.pages") / "static" / "holdfast.css").read_bytes()
STYLESHEET_PATH = f"/assets/holdfast-{hashlib.sha256(STYLESHEET).hexdigest()[:12]}.css"

_TEMPLATES = Environment(
    loader=PackageLoader("holdfast.http.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip


class Name:
    """A name as it may be shown: short, printable, and kept apart from the text around it."""

    def __init__(self, text: str) -> None:
        self.text = "".join(c for c in text if c.isprintable() and c not in _UNSHOWN)[:NAME_LIMIT] or "?"

    @property
    def marked(self) -> Markup:
        """In an element of its own (HTML: `bdi`), so that its direction stays within it."""
        return Markup("<bdi>{}</bdi>").format(self.text)

    @property
    def letters(self) -> str:
        """What stands for it where there is no logo."""
        return "".join(word[0] for word in self.text.split()[:2]).upper() or "?"

    @property
    def hue(self) -> str:
        return HUES[hashlib.sha256(self.text.encode()).digest()[0] % len(HUES)]


@dataclass(frozen=True, slots=True)
class Form:
    """What a page's two buttons send, and where to. `danger`: the one that agrees ends something."""

    action: str
    token: str = field(repr=False)
    danger: bool = False


def page(
    said: Said,
    status: int = 200,
    *,
    names: Mapping[str, str] | None = None,
    facts: Sequence[tuple[str, str, str]] = (),
    form: Form | None = None,
    back: str | None = None,
    code: str = "",
) -> Response:
    """The page that says `said`.

    `names` are of `service`, `application` and `customer`, as far as they are known; `back` leads to the
    application; `code` is the kind of error, for whoever is asked for help.
    """
    words = WORDS[said]
    known = {role: Name(text) for role, text in (names or {}).items()}
    put = _names(known)
    context: dict[str, Any] = {
        "stylesheet": STYLESHEET_PATH,
        "tie": words.tie,
        "heading": _said(words.heading, put),
        "text": [_said(text, put) for text in words.text.splitlines()],
        "note": words.note and Note(words.note.tone, _said(words.note.title, put), _said(words.note.text, put)),
        "facts": [(name, Name(value).text, more) for name, value, more in facts],
        "service": known.get("service"),
        "application": known.get("application"),
        "form": form and _form(form, words.agree, words.decline, put),
        "back": back,
        "code": code,
    }
    text = _TEMPLATES.get_template("flow.html").render(context)
    return HTMLResponse(text, status, _headers(posts=form is not None))


def _names(known: Mapping[str, Name]) -> dict[str, Markup]:
    nameless = {"service": "the service", "application": "the application", "customer": "this account"}
    return {role: known[role].marked if role in known else Markup(text) for role, text in nameless.items()}  # noqa: S704 - ours


def _said(text: str, names: Mapping[str, Markup]) -> Markup:
    said = escape(text).format(**names)
    return said[:1].upper() + said[1:]


def _form(form: Form, agree: str, decline: str, names: Mapping[str, Markup]) -> dict[str, Any]:
    return {
        "action": form.action,
        "token": form.token,
        "danger": form.danger,
        "agree": _said(agree, names),
        "decline": _said(decline, names),
    }


def _headers(*, posts: bool) -> dict[str, str]:
    """A form leads on to the service, which may send the browser over any of its hosts: Chromium holds all of them
    against `form-action`. With `no-referrer` a browser would not say that a form came from our own page
    (Fetch, 3.2: `Origin: null`), so that page says it to us, and to nobody else."""
    policy = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action " + (
        "'self' https: http://127.0.0.1:* http://localhost:*" if posts else "'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin" if posts else "no-referrer",
        "X-Robots-Tag": "noindex",
        "X-Frame-Options": "DENY",
        # The same address may be answered otherwise to a program.
        "Vary": "Accept, Sec-Fetch-Mode, Sec-Fetch-Site",
    }
