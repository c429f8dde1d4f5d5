"""Rules of the credential: each kind has the words it needs, and none that it cannot use."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.catalog.problems import Finding
from holdfast.catalog.rules.manifest import Manifest
from holdfast.catalog.rules.templates import names
from holdfast.catalog.vocabulary import Text
from holdfast.domain.manifest.connector import OAuth

CLIENT_SETTINGS = {"client_id": False, "client_secret": True}
PASSWORD_SETTINGS = {"username": False, "password": True}


def credential_has_its_words(manifest: Manifest) -> Iterator[Finding]:
    """`oauth` stands exactly under `oauth2`, and a credential stands somewhere in the request."""
    auth, api = manifest.connector.auth, manifest.connector.request
    if auth.type == "oauth2" and auth.oauth is None:
        yield ("auth", "oauth"), "is required for type oauth2"
    if auth.type != "oauth2" and auth.oauth is not None:
        yield ("auth", "oauth"), f"is for type oauth2, not {auth.type}"
    if auth.type == "none" and api.auth:
        yield ("request", "auth"), "type none has no credential to place"
    if auth.type != "none" and not api.auth:
        yield ("request", "auth"), "is required: where does the credential stand?"
    for index, placement in enumerate(api.auth):
        if placement.where == "basic" and ":" not in placement.value:
            yield ("request", "auth", index, "value"), "HTTP Basic needs `user:password`; either half may be empty"


def grant_has_its_endpoints(manifest: Manifest) -> Iterator[Finding]:
    """An authorization code comes from a consent page; the other grants have none (RFC 6749 section 4)."""
    oauth = manifest.connector.auth.oauth
    if oauth is None:
        return
    if oauth.grant == "authorization_code" and oauth.authorize is None:
        yield ("auth", "oauth", "authorize"), "is required for grant authorization_code"
    if oauth.grant != "authorization_code" and oauth.authorize is not None:
        yield ("auth", "oauth", "authorize"), f"grant {oauth.grant} has no consent page"
    if oauth.requires_iss and oauth.issuer is None:
        yield ("auth", "oauth", "requires_iss"), "needs an `issuer` to compare with"
    if oauth.token.method == "GET" and oauth.token.body != "query":
        yield ("auth", "oauth", "token", "body"), "a GET has no body; write `body: query`"
    if oauth.callback.hook and oauth.client.source == "connection":
        yield ("auth", "oauth", "callback", "hook"), "needs the application's own client"


def client_has_its_settings(manifest: Manifest) -> Iterator[Finding]:
    """A client or a user of the consumer's own is typed in somewhere."""
    oauth = manifest.connector.auth.oauth
    for id, secret in _typed_in(oauth).items() if oauth else ():
        setting = manifest.connector.setting(id)
        if setting is None or setting.level != "connection":
            yield ("settings",), f"a setting {id!r} of the connection is required for this grant"
        elif secret and not setting.sensitive:
            place = next(place for place, s in manifest.settings() if s.id == id)
            yield (*place, "type"), f"{id!r} is a secret; write `type: password`"


def client_has_its_password(manifest: Manifest) -> Iterator[Finding]:
    """Headers hold no second proof of the client, and a public client needs no word for having no secret."""
    oauth = manifest.connector.auth.oauth
    if oauth is None:
        return
    if oauth.client.auth == "none" and not oauth.client.has_secret:
        yield ("auth", "oauth", "client", "has_secret"), "`auth: none` says that already"
    for place, headers in (("token", oauth.token.headers), ("revoke", oauth.revoke.headers if oauth.revoke else {})):
        for name in headers:
            if name.lower() == "authorization" and oauth.client.auth in ("basic", "basic_plain"):
                yield ("auth", "oauth", place, "headers", name), f"`client: {{auth: {oauth.client.auth}}}` sends this"


def consent_page_has_its_values(manifest: Manifest) -> Iterator[Finding]:
    """What the link to the consent page needs is known before anybody follows it."""
    oauth = manifest.connector.auth.oauth
    if oauth is None or oauth.authorize is None:
        return
    needed = [(text.place, name) for text in manifest.texts if _is_of_consent_page(text) for name in names(text.value)]
    if oauth.client.source == "connection":
        needed.append((("auth", "oauth", "client", "source"), ("settings", "client_id")))
    for place, (namespace, key) in needed:
        setting = manifest.connector.setting(key)
        if namespace == "settings" and setting and not (setting.before_authorize or setting.default):
            yield place, f"needs {key!r} before the account is connected; write `before_authorize: true` there"
        if namespace == "cred" and key != "client_id":
            yield place, f"{{cred.{key}}} does not belong in the consumer's browser"


def rotation_has_its_grace(manifest: Manifest) -> Iterator[Finding]:
    """A grace period belongs to `rotation: grace`, and only there."""
    oauth = manifest.connector.auth.oauth
    if oauth is not None and (
        (oauth.refresh.rotation == "grace") != (oauth.refresh.grace != 0) or oauth.refresh.grace < 0
    ):
        yield ("auth", "oauth", "refresh", "grace"), "goes with `rotation: grace`, in seconds"


def _is_of_consent_page(text: Text) -> bool:
    if text.kind not in ("template", "URL template"):
        return False
    in_scopes = text.place[:3] == ("auth", "oauth", "scopes") or (
        text.place[0] == "unified_apis" and "scopes" in text.place
    )
    return in_scopes or text.place[:3] == ("auth", "oauth", "authorize")


def _typed_in(oauth: OAuth) -> dict[str, bool]:
    needed = dict(CLIENT_SETTINGS) if oauth.client.source == "connection" else {}
    if not oauth.client.needs_secret:
        needed.pop("client_secret", None)
    return needed | (PASSWORD_SETTINGS if oauth.grant == "password" else {})
