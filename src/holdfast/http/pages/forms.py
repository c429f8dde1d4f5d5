"""The tokens of our forms: each works once, in the browser that was shown the form, for the link that it stood on."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from starlette.requests import Request

from holdfast.domain.mac import Mac
from holdfast.errors import RequestValidationError
from holdfast.http.pages import visitor
from holdfast.usecases.steps import Binding
from holdfast.usecases.vault import Vault

# Seconds in which a person has read the page.
LIFETIME = 1800


class StalePage(RequestValidationError):
    """The form was not sent by a page that was shown to this browser, or was sent before. Open the link again."""


class HiddenSender(RequestValidationError):
    """The browser does not say which page sent the form. Open the link again in one that does."""


def issue(vault: Vault, request: Request) -> tuple[Binding, str]:
    """A cookie for the browser that is shown a form, and the form's token.

    A browser that is shown the form in two windows keeps one cookie, so both work until one is sent.
    """
    link = _link(request)
    name = _cookie(vault, link)
    text = request.cookies.get(name) or secrets.token_urlsafe(32)
    return Binding(name, text, LIFETIME), _token(vault.keys.page.current, link, text)


def accept(vault: Vault, request: Request, token: str) -> str:
    """The name of the cookie that a sent form has used up. StalePage unless a page of ours sent it, HiddenSender if
    nothing says which page that was."""
    link = _link(request)
    name = _cookie(vault, link)
    text = request.cookies.get(name, "")
    given = token.encode("utf-8", "replace")
    good = any(hmac.compare_digest(given, _token(key, link, text).encode()) for key in vault.keys.page)
    if text and good and visitor.hides_sender(request.headers):
        raise HiddenSender()
    if not text or not good or not visitor.is_own_form(request.headers, vault.public_url):
        raise StalePage()
    return name


def _token(key: Mac, link: bytes, text: str) -> str:
    return key.digest(b"form" + link + b"|" + text.encode("utf-8", "replace")).hex()


def _cookie(vault: Vault, link: bytes) -> str:
    prefix = "__Host-" if vault.secure else ""
    return f"{prefix}hf_form_{hashlib.sha256(link).hexdigest()[:8]}"


def _link(request: Request) -> bytes:
    """All that the form stands for: which link, with all its parameters."""
    return request.url.path.encode() + b"?" + bytes(request.scope["query_string"])
