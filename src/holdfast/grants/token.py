"""The token endpoint: one generator for each grant, one runner for what they share (RFC 6749 sections 4, 6)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Container, Generator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import quote_plus

from holdfast.domain.credential import Client, OAuthToken
from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest.connector import GrantType
from holdfast.domain.manifest.oauth import ClientAuth
from holdfast.domain.manifest.template import render, render_header, render_tree, render_url
from holdfast.errors import ConnectorCredentialsError, OAuthCredentialsNotFoundError
from holdfast.grants.answer import captured, check_refusal, read_token
from holdfast.grants.flow import Setup, asked_scopes, document, form, with_query
from holdfast.grants.sent import Sent


@dataclass(frozen=True, slots=True)
class Granted:
    """A token, and the settings that came with it."""

    token: OAuthToken
    captured: Mapping[str, str] = field(default_factory=dict)

    def without(self, sent: Sent) -> Granted:
        """The token as it is: a provider that does not rotate gives a refresh token back. The rest, without."""
        kind, scope = (None if text in sent else text for text in (self.token.token_type, self.token.scope))
        token = replace(self.token, token_type=kind, scope=scope)
        return Granted(token, {id: text for id, text in self.captured.items() if text not in sent})


TokenFlow = Generator[Request, Response, Granted]


def exchange_code(setup: Setup, code: str, *, redirect_uri: str, verifier: str | None, now: int) -> TokenFlow:
    """Redeems an authorization code (RFC 6749 section 4.1.3, RFC 7636 section 4.5)."""
    members = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    if verifier:
        members["code_verifier"] = verifier
    return (yield from _request_token(setup, members, now))


def client_credentials(setup: Setup, now: int) -> TokenFlow:
    """Asks for a token in the client's own name (RFC 6749 section 4.4)."""
    members = {"grant_type": "client_credentials", **asked_scopes(setup)}
    return (yield from _request_token(setup, members, now))


def password(setup: Setup, now: int) -> TokenFlow:
    """Exchanges the consumer's user name and password (RFC 6749 section 4.3)."""
    settings = setup.values.get("settings", {})
    members = {
        "grant_type": "password",
        "username": settings.get("username", ""),
        "password": settings.get("password", ""),
        **asked_scopes(setup),
    }
    return (yield from _request_token(setup, members, now))


GRANTS: dict[GrantType, Callable[[Setup, int], TokenFlow]] = {
    "client_credentials": client_credentials,
    "password": password,
}


def refresh(setup: Setup, token: OAuthToken, *, redirect_uri: str, now: int) -> TokenFlow:
    """Refreshes `token` (RFC 6749 section 6). ConnectorCredentialsError if it has no refresh token."""
    if token.refresh_token is None:
        raise ConnectorCredentialsError("The connection has no refresh token.")
    word = setup.oauth.refresh
    members = {"grant_type": "refresh_token", "refresh_token": token.refresh_token.reveal()}
    if word.send_redirect_uri:
        members["redirect_uri"] = redirect_uri
    if word.send_scopes:
        members |= asked_scopes(setup)
    members |= {name: render(value, setup.values) for name, value in word.params.items()}
    return (yield from _request_token(setup, members, now, previous=token, url=word.url))


def _request_token(
    setup: Setup, members: Mapping[str, str], now: int, previous: OAuthToken | None = None, url: str | None = None
) -> TokenFlow:
    response = yield token_request(setup, members, url=url, refreshing=previous is not None)
    return granted_by(setup, response, now, previous)


def granted_by(setup: Setup, response: Response, now: int, previous: OAuthToken | None = None) -> Granted:
    """What a token endpoint's answer grants. `now` is when it was asked for (ms), `previous` what was refreshed.

    GrantRejected, GrantMisconfigured or GrantDeferred if it grants nothing.
    """
    check_refusal(setup.connector, response, now)
    return Granted(read_token(setup.oauth, response, now, previous), captured(setup.oauth, response))


def token_request(setup: Setup, members: Mapping[str, str], *, url: str | None, refreshing: bool) -> Request:
    """The request of the token endpoint, in the form and with the client authentication that the manifest names."""
    word = setup.oauth.token
    target = render_url(url or word.url, setup.values, setup.hosts)
    extra = {} if refreshing else render_tree(word.params, setup.values)
    members = {**members, **extra}
    return send_members(
        setup,
        target,
        word.method,
        word.body,
        members,
        headers={"Accept": word.accept, **word.headers},
        rename=word.rename,
        omit=word.omit,
    )


def send_members(
    setup: Setup,
    url: str,
    method: str,
    body: str,
    members: Mapping[str, str],
    *,
    headers: Mapping[str, str],
    rename: Mapping[str, str] = MappingProxyType({}),
    omit: Container[str] = (),
) -> Request:
    """A request that carries `members` as form, JSON or query, authenticated as the OAuth client. `headers` are
    templates, and one of the manifest's own replaces ours."""
    shown_in_headers, shown = authenticate(setup)
    sent = {**shown_in_headers, **rendered_headers(setup, headers)}
    content: bytes | None = None
    if setup.oauth.client.auth == "query":
        url = with_query(url, {rename.get(name, name): value for name, value in shown.items()})
    else:
        members = {**members, **shown}
    members = {rename.get(name, name): value for name, value in members.items() if name not in omit}
    if body == "query" or method == "GET":
        url = with_query(url, members)
    elif body == "json":
        sent = {"Content-Type": "application/json", **sent}
        content = document(members)
    elif body == "form":
        sent = {"Content-Type": "application/x-www-form-urlencoded", **sent}
        content = form(members)
    return Request(method, url, sent, content, setup.hosts)


def rendered_headers(setup: Setup, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that have a value. ConnectionSettingsError for one that a header cannot carry."""
    rendered = {name: render_header(value, setup.values) for name, value in headers.items()}
    return {name: value for name, value in rendered.items() if value}


def authenticate(setup: Setup) -> tuple[dict[str, str], dict[str, str]]:
    """How the client shows who it is: headers, or members of body or query (RFC 6749 section 2.3.1)."""
    word, client = setup.oauth.client, setup.client
    style = word.auth
    if client is None or (client.client_secret is None and word.needs_secret):
        raise OAuthCredentialsNotFoundError()
    if style in ("basic", "basic_plain"):
        return {"Authorization": basic_client(client, style)}, {}
    if client.client_secret is None or style == "none":
        return {}, {"client_id": client.client_id}
    return {}, {"client_id": client.client_id, "client_secret": client.client_secret.reveal()}


def basic_client(client: Client, style: ClientAuth) -> str:
    """HTTP Basic with form-encoded id and secret, as RFC 6749 section 2.3.1 asks; `basic_plain`: as they are, which
    is what RFC 7617 alone would say. A client without a secret has an empty password."""
    secret = client.client_secret.reveal() if client.client_secret else ""
    encode = str if style == "basic_plain" else quote_plus
    pair = f"{encode(client.client_id)}:{encode(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
