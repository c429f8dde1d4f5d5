"""The token endpoint: authorization_code, refresh_token, client_credentials, password (RFC 6749 sections 4 and 6).

To add a grant type: a function from `Asked` to `Issue`, and its line in `GRANTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from starlette.responses import Response

from holdfast.testing.provider import answers
from holdfast.testing.provider.authorization import scopes_of
from holdfast.testing.provider.clients import RegisteredClient, authenticate
from holdfast.testing.provider.ledger import Grant, Issue, Ledger
from holdfast.testing.provider.received import Received
from holdfast.testing.provider.refusal import Refusal
from holdfast.testing.provider.shape import Shape
from holdfast.testing.provider.users import User

# RFC 6749 section 2.3.1 keeps the client's secret out of the URL; the same goes for whatever it is exchanged for.
KEPT_OUT_OF_URLS = {"code", "code_verifier", "refresh_token", "username", "password"}


@dataclass(frozen=True, slots=True, repr=False)
class TokenEndpoint:
    """Answers token requests. `clients` by client id; the first of `users` is who client_credentials acts for."""

    shape: Shape
    ledger: Ledger
    clients: Mapping[str, RegisteredClient]
    users: tuple[User, ...]

    def grant_type(self, request: Received) -> str:
        """RFC 6749's name of the grant that `request` asks for, as far as can be told; else `unknown`."""
        members = self._members(request)
        given = members.get("grant_type", "")
        if not given and "grant_type" in self.shape.token.omit:
            by_member = {"refresh_token": "refresh_token", "code": "authorization_code"}
            given = next((grant for name, grant in by_member.items() if name in members), "client_credentials")
        return self.shape.token.grant_types.get(given, given) or "unknown"

    def answer(self, request: Received) -> Response:
        try:
            issue = self._grant(request)
        except Refusal as refusal:
            return answers.refused(self.shape.answer, request, refusal)
        return answers.granted(self.shape, request, issue, self.ledger.clock.now())

    def _grant(self, request: Received) -> Issue:
        word, grant_type = self.shape.token, self.grant_type(request)
        if request.repeated:
            raise Refusal("invalid_request", f"repeated: {', '.join(sorted(request.repeated))}")
        client = authenticate(self.clients, request, word.client_auth, word.rename)
        members = self._members(request)
        required = word.refresh_params if grant_type == "refresh_token" else word.params
        wrong = [name for name, value in required.items() if members.get(name) != value]
        if wrong:
            raise Refusal("invalid_request", f"missing or wrong: {', '.join(wrong)}")
        here = word.refresh_url if grant_type == "refresh_token" and word.refresh_url else word.url
        if grant_type not in GRANTS or unquote(urlsplit(here).path) != request.path:
            raise Refusal("unsupported_grant_type", "this endpoint has no such grant type")
        return GRANTS[grant_type](Asked(self, client, members))

    def _members(self, request: Received) -> dict[str, str]:
        """The request's parameters under RFC 6749's names, from where the shape wants them."""
        word = self.shape.token
        if word.body == "query" or word.method == "GET":
            given = request.query
        else:
            in_url = {name: value for name, value in request.query.items() if name not in KEPT_OUT_OF_URLS}
            given = {**in_url, **(request.form if word.body == "form" else request.members)}
        named = {wire: name for name, wire in word.rename.items()}
        return {named.get(name, name): value for name, value in given.items()}


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """A token request whose client is known."""

    at: TokenEndpoint
    client: RegisteredClient
    members: Mapping[str, str]

    def required(self, name: str) -> str:
        if not self.members.get(name):
            raise Refusal("invalid_request", f"missing: {name}")
        return self.members[name]

    def grant_to(self, user: User) -> Grant:
        """A grant without a consent page, of the scopes that were asked for."""
        scopes = scopes_of(self.at.shape, self.members.get(self.at.shape.authorization.scope, ""))
        return Grant(self.client.client_id, user, scopes)


def _authorization_code(asked: Asked) -> Issue:
    knows_pkce = asked.at.shape.authorization.pkce != "off"
    return asked.at.ledger.redeem(
        asked.required("code"),
        asked.client.client_id,
        asked.members.get("redirect_uri"),
        asked.members.get("code_verifier") if knows_pkce else None,
    )


def _refresh_token(asked: Asked) -> Issue:
    if asked.at.shape.token.redirect_uri_on_refresh:
        asked.required("redirect_uri")
    return asked.at.ledger.reissue(asked.required("refresh_token"), asked.client.client_id)


def _client_credentials(asked: Asked) -> Issue:
    return asked.at.ledger.issue(asked.grant_to(asked.at.users[0]), refreshable=False)


def _password(asked: Asked) -> Issue:
    name, password = asked.required("username"), asked.required("password")
    user = next((user for user in asked.at.users if (user.email, user.password) == (name, password)), None)
    if user is None:
        raise Refusal("invalid_grant", "wrong user name or password")
    return asked.at.ledger.issue(asked.grant_to(user))


GRANTS: dict[str, Callable[[Asked], Issue]] = {
    "authorization_code": _authorization_code,
    "refresh_token": _refresh_token,
    "client_credentials": _client_credentials,
    "password": _password,
}
