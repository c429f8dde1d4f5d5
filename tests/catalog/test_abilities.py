"""What real services ask of a manifest, each ability with a service that needs it.

Most are used by a shipped connector; `services` beside this file holds the others, as facts of services that do not
come with Holdfast yet. An ability that nobody uses is not known to be needed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.catalog import Catalog
from holdfast.catalog.vocabulary import words
from holdfast.domain.manifest.connector import Connector, OAuth, Placement, RequestTemplate, Verify
from holdfast.domain.manifest.template import expand, names

CATALOG = Catalog.load(Path(__file__).parent / "services")

Ability = Callable[[Connector], object]
OAuthAbility = Callable[[OAuth], object]


def _oauth(ability: OAuthAbility) -> Ability:
    return lambda connector: connector.auth.oauth and ability(connector.auth.oauth)


def _authorize(ability: OAuthAbility) -> Ability:
    return lambda connector: connector.auth.oauth and connector.auth.oauth.authorize and ability(connector.auth.oauth)


def _request(ability: Callable[[RequestTemplate], object]) -> Ability:
    return lambda connector: any(ability(request) for _, request in words(connector, RequestTemplate))


def _placed(ability: Callable[[Placement], object]) -> Ability:
    return lambda connector: any(ability(placement) for placement in connector.request.auth)


def _verified(ability: Callable[[Verify], object]) -> Ability:
    return lambda connector: connector.verify and ability(connector.verify)


def _names_setting(text: str | None) -> bool:
    return bool(text) and any(namespace == "settings" for namespace, _ in names(text or ""))


def _has_default_host(connector: Connector) -> bool:
    oauth = connector.auth.oauth
    page = oauth.authorize.url if oauth and oauth.authorize else ""
    return any(s.default and "." in s.default and f"{{{s.id}}}" in page for s in connector.settings)


def _params(oauth: OAuth) -> dict[str, str]:
    return oauth.authorize.params if oauth.authorize else {}


def _value_of_integration(connector: Connector) -> bool:
    return any(_app(text) for text in connector.request.headers.values()) or any(
        _app(placement.value) for placement in connector.request.auth
    )


def _app(text: str) -> bool:
    return any(namespace == "app" for namespace, _ in names(text))


SHIPPED: dict[str, Ability] = {
    # the consent page
    "its host is built from a setting": _authorize(lambda o: o.authorize and _names_setting(o.authorize.url)),
    "its host has a default that a setting overrides": _has_default_host,
    "a field is filled in before": lambda c: any(s.before_authorize for s in c.settings),
    "it takes further fixed parameters": _oauth(_params),
    "it does without a standard parameter": _authorize(lambda o: o.authorize and o.authorize.omit),
    "scopes are joined by commas": _oauth(lambda o: o.scopes.separator == ","),
    "it takes a second list of scopes": _oauth(lambda o: o.scopes.extra),
    "it takes no scopes at all": _authorize(lambda o: not o.scopes.default),
    "a scope contains a setting": _oauth(lambda o: any(_names_setting(scope) for scope in o.scopes.default)),
    "it refuses PKCE": _oauth(lambda o: o.pkce == "off"),
    "it is known by its issuer": _oauth(lambda o: o.issuer),
    # the callback
    "its query fills a setting": _oauth(lambda o: o.callback.capture),
    "its query is signed": _oauth(lambda o: o.callback.hook == "hmac_query"),
    # the token endpoint
    "the client stands in HTTP Basic": _oauth(lambda o: o.client.auth == "basic"),
    "the client stands in the body": _oauth(lambda o: o.client.auth == "body"),
    "the client is public": _oauth(lambda o: o.client.auth == "none"),
    "the body is JSON": _oauth(lambda o: o.token.body == "json"),
    "its host comes from the callback": _oauth(
        lambda o: any(o.token.url.startswith(f"{{{i}}}") for i in o.callback.capture)
    ),
    "it takes further parameters": _oauth(lambda o: o.token.params),
    "it grants to the client itself": _oauth(lambda o: o.grant == "client_credentials"),
    "it grants to a user name and a password": _oauth(lambda o: o.grant == "password"),
    "the lifetime is a moment in ISO 8601": _oauth(
        lambda o: o.token.response.expires and o.token.response.expires.form == "iso"
    ),
    "the lifetime is a moment in seconds": _oauth(
        lambda o: o.token.response.expires and o.token.response.expires.form == "epoch_s"
    ),
    "the token does not expire": _oauth(lambda o: o.token.response.expires is None),
    "the lifetime of the refresh token is told": _oauth(lambda o: o.token.response.refresh_expires),
    "a failure is a flag in an answer with status 200": _oauth(lambda o: o.token.response.error.when is not None),
    "its own error codes mean what they mean": _oauth(lambda o: {"rejected", "misconfigured"} <= {*o.errors.values()}),
    "the answer fills a setting": _oauth(lambda o: o.token.response.capture),
    "the answer fills a setting from within": _oauth(
        lambda o: any("." in at for at in o.token.response.capture.values())
    ),
    # refresh and revocation
    "a refresh token stays good": _oauth(lambda o: o.refresh.rotation == "none"),
    "a refresh token is good once": _oauth(lambda o: o.refresh.rotation == "strict"),
    "a refresh token is good for a while longer": _oauth(lambda o: o.refresh.grace),
    "a refresh token that comes twice ends the grant": _oauth(lambda o: o.refresh.rotation == "family"),
    "refresh has its own endpoint": _oauth(lambda o: o.refresh.url),
    "refresh takes further parameters": _oauth(lambda o: o.refresh.params),
    "refresh is refused until just before the end": _oauth(lambda o: o.refresh.not_before_expiry),
    "a refresh token dies if it is not used": _oauth(lambda o: o.refresh.idle_lifetime),
    "revocation follows RFC 7009": _oauth(
        lambda o: o.revoke and o.revoke.method == "POST" and "token" in o.revoke.params
    ),
    "revocation has the token in its path": _oauth(lambda o: o.revoke and "{cred.refresh_token}" in o.revoke.url),
    "revocation is a DELETE by the client in HTTP Basic": _oauth(
        lambda o: o.revoke and (o.revoke.method, o.revoke.auth) == ("DELETE", "client_basic")
    ),
    "revocation is a call with the credential": _oauth(lambda o: o.revoke and o.revoke.auth == "credential"),
    "revocation names the account instead of the token": _oauth(
        lambda o: o.revoke and any(_names_setting(text) for text in o.revoke.params.values())
    ),
    # calls to the service
    "the address is a setting": lambda c: (c.request.base_url or "").startswith("{"),
    "the address contains the account": lambda c: _names_setting(
        (c.request.base_url or "").partition("://")[2].partition("/")[2]
    ),
    "one host of a list is called": lambda c: any(len(expand(host)) > 1 for host in c.hosts),
    "a second host of the vendor may be called": lambda c: c.hosts and not any("*" in h or "{" in h for h in c.hosts),
    "the credential follows Bearer": _placed(lambda p: p.value.startswith("Bearer ")),
    "the credential follows another word": _placed(lambda p: " {" in p.value and not p.value.startswith("Bearer ")),
    "the credential has a header of its own": _placed(lambda p: p.where == "header" and p.name != "Authorization"),
    "the credential stands in the query": _placed(lambda p: p.where == "query"),
    "the credential is user and password": _placed(lambda p: p.where == "basic" and p.value.count("{") == 2),
    "the password is a constant": _placed(lambda p: p.where == "basic" and p.value.endswith(":x")),
    "the password is empty": _placed(lambda p: p.where == "basic" and p.value.endswith(":")),
    "there are several credentials at once": lambda c: len(c.request.auth) > 1,
    "a header is left out without its setting": lambda c: any(
        _app(text) and not all(s.required for s in c.at("integration")) for text in c.request.headers.values()
    ),
    "the application has a value of its own": _value_of_integration,
    "the consumer brings the OAuth client": _oauth(lambda o: o.client.source == "connection"),
    "a version stands in a header": lambda c: any("version" in name.lower() for name in c.request.headers),
    "every call names the account": lambda c: any(_names_setting(text) for text in c.request.headers.values()),
    # after the connection
    "a call fills a setting": lambda c: c.after_connect,
    "the consumer picks from what the account has": lambda c: any(s.options_from for s in c.settings),
    "credentials are tried by GET": _verified(lambda v: v.request.method == "GET"),
    "credentials are tried by POST": _verified(lambda v: v.request.method == "POST"),
    "only the body tells whether they work": _verified(lambda v: v.body),
    "custom fields have a path for each resource": lambda c: len(c.custom_fields) > 1,
    "custom fields have one path with the resource in it": _request(lambda r: "{resource." in (r.path or "")),
    "custom fields have one call with the resource in its query": _request(
        lambda r: any("{resource." in text for text in r.query.values())
    ),
    "custom fields are one list for all resources": lambda c: "*" in c.custom_fields and not c.resources,
    "custom fields are told from the service's own": lambda c: any(
        f.map.custom or f.map.standard for f in c.custom_fields.values()
    ),
    "a resource has a form of defaults": lambda c: any(unified.config for unified in c.unified_apis.values()),
    "there is nothing to prove": lambda c: c.auth.type == "none",
}

BESIDE: dict[str, Ability] = {
    "a standard parameter of the consent page has another name": _authorize(
        lambda o: o.authorize and o.authorize.rename
    ),
    "the client has another id at the consent page": _authorize(
        lambda o: o.authorize and "client_id" in o.authorize.omit
    ),
    "the response type is another one": _oauth(lambda o: "response_type" in _params(o)),
    "scopes are joined by a plus": _oauth(lambda o: o.scopes.plus_encoded),
    "a resource is named at every step": _oauth(
        lambda o: "resource" in _params(o).keys() & o.token.params.keys() & o.refresh.params.keys()
    ),
    "PKCE is required": _oauth(lambda o: o.pkce == "required"),
    "the redirect URI is a name": _oauth(lambda o: "redirect_uri" in _params(o).keys() & o.token.params.keys()),
    "the code has another name": _oauth(lambda o: o.callback.code != "code"),
    "a member of the token request has another name": _oauth(lambda o: o.token.rename),
    "the grant type has another name": _oauth(lambda o: "grant_type" in o.token.params),
    "the grant type is not sent": _oauth(lambda o: "grant_type" in o.token.omit),
    "the access token has another name": _oauth(lambda o: o.token.response.access_token != "access_token"),
    "the credential stands alone": _placed(lambda p: (p.name, p.value) == ("Authorization", "{cred.access_token}")),
    "two values are encoded together": _placed(lambda p: p.encode == "base64" and p.value.count("{") == 2),
    "the client id is a header of each call": _placed(lambda p: p.value == "{cred.client_id}"),
    "the caller names itself": lambda c: "User-Agent" in c.request.headers,
    "a call is a query in a language with braces": _request(
        lambda r: r.json and any("{{" in str(v) for v in r.json.values())
    ),
    "custom fields are asked for by POST": lambda c: any(f.request.method == "POST" for f in c.custom_fields.values()),
}


@pytest.mark.parametrize("ability", SHIPPED.values(), ids=SHIPPED.keys())
def test_a_shipped_connector_needs_it(ability: Ability) -> None:
    """Each of these is used by a connector that comes with Holdfast."""
    assert any(ability(connector) for connector in CATALOG.all() if CATALOG.is_shipped(connector.id))


@pytest.mark.parametrize("ability", BESIDE.values(), ids=BESIDE.keys())
def test_a_service_beside_them_needs_it(ability: Ability) -> None:
    """Each of these is needed by a service that does not come with Holdfast yet, and by none that does."""
    users = {CATALOG.is_shipped(connector.id) for connector in CATALOG.all() if ability(connector)}

    assert users == {False}
