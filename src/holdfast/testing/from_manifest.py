"""A provider that looks like the one a manifest describes, so that the manifest's whole flow can be tried.

    account = example(connector, files("holdfast") / "connectors" / connector.id)
    provider = provider_for(connector, account, clock=clock, redirect_uri=redirect_uri)
    network.apps |= {host: provider.app for host in allowed_hosts(connector)}

Owns the way from the manifest's words to the sandbox provider's. What the account is like comes from the files that
lie in `examples` beside the manifest, where defaults do not suffice: `settings.json` (what the consumer types in),
`callback.json` (the query of a redirect) and `token.json` (a token answer), each as the vendor documents it, with
values that are made up. This shows that a manifest and the flows understand each other, not that the vendor agrees.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources.abc import Traversable
from typing import Any

from holdfast.clock import Clock
from holdfast.domain.manifest import path
from holdfast.domain.manifest.connector import (
    Connector,
    CustomFields,
    OAuth,
    OptionsFrom,
    RequestTemplate,
    Revoke,
    Setting,
)
from holdfast.domain.manifest.connector import Placement as ManifestPlacement
from holdfast.domain.manifest.template import Values, names, render, render_tree
from holdfast.testing.provider import (
    USERS,
    Api,
    ApiRoute,
    Authorization,
    Expiry,
    Lifetimes,
    Placement,
    Received,
    RegisteredClient,
    Revocation,
    SandboxProvider,
    Shape,
    TokenAnswer,
    TokenRequest,
    User,
    document,
)

CLIENT_ID, CLIENT_SECRET = "example-client", "example-client-secret"
CHOICE, CHOICE_LABEL = "choice-1", "First choice"
FIELD, FIELD_NAME = "field_4711", "Shoe size"
HOUR = 3600


@dataclass(frozen=True, slots=True, repr=False)
class Example:
    """An account at a service: what its consumer types in, what the service fills in, whose OAuth client it is."""

    settings: Mapping[str, str]
    app: Mapping[str, str]
    client: RegisteredClient

    def values(self, now: int) -> Values:
        """What templates name; the tokens stay as the provider's own placeholders."""
        held = {"access_token": "{access_token}", "refresh_token": "{token}", "token": "{token}"}
        client = {"client_id": self.client.client_id, "client_secret": self.client.client_secret or ""}
        system = {"now": str(now // 1000), "now_ms": str(now)}
        return {"settings": self.settings, "app": self.app, "cred": {**held, **client}, "sys": system}


def example(connector: Connector, folder: Traversable) -> Example:
    """An account for `connector`, from the examples in `folder` and otherwise from what the manifest says."""
    given = {name: _example(folder, name) for name in ("settings", "callback", "token")}
    settings = {s.id: _value(connector, s, given) for s in connector.at("connection")}
    app = {s.id: _value(connector, s, given) for s in connector.at("integration")}
    oauth = connector.auth.oauth
    own = oauth is not None and oauth.client.source == "connection"
    id, secret = (settings["client_id"], settings.get("client_secret")) if own else (CLIENT_ID, CLIENT_SECRET)
    return Example(settings, app, RegisteredClient(id, secret))


def provider_for(
    connector: Connector,
    account: Example,
    *,
    clock: Clock,
    redirect_uri: str,
    error_status: int | None = None,
    on_answer: Callable[[Received, int], None] | None = None,
) -> SandboxProvider:
    """The service of `connector` with `account`.

    `error_status`: 200 for a provider that hides its refusals. `on_answer` is told of every request and its status.
    """
    values = account.values(clock.now())
    return SandboxProvider(
        clock=clock,
        shape=_shape(connector, values, error_status),
        clients=[replace(account.client, redirect_uris=(redirect_uri,))],
        users=[_user(account)],
        api=list(_routes(connector, values)),
        on_answer=on_answer,
    )


def _value(connector: Connector, setting: Setting, given: Mapping[str, Any]) -> str:
    oauth = connector.auth.oauth
    if setting.filled_by == "token" and oauth and given["token"]:
        return path.read_text(given["token"], oauth.token.response.capture[setting.id]) or ""
    if setting.filled_by == "callback" and oauth and given["callback"]:
        return str(given["callback"][oauth.callback.capture[setting.id]])
    if setting.options_from:
        return CHOICE
    choice = setting.choices[0].value if setting.choices else None
    return given["settings"].get(setting.id) or setting.default or choice or setting.placeholder or f"{setting.id}-1"


def _shape(connector: Connector, values: Values, error_status: int | None) -> Shape:
    accepts = tuple(
        Placement(value=_credential(word, values), where=word.where, name=word.name)
        for word in connector.request.auth
        if render(word.value, values)
    )
    oauth = connector.auth.oauth
    if oauth is None:
        return Shape(api=Api(accepts=accepts))
    return Shape(
        issuer=oauth.issuer,
        authorization=_authorization(oauth, values),
        token=_token_request(oauth, values),
        answer=_token_answer(oauth, values, error_status),
        lifetimes=_lifetimes(oauth),
        revocation=_revocation(oauth.revoke, values) if oauth.revoke else None,
        api=Api(accepts=accepts),
    )


def _authorization(oauth: OAuth, values: Values) -> Authorization:
    word = oauth.authorize
    if word is None:
        return Authorization()
    return Authorization(
        url=render(word.url, values),
        params={**_rendered(word.params, values), **oauth.scopes.extra},
        rename=word.rename,
        omit=word.omit,
        scope=oauth.scopes.param,
        separator=oauth.scopes.separator,
        pkce="off" if oauth.pkce == "off" else "required",
        code=oauth.callback.code,
        callback={param: values["settings"][id] for id, param in oauth.callback.capture.items()},
        iss=oauth.issuer is not None,
        signed=oauth.callback.hook == "hmac_query",
    )


def _token_request(oauth: OAuth, values: Values) -> TokenRequest:
    word = oauth.token
    params = _rendered(word.params, values)
    grant_type = params.pop("grant_type", None)
    return TokenRequest(
        url=render(word.url, values),
        refresh_url=render(oauth.refresh.url, values) if oauth.refresh.url else None,
        method=word.method,
        body=word.body,
        client_auth=oauth.client.auth,
        params=params,
        refresh_params=_rendered(oauth.refresh.params, values),
        rename=word.rename,
        omit=word.omit,
        grant_types={grant_type: oauth.grant} if grant_type else {},
        redirect_uri_on_refresh=oauth.refresh.send_redirect_uri,
    )


def _token_answer(oauth: OAuth, values: Values, error_status: int | None) -> TokenAnswer:
    word = oauth.token.response
    captured = {where: values["settings"][id] for id, where in word.capture.items()}
    healthy = {} if word.error.when is None else {word.error.path: not word.error.when}
    return TokenAnswer(
        access_token=word.access_token,
        refresh_token=word.refresh_token,
        refresh_token_again=False,
        expires=_expiry(word.expires),
        refresh_expires=_expiry(word.refresh_expires),
        members={**healthy, **captured},
        # Form-encoded for whoever does not ask for JSON, as some providers are and all may be.
        encoding="negotiated",
        error=word.error.path,
        error_mark=word.error.when,
        error_status=error_status,
    )


def _expiry(word: Any) -> Expiry | None:
    return Expiry(path=word.path, form=word.form) if word else None


def _lifetimes(oauth: OAuth) -> Lifetimes:
    word, expires = oauth.refresh, oauth.token.response.expires
    return Lifetimes(
        access=(word.access_lifetime or HOUR) if expires else None,
        refresh=word.idle_lifetime,
        rotation=word.rotation,
        grace=word.grace,
        not_before_expiry=word.not_before_expiry,
    )


def _revocation(word: Revoke, values: Values) -> Revocation:
    params = word.params if word.body != "none" else {}
    holders = [name for name, text in params.items() if _holds_token(text)]
    fixed = {k: text for k, text in params.items() if k not in holders and "token_type_hint" not in text}
    in_path = "token" if _holds_token(word.url) else None
    return Revocation(
        url=render(word.url, values),
        method=word.method,
        auth=word.auth,
        body=word.body,
        token=next(iter(holders), in_path),
        params=_rendered(fixed, values),
    )


def _routes(connector: Connector, values: Values) -> Iterator[ApiRoute]:
    """The calls that the manifest makes; what several of them want to hear from one place is told at once."""
    told: dict[str, tuple[ApiRoute, dict[str, Any]]] = {}
    for request, members, more in _calls(connector, values["settings"]):
        known = {**values, "resource": more}
        address = request.url or f"{connector.request.base_url}{request.path}"
        route = ApiRoute(
            method=request.method,
            url=render(address, known),
            answer=None,
            query=_rendered({**connector.request.query, **request.query}, known),
            body=render_tree(request.json or {}, known) or _rendered(request.form or {}, known),
        )
        told.setdefault(repr((route.method, route.url, route.query, route.body)), (route, {}))[1].update(members)
    for route, members in told.values():
        yield replace(route, answer=document(members))


def _calls(
    connector: Connector, settings: Mapping[str, str]
) -> Iterator[tuple[RequestTemplate, Mapping[str, Any], Mapping[str, str]]]:
    """Every call: its template, what stands where in its answer, and the values of its resource."""
    if connector.verify:
        body = connector.verify.body
        yield connector.verify.request, {body.path: body.equals} if body else {}, {}
    for step in connector.after_connect:
        yield step.request, {where: settings[id] for id, where in step.capture.items()}, {}
    for offered in _options(connector):
        items = {f"{offered.items}[0]{_below(offered.value)}": CHOICE}
        yield offered.request, {f"{offered.items}[0]{_below(offered.label)}": CHOICE_LABEL, **items}, {}
    for resource in connector.resources or connector.custom_fields:
        fields = connector.fields_of(resource)
        if fields:
            more = {"id": resource, **connector.resources.get(resource, {})}
            yield fields.request, _custom_field(fields), more


def _options(connector: Connector) -> Iterator[OptionsFrom]:
    yield from (setting.options_from for setting in connector.settings if setting.options_from)
    for unified in connector.unified_apis.values():
        for form in unified.config.values():
            yield from (field.options_from for field in form if field.options_from)


def _custom_field(fields: CustomFields) -> dict[str, Any]:
    """One field of the account's own, and one of the service's own where the manifest can tell them apart."""
    word = fields.map
    item: dict[str, Any] = {word.id: FIELD}
    item |= {where: FIELD_NAME for where in (word.name, word.description) if where}
    item |= {word.custom: True} if word.custom else {}
    members = {f"{fields.items}[0]{_below(where)}": value for where, value in item.items()}
    if word.custom or word.standard:
        members[f"{fields.items}[1]{_below(word.id)}"] = "name"
        members[f"{fields.items}[1]{_below(word.custom or word.standard or '')}"] = bool(word.standard)
    return members


def _below(where: str) -> str:
    """A path inside an item, as it goes on behind the item's own."""
    inner = where.removeprefix("$")
    return inner if inner.startswith((".", "[")) or not inner else f".{inner}"


def _credential(word: ManifestPlacement, values: Values) -> str:
    value = render(word.value, values)
    return base64.b64encode(value.encode()).decode() if word.encode == "base64" else value


def _rendered(texts: Mapping[str, str], values: Values) -> dict[str, str]:
    found = {name: render(text, values) for name, text in texts.items()}
    return {name: text for name, text in found.items() if text}


def _holds_token(text: str) -> bool:
    return any(namespace == "cred" and key.endswith("token") for namespace, key in names(text))


def _user(account: Example) -> User:
    """The account's person; the one who is typed in, where the grant asks for a user name and a password."""
    typed = {"email": account.settings.get("username"), "password": account.settings.get("password")}
    return replace(USERS[0], **{name: text for name, text in typed.items() if text})  # type: ignore[arg-type]


def _example(folder: Traversable, name: str) -> dict[str, Any]:
    file = folder / "examples" / f"{name}.json"
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found if isinstance(found, dict) else {}
