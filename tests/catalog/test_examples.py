"""The examples beside the manifests: each is read as the vendor's own answer would be."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from holdfast.catalog import Catalog
from holdfast.domain.connection import Connection, filled
from holdfast.domain.credential import Secret
from holdfast.domain.exchange import Response
from holdfast.domain.form import check_urls, take
from holdfast.domain.mac import Mac
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.masking import Masks
from holdfast.grants.answer import captured, read_token

CATALOG = Catalog.load()
CONNECTORS = Path(str(files("holdfast") / "connectors"))
NAMES = {"token", "callback", "settings"}
NOW = 1_763_928_000_000


def blank(connector: Connector) -> Connection:
    return Connection("c1", "user-1", "crm", connector.id)


def _examples(name: str) -> list[tuple[Connector, Any]]:
    found = sorted(CONNECTORS.glob(f"*/examples/{name}.json"))
    connectors = {connector.id: connector for connector in CATALOG.all()}
    return [(connectors[file.parent.parent.name], json.loads(file.read_text("utf-8"))) for file in found]


def _id(value: object) -> str:
    return value.id if isinstance(value, Connector) else ""


@pytest.mark.parametrize(("connector", "answer"), _examples("token"), ids=_id)
def test_a_token_answer_is_understood(connector: Connector, answer: Any) -> None:
    """It gives a token with the lifetime that it tells, and every setting that the manifest expects from it."""
    oauth = connector.auth.oauth
    assert oauth is not None
    response = Response(200, {"content-type": "application/json"}, json.dumps(answer).encode())

    token = read_token(oauth, response, NOW)

    word = oauth.token.response
    tells = word.expires is not None and word.expires.path in answer
    assert (token.expires_at is not None) == (tells or oauth.refresh.access_lifetime is not None)
    assert (token.refresh_token is not None) == (word.refresh_token in answer)
    assert captured(oauth, response).keys() == word.capture.keys()


@pytest.mark.parametrize(("connector", "answer"), _examples("token"), ids=_id)
def test_a_token_answer_leads_to_hosts_of_the_service(connector: Connector, answer: Any) -> None:
    """What the vendor really answers passes the check that keeps other answers out."""
    oauth = connector.auth.oauth
    assert oauth is not None
    response = Response(200, {"content-type": "application/json"}, json.dumps(answer).encode())

    check_urls(
        connector, filled(blank(connector), connector, captured(oauth, response)), CATALOG.allowed_hosts(connector)
    )


@pytest.mark.parametrize(("connector", "query"), _examples("callback"), ids=_id)
def test_a_callback_holds_what_is_captured(connector: Connector, query: Any) -> None:
    """The code and each parameter that fills a setting are there, and lead only to the service."""
    oauth = connector.auth.oauth
    assert oauth is not None
    wanted = oauth.callback.capture

    assert {oauth.callback.code, *wanted.values()} <= query.keys()
    found = {id: query[name] for id, name in wanted.items()}
    check_urls(connector, filled(blank(connector), connector, found), CATALOG.allowed_hosts(connector))


@pytest.mark.parametrize(("connector", "settings"), _examples("settings"), ids=_id)
def test_settings_fit_the_form(connector: Connector, settings: Any) -> None:
    """What a person would type in passes the form's own checks."""
    after = take(connector, blank(connector), settings, Masks(Mac(b"k" * 32)))

    assert {
        **after.settings,
        **{id: s.reveal() for id, s in after.secrets.items() if isinstance(s, Secret)},
    } == settings
    check_urls(connector, after, CATALOG.allowed_hosts(connector))


def test_every_example_is_one_that_is_read() -> None:
    """A file under another name would prove nothing."""
    assert {file.stem for file in CONNECTORS.glob("*/examples/*")} == NAMES
