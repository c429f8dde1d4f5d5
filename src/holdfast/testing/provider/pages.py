"""The pages a person sees at the provider: consent, and what went wrong.

Rendered on the server, without script; the style sheet stands in the page and is allowed by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from holdfast.testing.provider.users import User

_STYLE = files(__package__).joinpath("templates/sandbox.css").read_text(encoding="utf-8")
_HASH = "sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_TEMPLATES = Environment(
    loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
# No form-action: browsers apply it to the redirects that follow a form, and those lead to the client and beyond.
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src '{_HASH}'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def consent(action: str, client: str, scopes: Sequence[tuple[str, str]], users: Sequence[User]) -> HTMLResponse:
    """Asks a person whether `client` may have `scopes` (name, meaning). The form goes to `action`."""
    return _page("consent.html", 200, action=action, client=client, scopes=scopes, users=users)


def failure(title: str, text: str) -> HTMLResponse:
    """Says what is wrong with a request that may not be answered by a redirect."""
    return _page("failure.html", 400, title=title, text=text)


def _page(template: str, status: int, **values: object) -> HTMLResponse:
    return HTMLResponse(_TEMPLATES.get_template(template).render(style=_STYLE, **values), status, _HEADERS)
