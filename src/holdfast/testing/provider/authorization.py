"""The authorization endpoint: who asks, what a person decides, what goes back (RFC 6749 section 4.1).

An error goes to the client only once the client and its redirect URI are known to belong together; before that
it is shown to the person, who must not be sent to an address that nobody registered (section 4.1.2.1).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from holdfast.testing.provider import pages
from holdfast.testing.provider.clients import RegisteredClient
from holdfast.testing.provider.ledger import Grant, Ledger
from holdfast.testing.provider.received import Received
from holdfast.testing.provider.refusal import Refusal
from holdfast.testing.provider.shape import Shape
from holdfast.testing.provider.users import User

CONSENT = "/sandbox/consent/{id}"


@dataclass(frozen=True, slots=True, repr=False)
class Pending:
    """An authorization request that waits for a person's decision."""

    client: RegisteredClient
    redirect_uri: str
    named_redirect_uri: str | None
    state: str | None
    scopes: tuple[str, ...] = ()
    challenge: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class AuthorizationEndpoint:
    """Shows the consent page and acts on the decision."""

    shape: Shape
    ledger: Ledger
    clients: Mapping[str, RegisteredClient]
    users: tuple[User, ...]
    pending: dict[str, Pending] = field(default_factory=dict)

    def ask(self, request: Received) -> Response:
        """The consent page, an error redirect, or an error page."""
        given = self._members(request)
        client = self.clients.get(given.get("client_id", ""))
        if client is None or request.repeated:
            return pages.failure("This app is not known here", "The link that brought you here names no app we know.")
        named = given.get("redirect_uri")
        redirect_uri = named if named is not None else _only(client.redirect_uris)
        if redirect_uri not in client.redirect_uris:
            return pages.failure("This app asked for a wrong address", "Its redirect URI is not registered here.")
        asked = Pending(client, redirect_uri, named, given.get("state"))
        try:
            scopes, challenge = self._check(given)
        except Refusal as refusal:
            return self._back(request, asked, {"error": refusal.code, "error_description": refusal.description})
        id = secrets.token_urlsafe(16)
        self.pending[id] = Pending(client, redirect_uri, named, given.get("state"), scopes, challenge)
        described = [(scope, (self.shape.scopes or {}).get(scope, scope)) for scope in scopes]
        return pages.consent(CONSENT.format(id=id), client.name, described, self.users)

    def decide(self, request: Received) -> Response:
        """Sends the person back to the client, with a code or with `access_denied`."""
        asked = self.pending.pop(request.segments["id"], None)
        if asked is None:
            return pages.failure("You have answered already", "Start again from the app that sent you here.")
        if request.form.get("decision") != "allow":
            return self._back(request, asked, {"error": "access_denied", "error_description": "The user said no."})
        user = next(u for u in self.users if str(u.id) == request.form.get("user", str(self.users[0].id)))
        grant = Grant(asked.client.client_id, user, asked.scopes)
        code = self.ledger.code(grant, asked.named_redirect_uri, asked.challenge)
        return self._back(request, asked, {self.shape.authorization.code: code, **self.shape.authorization.callback})

    def issuer(self, request: Received) -> str:
        return self.shape.issuer or request.base_url

    def _members(self, request: Received) -> dict[str, str]:
        named = {wire: name for name, wire in self.shape.authorization.rename.items()}
        return {named.get(name, name): value for name, value in request.query.items()}

    def _check(self, given: Mapping[str, str]) -> tuple[tuple[str, ...], str | None]:
        """The scopes and the code challenge of a request. Refusal for what RFC 6749 and RFC 7636 do not allow."""
        word = self.shape.authorization
        if "response_type" not in word.omit and given.get("response_type") != word.params.get("response_type", "code"):
            raise Refusal("unsupported_response_type", "response_type must be code")
        wrong = [name for name, value in word.params.items() if given.get(name) != value]
        if wrong:
            raise Refusal("invalid_request", f"missing or wrong: {', '.join(wrong)}")
        return scopes_of(self.shape, given.get(word.scope, "")), self._challenge(given)

    def _challenge(self, given: Mapping[str, str]) -> str | None:
        mode, challenge = self.shape.authorization.pkce, given.get("code_challenge")
        if mode == "off":
            return None
        if challenge is None and mode == "required":
            raise Refusal("invalid_request", "code_challenge is missing")
        if challenge is not None and given.get("code_challenge_method") != "S256":
            raise Refusal("invalid_request", "code_challenge_method must be S256")
        return challenge

    def _back(self, request: Received, asked: Pending, members: dict[str, str]) -> Response:
        """303, so that no browser sends the form on to the client (RFC 9700 section 4.12)."""
        if asked.state is not None:
            members["state"] = asked.state
        if self.shape.authorization.iss:
            members["iss"] = self.issuer(request)
        if self.shape.authorization.signed and "error" not in members:
            members["hmac"] = _signature(asked.client, members)
        joint = "&" if "?" in asked.redirect_uri else "?"
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return RedirectResponse(f"{asked.redirect_uri}{joint}{urlencode(members)}", 303, headers)


def scopes_of(shape: Shape, text: str) -> tuple[str, ...]:
    """The scopes that `text` asks for; all there are if it asks for none (RFC 6749 section 3.3)."""
    asked = tuple(scope for scope in text.split(shape.authorization.separator) if scope)
    if shape.scopes is None:
        return asked
    unknown = sorted(set(asked) - set(shape.scopes))
    if unknown:
        raise Refusal("invalid_scope", f"unknown: {' '.join(unknown)}")
    return asked or tuple(shape.scopes)


def _signature(client: RegisteredClient, members: Mapping[str, str]) -> str:
    message, secret = urlencode(sorted(members.items())), client.client_secret or ""
    return hmac.new(secret.encode(), message.encode(), "sha256").hexdigest()


def _only(redirect_uris: tuple[str, ...]) -> str:
    """The URI of a request that names none: RFC 6749 section 3.1.2.3 allows that if just one is registered."""
    return redirect_uris[0] if len(redirect_uris) == 1 else ""
