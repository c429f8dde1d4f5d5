"""What a step of the browser comes to. How that is spelled (redirects, fragments, cookies, pages) is HTTP's matter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from holdfast.domain.tenancy import Application, Caller, Scope
from holdfast.errors import HoldfastError, OAuthRedirectUriError, RequestValidationError
from holdfast.usecases.subject import application
from holdfast.usecases.vault import Vault

Origin = Literal["authorize", "callback", "revoke"]
# What became of a grant at its provider: ended there too, still to be told, or nobody to tell.
Ended = Literal["ended", "pending", "here"]


class FetchedAhead(RequestValidationError):
    """This link does something; it is opened, not fetched ahead."""


class NoRedirectUri(OAuthRedirectUriError):
    """The link does not say where the browser goes afterwards."""


@dataclass(frozen=True, slots=True)
class Visit:
    """How a link is opened.

    `browser`: by one, as far as it says so; else by a program, which the API answers as it is written. `origin`: the
    page that led here, where the browser tells. `clicked`: by a person, on a page. `agreed`: on our own page, whose
    form was sent.
    """

    browser: bool
    origin: str | None = None
    clicked: bool = False
    agreed: bool = False


@dataclass(frozen=True, slots=True)
class Parties:
    """Who is being joined, by name, as far as it is known."""

    application: str
    service: str | None = None
    back: str | None = None

    @classmethod
    def of(cls, vault: Vault, app: Application, service_id: str) -> Parties:
        """The product, with the way back to it where that is a web site of its own, and the service."""
        connector = vault.catalog.find(service_id)
        back = next((uri for uri in app.redirect_uris if origin_of(uri) in own_origins(vault, app)), None)
        return cls(app.name, connector.name if connector else None, back and origin_of(back))


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
class Ask:
    """A person has to agree first, on a page that says whose account becomes whose, or what ends."""

    what: Literal["connect", "disconnect"]
    parties: Parties
    customer: str
    target: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """The code waits: the page at `target`, which knows the `nonce`, confirms it with `token`.

    `spent` names the binding that has done its work, if there was one.
    """

    parties: Parties

    target: str
    nonce: str = field(repr=False)
    token: str = field(repr=False)
    service_id: str
    spent: str | None


@dataclass(frozen=True, slots=True)
class Connected:
    """The grant is stored; the browser goes on to `target`."""

    parties: Parties
    target: str
    spent: str | None


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The grant is ended, or was no more; the browser goes on to `target`."""

    parties: Parties
    ended: Ended
    target: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The step came to nothing, and `target`, which is known to be good, is told so."""

    parties: Parties
    target: str
    error: HoldfastError
    origin: Origin
    service_id: str
    application_id: str


Step = Go | Ask | Confirm | Connected | Disconnected | Failed


async def parties(vault: Vault, service_id: str, application_id: str) -> Parties:
    """Who is named in a link's path. EntityNotFoundError if there is no such application."""
    app = await application(Scope(application_id, Caller.own("link")), vault)
    return Parties.of(vault, app, service_id)


def return_target(vault: Vault, app: Application, redirect_uri: str | None, *, required: bool = False) -> str:
    """Where the browser goes in the end: exactly a registered URI, our own page, or the application's default.

    OAuthRedirectUriError otherwise (RFC 9700 section 4.1.3: compared as text, never by pattern).
    """
    if redirect_uri in app.redirect_uris or redirect_uri == vault.callback_page:
        return redirect_uri or ""
    if redirect_uri:
        raise OAuthRedirectUriError()
    if required:
        raise NoRedirectUri()
    if not app.redirect_uris:
        raise OAuthRedirectUriError("The application has no redirect URI; name one, or register a default.")
    return app.redirect_uris[0]


def own_origins(vault: Vault, app: Application) -> frozenset[str]:
    """The origins of the application's own pages: those it returns to, but for ours, which are nobody's own."""
    named = {origin_of(uri) for uri in app.redirect_uris} - {None, origin_of(vault.public_url)}
    return frozenset(found for found in named if found)


def origin_of(url: str) -> str | None:
    """The origin of an http(s) URL (RFC 6454), None for any other text."""
    try:
        at = urlsplit(url)
        host, port = at.hostname, at.port
    except ValueError:
        return None
    if at.scheme not in ("http", "https") or not host:
        return None
    named = f"[{host}]" if ":" in host else host
    usual = 80 if at.scheme == "http" else 443
    return f"{at.scheme}://{named}" + (f":{port}" if port not in (None, usual) else "")
