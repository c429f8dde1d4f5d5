"""The token endpoint: one generator for each grant, one runner for what they share (RFC 6749 sections 4, 6)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Container, Generator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote_plus

from holdfast.domain.credential import Client, OAuthToken
from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest.connector import GrantType
from holdfast.domain.manifest.template import render, render_tree, render_url
from holdfast.errors import ConnectorCredentialsError, OAuthCredentialsNotFoundError
from holdfast.grants.answer import captured, check_refusal, read_token
from holdfast.grants.flow import Setup, document, form, with_query


@dataclass(frozen=True, slots=True)
class Granted:
    """A token, and the settings that came with it."""

    token: OAuthToken
    captured: Mapping[str, str] = field(default_factory=dict)


TokenFlow = Generator[Request, Response, Granted]


def exchange_code(setup: Setup, code: str, *, redirect_uri: str, verifier: str | None, now: int) -> TokenFlow:
    """Redeems an authorization code (RFC 6749 section 4.1.3, RFC 7636 section 4.5)."""
    members = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    if verifier:
        members["code_verifier"] = verifier
    return (yield from _request_token(setup, members, now))


def client_credentials(setup: Setup, now: int) -> TokenFlow:
    """Asks for a token in the client's own name (RFC 6749 section 4.4)."""
    members = {"grant_type": "client_credentials", **_scope(setup)}
    return (yield from _request_token(setup, members, now))


def password(setup: Setup, now: int) -> TokenFlow:
    """Exchanges the consumer's user name and password (RFC 6749 section 4.3)."""
    settings = setup.values.get("settings", {})
    members = {
        "grant_type": "password",
        "username": settings.get("username", ""),
        "password": settings.get("password", ""),
        **_scope(setup),
    }
    return (yield from _request_token(setup, members, now))


GRANTS: dict[GrantType, Callable[[Setup, int], TokenFlow]] = {
    "client_credentials": client_credentials,
    "password": password,
}


def refresh(setup: Setup, token: OAuthToken, *, redirect_uri: str, now: int) -> TokenFlow:
    """Renews `token` (RFC 6749 section 6). ConnectorCredentialsError if it has no refresh token."""
    if token.refresh_token is None:
        raise ConnectorCredentialsError("The connection has no refresh token.")
    word = setup.oauth.refresh
    members = {"grant_type": "refresh_token", "refresh_token": token.refresh_token.reveal()}
    if word.send_redirect_uri:
        members["redirect_uri"] = redirect_uri
    members |= {name: render(value, setup.values) for name, value in word.params.items()}
    return (yield from _request_token(setup, members, now, previous=token, url=word.url))


def _request_token(
    setup: Setup, members: Mapping[str, str], now: int, previous: OAuthToken | None = None, url: str | None = None
) -> TokenFlow:
    response = yield token_request(setup, members, url=url, refreshing=previous is not None)
    check_refusal(setup.connector, response)
    return Granted(read_token(setup.oauth, response, now, previous), captured(setup.oauth, response))


def token_request(setup: Setup, members: Mapping[str, str], *, url: str | None, refreshing: bool) -> Request:
    """The request of the token endpoint, in the form and with the client authentication that the manifest names."""
    word = setup.oauth.token
    target = render_url(url or word.url, setup.values, setup.hosts)
    extra = {} if refreshing else render_tree(word.params, setup.values)
    members = {**members, **extra}
    return send_members(
        setup, target, word.method, word.body, members, accept=word.accept, rename=word.rename, omit=word.omit
    )


def send_members(
    setup: Setup,
    url: str,
    method: str,
    body: str,
    members: Mapping[str, str],
    *,
    accept: str = "application/json",
    rename: Mapping[str, str] = MappingProxyType({}),
    omit: Container[str] = (),
) -> Request:
    """A request that carries `members` as form, JSON or query, authenticated as the OAuth client."""
    headers, shown = authenticate(setup)
    headers["Accept"] = accept
    content: bytes | None = None
    if setup.oauth.client.auth == "query":
        url = with_query(url, {rename.get(name, name): value for name, value in shown.items()})
    else:
        members = {**members, **shown}
    members = {rename.get(name, name): value for name, value in members.items() if name not in omit}
    if body == "query" or method == "GET":
        url = with_query(url, members)
    elif body == "json":
        headers["Content-Type"], content = "application/json", document(members)
    elif body == "form":
        headers["Content-Type"], content = "application/x-www-form-urlencoded", form(members)
    return Request(method, url, headers, content, setup.hosts)


def authenticate(setup: Setup) -> tuple[dict[str, str], dict[str, str]]:
    """How the client shows who it is: headers, or members of body or query (RFC 6749 section 2.3.1)."""
    style = setup.oauth.client.auth
    client = setup.client
    if client is None or (client.client_secret is None and style != "none"):
        raise OAuthCredentialsNotFoundError()
    if style == "basic":
        return {"Authorization": basic_client(client)}, {}
    if client.client_secret is None or style == "none":
        return {}, {"client_id": client.client_id}
    return {}, {"client_id": client.client_id, "client_secret": client.client_secret.reveal()}


def basic_client(client: Client) -> str:
    """HTTP Basic with form-encoded id and secret, as RFC 6749 section 2.3.1 asks."""
    secret = client.client_secret.reveal() if client.client_secret else ""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _scope(setup: Setup) -> dict[str, str]:
    scopes = setup.oauth.scopes
    text = scopes.separator.join(filter(None, (render(s, setup.values) for s in scopes.default)))
    return {scopes.param: text} if text else {}
