"""openapi_client.models: built strictly, read tolerantly, shown without secrets."""

from __future__ import annotations

import copy
import importlib
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from recorded_vault import ANSWERS

import openapi_client
from openapi_client import (
    ApiTypeError,
    ApiValueError,
    AuthType,
    Connection,
    ConnectionImportData,
    ConnectionImportDataCredentials,
    ConnectionState,
    FormField,
    GetConnectionResponse,
    models,
)


@pytest.mark.parametrize("name", models.__all__)
def test_a_model_is_found_where_a_generated_client_has_it(name: str) -> None:
    """Each model can be imported from the package, from `models`, and from a module of its own name."""
    modules = {"OAuthGrantType": "o_auth_grant_type", "GetConnectionResponse": "get_connection_response"}
    module = modules.get(name) or "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")

    model = getattr(importlib.import_module(f"openapi_client.models.{module}"), name)

    assert model is getattr(openapi_client, name)
    assert model is getattr(models, name)


def test_exceptions_are_found_at_three_paths() -> None:
    """`ApiException` is one class, from the package, `rest` and `exceptions`."""
    paths = ["openapi_client", "openapi_client.rest", "openapi_client.exceptions"]

    assert len({importlib.import_module(path).ApiException for path in paths}) == 1


def test_only_what_was_given_is_sent() -> None:
    """An absent member stays out, a null one is sent as null, and both read as None."""
    connection = Connection(enabled=True, metadata=None)

    assert (connection.settings, connection.metadata) == (None, None)
    assert connection.to_dict() == {"enabled": True, "metadata": None}
    assert json.loads(connection.to_json()) == {"enabled": True, "metadata": None}


def test_a_member_can_be_set_and_taken_back() -> None:
    """Assignment sends a member, None included; `del` makes it absent again."""
    connection = Connection()
    connection.settings = None
    connection.enabled = False
    del connection.enabled

    assert connection.to_dict() == {"settings": None}


def test_a_recorded_connection_survives_the_round_trip() -> None:
    """From dict to dict and from JSON to JSON nothing is lost."""
    connection = Connection.from_dict(ANSWERS["connection"])

    assert connection.to_dict() == ANSWERS["connection"]
    assert Connection.from_json(connection.to_json()) == connection


def test_unknown_members_are_passed_over() -> None:
    """What a newer vault adds does not break an older client."""
    connection = Connection.from_dict({"id": "crm+pipedrive", "quantum_state": {"spin": 1}})

    assert connection.to_dict() == {"id": "crm+pipedrive"}


def test_an_unknown_word_stays_the_word_it_is() -> None:
    """A state of tomorrow is read, compares as a string, has a value, and is written back."""
    connection = Connection.from_dict({"state": "hibernating", "auth_type": "apiKey"})

    assert connection.state == "hibernating"
    assert isinstance(connection.state, ConnectionState)
    assert connection.state.value == "hibernating"
    assert connection.auth_type is AuthType.APIKEY
    assert connection.to_dict() == {"state": "hibernating", "auth_type": "apiKey"}


def test_null_is_read_everywhere() -> None:
    """Each member may be null in an answer."""
    nothing = dict.fromkeys(ANSWERS["connection"])

    assert Connection.from_dict(nothing).to_dict() == nothing


def test_plain_values_become_models() -> None:
    """Words and dicts may be given where enums and models belong."""
    connection = Connection(state="callable", form_fields=[{"id": "a"}, FormField(id="b")])  # type: ignore[arg-type,list-item]

    assert connection.state is ConnectionState.CALLABLE
    assert connection.form_fields == [FormField(id="a"), FormField(id="b")]


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"enabld": True}, "Connection has no member 'enabld'; it has id, service_id, .*enabled"),
        ({"enabled": "yes"}, "Connection.enabled: Expected `bool | null`, got `str`"),
        ({"settings": [1]}, r"Connection.settings: Expected `object \| null`, got `array`"),
        ({"form_fields": [{"id": 1}]}, r"Connection.form_fields: FormField: Expected `str .*\$\.id.*\$\[0\]"),
        ({"state": 1}, "Connection.state: Expected `str"),
    ],
)
def test_a_wrong_member_is_refused_and_named(members: dict[str, Any], told: str) -> None:
    """A wrong name is answered by the right ones, a wrong type by the right one."""
    with pytest.raises(TypeError, match=told):
        Connection(**members)


def test_a_misspelled_assignment_is_refused() -> None:
    """A typing mistake does not become a member."""
    connection = Connection()

    with pytest.raises(ApiTypeError, match="no member 'enabld'"):
        connection.enabld = True  # type: ignore[attr-defined]


def test_what_is_required_is_asked_for() -> None:
    """An envelope without data is not an answer."""
    with pytest.raises(ApiTypeError, match="GetConnectionResponse needs data"):
        GetConnectionResponse(status_code=200, status="OK")  # type: ignore[call-arg]


@pytest.mark.parametrize("text", ["", "{", "nonsense", b"\xff", "[" * 100_000])
def test_what_is_not_json_is_a_value_error(text: str | bytes) -> None:
    """Broken, empty, binary and bottomless texts are all refused in the same way."""
    with pytest.raises(ApiValueError, match="Connection is not JSON"):
        Connection.from_json(text)


@pytest.mark.parametrize("text", ["[]", "null", '"callable"', "3"])
def test_json_that_is_no_object_is_a_type_error(text: str) -> None:
    """A model is read from an object."""
    with pytest.raises(ApiTypeError, match="Expected `Connection`, got"):
        Connection.from_json(text)


@pytest.mark.parametrize("value", [object(), {1, 2j}, lambda: None])
def test_what_json_cannot_say_is_a_type_error(value: object) -> None:
    """Settings may hold anything until they are to be sent."""
    connection = Connection(settings={"api_key": value})

    with pytest.raises(ApiTypeError, match="has no form in JSON"):
        connection.to_json()
    with pytest.raises(ApiTypeError, match="has no form in JSON"):
        connection.to_dict()


def test_a_token_was_issued_at_a_moment() -> None:
    """`issued_at` is a datetime or its ISO form, with a time zone; a naive one is refused."""
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    tokens = ConnectionImportDataCredentials(refresh_token="rt", issued_at=moment, expires_in=3600)

    assert tokens.to_dict()["issued_at"] == "2026-01-01T12:00:00Z"
    assert ConnectionImportDataCredentials.from_dict(tokens.to_dict()) == tokens
    with pytest.raises(ApiTypeError, match="timezone"):
        ConnectionImportDataCredentials(issued_at=moment.replace(tzinfo=None))


def test_models_compare_by_what_they_hold() -> None:
    """Equal members make equal models of one class; a null member differs from an absent one."""
    assert Connection(enabled=True) == Connection(enabled=True)
    assert Connection(enabled=True) != Connection(enabled=False)
    assert Connection(metadata=None) != Connection()
    assert Connection(id="a") != FormField(id="a")
    assert Connection() != {}


def test_models_can_be_copied_and_pickled() -> None:
    """Copies are equal and independent, unknown words included."""
    connection = Connection(state="hibernating", settings={"region": "eu"})  # type: ignore[arg-type]
    deep = copy.deepcopy(connection)
    assert deep.settings is not None
    deep.settings["region"] = "us"

    assert connection.settings == {"region": "eu"}
    assert pickle.loads(pickle.dumps(connection)) == connection  # noqa: S301 - our own bytes


def test_repr_shows_what_is_set_and_no_secret() -> None:
    """Tokens, links' states, settings and sensitive fields are masked; the rest reads like the call that made it."""
    imported = ConnectionImportData(
        credentials=ConnectionImportDataCredentials(access_token="at_51", refresh_token="rt_52", expires_in=60),
        settings={"api_key": "sk_53"},
    )
    connection = Connection(
        state=ConnectionState.ADDED,
        authorize_url="https://vault.example/vault/authorize/pipedrive/app?state=eyJ55",
        revoke_url=None,
        settings={"api_key": "sk_53"},
        form_fields=[FormField(id="api_key", value="sk_54", sensitive=True), FormField(id="region", value="eu")],
    )

    assert repr(imported) == (
        "ConnectionImportData(credentials=ConnectionImportDataCredentials(access_token='***', refresh_token='***', "
        "expires_in=60), settings={'api_key': '***'})"
    )
    assert repr(connection) == (
        "Connection(state='added', authorize_url='https://vault.example/vault/authorize/pipedrive/app?***', "
        "revoke_url=None, settings={'api_key': '***'}, form_fields=[FormField(id='api_key', value='***', "
        "sensitive=True), FormField(id='region', value='eu')])"
    )
