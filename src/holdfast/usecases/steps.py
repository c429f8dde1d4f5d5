"""What a step of the browser comes to. How that is spelled (redirects, fragments, cookies, pages) is HTTP's matter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from holdfast.domain.tenancy import Application
from holdfast.errors import HoldfastError, OAuthRedirectUriError
from holdfast.usecases.vault import Vault

Origin = Literal["authorize", "callback", "revoke"]


@dataclass(frozen=True, slots=True)
class Binding:
    """What ties a flow to the browser that began it, for `lifetime` seconds."""

    name: str
    text: str = field(repr=False)
    lifetime: int


@dataclass(frozen=True, slots=True)
class Go:
    """The browser goes to the provider, and keeps `binding` until it is back."""

    url: str = field(repr=False)
    binding: Binding


@dataclass(frozen=True, slots=True)
class Confirm:
    """The code waits: the page at `target`, which knows the `nonce`, confirms it with `token`.

    `spent` names the binding that has done its work, if there was one.
    """

    target: str
    nonce: str = field(repr=False)
    token: str = field(repr=False)
    service_id: str
    spent: str | None


@dataclass(frozen=True, slots=True)
class Connected:
    """The grant is stored; the browser goes on to `target`."""

    target: str
    spent: str | None


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The grant is ended, or was no more; the browser goes on to `target`."""

    target: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The step came to nothing, and `target`, which is known to be good, is told so."""

    target: str
    error: HoldfastError
    origin: Origin
    service_id: str
    application_id: str


Step = Go | Confirm | Connected | Disconnected | Failed


def return_target(vault: Vault, app: Application, redirect_uri: str | None, *, required: bool = False) -> str:
    """Where the browser goes in the end: exactly a registered URI, our own page, or the application's default.

    OAuthRedirectUriError otherwise (RFC 9700 section 4.1.3: compared as text, never by pattern).
    """
    if redirect_uri in app.redirect_uris or redirect_uri == vault.callback_page:
        return redirect_uri or ""
    if redirect_uri or required:
        raise OAuthRedirectUriError()
    if not app.redirect_uris:
        raise OAuthRedirectUriError("The application has no redirect URI; name one, or register a default.")
    return app.redirect_uris[0]
