"""The rules beyond types: each is broken once, in an otherwise right manifest."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from operator import getitem
from typing import Any

import msgspec
import pytest
from acme_manifest import ACME
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.catalog import source
from holdfast.catalog.problems import Finding, Place, Problem
from holdfast.catalog.reading import understand
from holdfast.catalog.rules import RULES, Manifest
from holdfast.catalog.vocabulary import CONNECTOR, examine
from holdfast.domain.manifest.connector import Connector

ProblemsOf = Callable[..., tuple[Problem, ...]]

HIDDEN = "{id: x, label: X, hidden: true, required: true}"
GRACE = "{rotation: grace, access_lifetime: 3600}"
OWN_CLIENT = "client: {source: connection, auth: basic}"
ENDPOINT = "https://login.acme.example.com/oauth/revoke"
ITEMS = "    items: $\n"
REGION = "before_authorize: true"

CASES = [
    # the form
    ("id: partner_id", "id: plan", "settings.plan.id", "more than one setting 'plan'"),
    ("type: select, options: [eu, us]", "type: text, options: [eu, us]", "settings.region", "make it a select"),
    ("type: select, options: [eu, us]", "type: select", "settings.region", "is a select without options"),
    ("options: [eu, us]", "options: [eu, us], default: as", "settings.region.default", "is not one of the options"),
    ("          type: select\n", "", "unified_apis.crm.config.leads.owner_id", "make it a select"),
    ("settings:\n", f"settings:\n  - {HIDDEN}\n", "settings.x", "nobody can fill it in"),
    (REGION, f"{REGION}, hidden: true", "settings.region.before_authorize", "a field that the consumer can see"),
    ("{id: partner_id,", "{id: partner_id, filled_by: token,", "settings.partner_id.filled_by", "by the application"),
    ("{company_id: company}", "{company: company}", "auth.oauth.callback.capture.company", "no setting 'company'"),
    ("filled_by: callback", "filled_by: token", "settings.company_id.filled_by", "nothing is captured into"),
    ("filled_by: token", "filled_by: user", "auth.oauth.token.response.capture.instance_url", "is filled by user"),
    ("type: password\n", "type: password\n    default: k3y\n", "settings.api_key.default", "a secret has no default"),
    ("region {{region}}", "region {{api_key}}", "settings.api_key.description", "is not for every reader"),
    ("region {{region}}", "region {{partner_id}}", "settings.api_key.description", "is not for every reader"),
    ("region {{region}}", "region {{ area }}", "settings.api_key.description", "no setting 'area'"),
    # the credential
    ("type: oauth2", "type: apiKey", "auth.oauth", "is for type oauth2"),
    ('  auth:\n    - {value: "Bearer {cred.access_token}"}\n', "", "request.auth", "where does the credential stand"),
    ('{value: "Bearer', '{in: basic, value: "Bearer', "request.auth.0.value", "needs `user:password`"),
    ("    client: {auth: basic}", "    grant: client_credentials", "auth.oauth.authorize", "has no consent page"),
    ("    client: {auth: basic}", "    requires_iss: true", "auth.oauth.requires_iss", "needs an `issuer`"),
    ("/oauth/token\n", "/oauth/token\n      method: GET\n", "auth.oauth.token.body", "a GET has no body"),
    ("client: {auth: basic}", OWN_CLIENT, "settings", "a setting 'client_id' of the connection is required"),
    (REGION, "required: true", "auth.oauth.authorize.url", "needs 'region' before the account is connected"),
    ("audience: api", 'key: "{cred.client_secret}"', "auth.oauth.authorize.params.key", "consumer's browser"),
    ("{rotation: strict, access_lifetime: 3600}", GRACE, "auth.oauth.refresh.grace", "goes with `rotation: grace`"),
    ("{rotation: strict,", "{rotation: strict, grace: 60,", "auth.oauth.refresh.grace", "goes with `rotation: grace`"),
    ("client: {auth: basic}", "client: {auth: none, has_secret: false}", "auth.oauth.client.has_secret", "says that"),
    ("      response:\n", '      headers: {Authorization: "x"}\n      response:\n',
     "auth.oauth.token.headers.Authorization", "sends this"),
    ("/revoke}", "/revoke, headers: {authorization: x}}", "auth.oauth.revoke.headers.authorization", "sends this"),
    # requests and hosts
    ("{path: /me}", "{path: /me, url: https://a.example.net/}", "after_connect.0.request", "either `url` or `path`"),
    ("{path: /me}", "{path: me}", "after_connect.0.request.path", "starts with a slash"),
    ("{method: POST, path", "{path", "verify.request.method", "a GET has no body"),
    ("path: /check,", "path: /check, form: {a: b},", "verify.request.form", "there is a `json` body already"),
    ('  base_url: "{instance_url}/v1"\n', "", "verify.request.path", "there is no `request.base_url`"),
    (ENDPOINT, "http://acme.example.com/x", "auth.oauth.revoke.url", "write https://"),
    (ENDPOINT, "login.example.com/x", "auth.oauth.revoke.url", "absolute address"),
    (ENDPOINT, "https://localhost/x", "auth.oauth.revoke.url", "not a host name"),
    (ENDPOINT, "https://a_b.example/x", "auth.oauth.revoke.url", "not a host name"),
    ('hosts: [login.acme.example.com, "*.acme.example.net"]\n', "", "request.base_url", "list the hosts"),
    ('"*.acme.example.net"', '"*.net"', "hosts.1", "is not a host such as"),
    ('"*.acme.example.net"', '"*"', "hosts.1", "is not a host such as"),
    ('"*.acme.example.net"', '"acme.{example,127.0.0.1:80/}"', "hosts.1", "is not a host such as"),
    ('"*.acme.example.net"', '"localhost"', "hosts.1", "is not a host such as"),
    (ITEMS, f"{ITEMS}    next: {{by: cursor, path: next}}\n", "custom_fields.*.next.param", "is required"),
    (ITEMS, f"{ITEMS}    next: {{by: url}}\n", "custom_fields.*.next.path", "is required"),
    (ITEMS, f"{ITEMS}    next: {{by: page, param: p}}\n", "custom_fields.*.next.size", "is required"),
    (ITEMS, f"{ITEMS}    next: {{by: link, path: next}}\n", "custom_fields.*.next.path", "means nothing"),
    (ITEMS, f"{ITEMS}    next: {{by: link, first: 0}}\n", "custom_fields.*.next.first", "means nothing"),
    ("  headers: {X-P", "  expired: {path: error}\n  headers: {X-P", "request.expired", "go together"),
    # texts
    ("/{resource.object}/fields", "/{object/fields", "custom_fields.*.request.path", "has a brace"),
    ("{app.partner_id}", "{app.partner_id|upcase}", "request.headers.X-Partner", "unknown filter 'upcase'"),
    ("{app.partner_id}", "{apps.partner_id}", "request.headers.X-Partner", "unknown namespace 'apps'"),
    ("{app.partner_id}", "{partner_id}", "request.headers.X-Partner", "write {app.partner_id}"),
    ("{app.partner_id}", "{app.partner}", "request.headers.X-Partner", "no {app.partner}; there is partner_id"),
    ("{app.partner_id}", "{cred.password}", "request.headers.X-Partner", "no {cred.password}; there is access_token"),
    ("{app.partner_id}", "{token.account}", "request.headers.X-Partner", "capture it into a setting"),
    ("{app.partner_id}", "{resource.object}", "request.headers.X-Partner", "has no value here"),
    ("{instance_url}/v1", "{instance}/v1", "request.base_url", "there is no {settings.instance}"),
    ('json: {query: "{{me}}"}', 'json: {list: [{a: "{me}"}]}', "verify.request.json.list.0.a", "no {settings.me}"),
    ("custom_fields:", "custom_fields:\n  notes: {request: {path: '/{resource.object}'}, items: $, map: {id: id}}",
     "custom_fields.notes", "`resources` gives 'notes' no object"),
    ("{path: expires_at,", '{path: "expires[at]",', "auth.oauth.token.response.expires.path", "is not a path"),
    ("label: Region,", 'label: Region, pattern: "[a-z",', "settings.region.pattern", "unterminated character set"),
    # words about words
    ("unverified: [auth.oauth.revoke,", "unverified: [auth.oauth.revocation,", "verified.unverified.0", "nothing at"),
    ("{path: /me}", '{path: "/me/{api_key}"}', "after_connect.0.request.path", "to `secrets_in_url`"),
    ("{path: /me}", '{path: /me, query: {k: "{api_key}"}}', "after_connect.0.request.query.k", "to `secrets_in_url`"),
    ('{value: "Bearer', '{in: query, value: "Bearer', "request.auth.0.value", "to `secrets_in_url`"),
    ("{url: https://login.acme.example.com/oauth/revoke}", '{url: "https://a.example.com/{cred.token}"}',
     "auth.oauth.revoke.url", "to `secrets_in_url`"),
    ("      response:\n", "      body: query\n      response:\n", "auth.oauth.token.body", "to `secrets_in_url`"),
    ("verified:\n", "secrets_in_url: [auth.oauth.revoke.url]\nverified:\n", "secrets_in_url.0", "carries a secret"),
]  # fmt: skip


def test_the_manifest_itself_is_right(problems_of: ProblemsOf) -> None:
    """What the cases below change is the only thing that is wrong with it."""
    assert problems_of() == ()


@pytest.mark.parametrize(("old", "new", "word", "message"), CASES)
def test_a_broken_rule_is_told(problems_of: ProblemsOf, old: str, new: str, word: str, message: str) -> None:
    """The word that has to change is named, with what is wrong with it."""
    found = [(problem.word, problem.message) for problem in problems_of((old, new))]

    assert any(at == word and message in said for at, said in found), found


def test_every_rule_is_broken_by_a_case() -> None:
    """No rule stands in the table without a manifest that breaks it."""
    broken = {rule for old, new, _, _ in CASES for rule in _broken(ACME.replace(old, new))}

    assert broken == set(RULES)


def test_a_secret_in_a_url_passes_once_it_is_declared(problems_of: ProblemsOf) -> None:
    """Some vendors take a key nowhere else; the manifest then says so."""
    assert not problems_of(
        ('{value: "Bearer', '{in: query, value: "Bearer'),
        ("verified:\n", "secrets_in_url: [request.auth]\nverified:\n"),
    )


def test_http_is_for_a_sandbox_of_ones_own(problems_of: ProblemsOf) -> None:
    """A manifest that does not come with Holdfast may name this machine; no other address may be http."""
    sandbox = (ENDPOINT, "http://127.0.0.1:9000/oauth/revoke")
    elsewhere = (ENDPOINT, "http://login.acme.example.com/oauth/revoke")

    assert problems_of(sandbox, shipped=False) == ()
    assert [p.word for p in problems_of(sandbox, shipped=True)] == ["auth.oauth.revoke.url"]
    assert [p.word for p in problems_of(elsewhere, shipped=False)] == ["auth.oauth.revoke.url"]


def _broken(text: str) -> list[Callable[[Manifest], Iterator[Finding]]]:
    fitting = examine(source.load(text), CONNECTOR, (), [])
    manifest = Manifest.of(msgspec.convert(fitting, Connector), fitting, shipped=True)
    return [rule for rule in RULES if any(rule(manifest))]


def _items(document: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(document, dict):
        return document.items()
    return enumerate(document) if isinstance(document, list) else ()


def _places(document: Any, at: Place = ()) -> list[Place]:
    return [at, *(place for step, item in _items(document) for place in _places(item, (*at, step)))]


_DOCUMENT = source.load(ACME)
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["{", "$.a[", "{x.y}", "*.a.b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(_places(_DOCUMENT)), _ANYTHING)
def test_whatever_stands_in_a_manifest_is_understood_or_told(place: Place, value: Any) -> None:
    """One word replaced by anything at all never ends in a traceback."""
    root: Any = {"document": copy.deepcopy(_DOCUMENT)}
    *way, last = ("document", *place)
    holder = reduce(getitem, way, root)
    holder[last] = value

    connector, found = understand(root["document"], "acme", shipped=True)

    assert connector is not None or found
