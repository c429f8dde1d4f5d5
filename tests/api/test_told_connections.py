"""A connection's JSON is joined from pieces that were encoded before: what is joined is still what clients expect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from holdfast.catalog import Catalog
from holdfast.domain.connection import Connection as Held
from holdfast.domain.credential import Sealed
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.tenancy import Integration
from holdfast.http.wire.connection import Connection
from holdfast.http.wire.told import Template
from holdfast.usecases.links import NO_URLS, Urls
from holdfast.usecases.subject import Subject

CATALOG = Catalog.load()
OFFERED = [(api, connector) for connector in CATALOG.all() for api in connector.unified_apis]
SELECTS = next(c for c in CATALOG.all() if any(s.options_from for s in c.at("connection")))
SECRETIVE = next(c for c in CATALOG.all() if c.auth.type == "apiKey" and any(s.sensitive for s in c.settings))


def told(connector: Connector, held: Held | None = None, urls: Urls = NO_URLS, api: str = "") -> Any:
    """The connection as a client decodes it; a member that stands there twice is an error."""
    api = api or next(iter(connector.unified_apis))
    subject = Subject(api, connector, Integration("app", api, connector.id), held)
    answer = msgspec.json.encode(Template(api, connector).told(subject, urls, now=1))
    return json.loads(answer, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def held(connector: Connector, **facts: Any) -> Held:
    return Held("id", "user-1", next(iter(connector.unified_apis)), connector.id, **facts)


def field(connection: Mapping[str, Any], id: str) -> Any:
    return next(f for f in connection["form_fields"] if f["id"] == id)


@pytest.mark.parametrize(("api", "connector"), OFFERED, ids=[f"{api}+{c.id}" for api, c in OFFERED])
def test_what_is_joined_is_a_connection(api: str, connector: Connector) -> None:
    """Of every connector, added or not: each member once, of its type, and the service under its own name."""
    values = {s.id: 'a "quoted" value\n' for s in connector.at("connection")}
    for connection in (None, held(connector, settings=values, configuration={"leads": [{"id": "a", "value": 1}]})):
        document = told(connector, connection, Urls("https://a.example/?state=a", None), api)

        read = msgspec.convert(document, Connection)
        assert (read.id, read.name, read.enabled) == (f"{api}+{connector.id}", connector.name, connection is not None)
        assert [f.id for f in read.form_fields] == [s.id for s in connector.at("connection")]
        assert msgspec.to_builtins(read).keys() <= document.keys()
        assert (read.authorize_url, read.revoke_url) == ("https://a.example/?state=a", None)


def test_a_field_shows_what_is_stored() -> None:
    """A value as it is, in any alphabet; a secret as its mask; a field without either its default, or nothing."""
    setting = next(s for s in SECRETIVE.settings if s.sensitive)

    empty = field(told(SECRETIVE, held(SECRETIVE)), setting.id)
    masked = field(told(SECRETIVE, held(SECRETIVE, secrets={setting.id: Sealed("0123456789abcdef")})), setting.id)

    assert empty["value"] == (setting.default or "")
    assert masked == {**empty, "value": "__vault_masked__:01234567"}


def test_a_select_opens_when_the_account_offers_something() -> None:
    """Until then there is nothing to choose from, and the field is shown as it cannot be used yet."""
    setting = next(s for s in SELECTS.at("connection") if s.options_from)
    choices = {setting.id: [{"label": 'Æther "Ltd"', "value": "7"}]}

    before = field(told(SELECTS, held(SELECTS)), setting.id)
    offered = field(told(SELECTS, held(SELECTS, choices=choices)), setting.id)
    chosen = field(told(SELECTS, held(SELECTS, choices=choices, settings={setting.id: "7"})), setting.id)

    options = [{"label": 'Æther "Ltd"', "value": "7", "option_type": "simple"}]
    assert (before["disabled"], before["options"]) == (True, [])
    assert offered == {**before, "disabled": False, "options": options}
    assert chosen == {**offered, "value": "7"}


def test_a_word_that_only_manifests_know_stays_with_them() -> None:
    """Strict clients refuse words that are new to them: a new grant is not told, a new credential is `custom`."""
    oauth = SELECTS.auth.oauth
    assert oauth is not None
    new_grant = replace(SELECTS, auth=replace(SELECTS.auth, oauth=replace(oauth, grant="jwt_bearer")))
    new_type = replace(SELECTS, auth=replace(SELECTS.auth, type="mutual_tls"), status="retired")

    assert told(SELECTS)["oauth_grant_type"] == oauth.grant
    assert "oauth_grant_type" not in told(new_grant)
    assert (told(new_type)["auth_type"], told(new_type)["status"]) == ("custom", "live")


def test_a_kind_of_field_that_clients_cannot_draw_is_a_text() -> None:
    """`password` among them: what makes it one is that it is sensitive."""
    settings = tuple(replace(s, type="colour") for s in SELECTS.settings)

    assert {f["type"] for f in told(replace(SELECTS, settings=settings))["form_fields"]} == {"text"}
