"""openapi_client.ConnectionsApi: the thirteen operations as callers know them and as they travel."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import pytest
from recorded_vault import ANSWERS, RecordedVault

import openapi_client
from openapi_client import ApiResponse, ConnectionsApi

CONSUMER, APPLICATION = "test-consumer", "app_8FJm2q"
HEADERS = {"x-apideck-consumer-id": CONSUMER, "x-apideck-app-id": APPLICATION}
STATE = "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJhIn0.c2ln"
LINK = f"state={STATE}&redirect_uri=https%3A%2F%2Fapp.example%2Fintegrations%3Ftab%3D1"


@dataclass(frozen=True)
class Documented:
    """An operation as the API's document has it: a call, its return type, and the request it stands for."""

    name: str
    parameters: str
    returns: str
    request: str
    body: bool = False


CONNECTION = "/vault/connections/crm/pipedrive"

OPERATIONS = [
    Documented(
        "connection_settings_all",
        "x_apideck_consumer_id, x_apideck_app_id, unified_api, service_id, resource",
        "GetConnectionResponse",
        f"GET {CONNECTION}/leads/config",
    ),
    Documented(
        "connection_settings_update",
        "x_apideck_consumer_id, x_apideck_app_id, service_id, unified_api, resource, connection",
        "UpdateConnectionResponse",
        f"PATCH {CONNECTION}/leads/config",
        body=True,
    ),
    Documented(
        "connections_add",
        "x_apideck_consumer_id, x_apideck_app_id, service_id, unified_api, connection",
        "CreateConnectionResponse",
        f"POST {CONNECTION}",
        body=True,
    ),
    Documented(
        "connections_all",
        "x_apideck_consumer_id, x_apideck_app_id, api=, configured=",
        "GetConnectionsResponse",
        "GET /vault/connections?api=crm&configured=true",
    ),
    Documented(
        "connections_authorize",
        "service_id, application_id, state, redirect_uri, scope=",
        "UnexpectedErrorResponse",
        f"GET /vault/authorize/pipedrive/{APPLICATION}?{LINK}&scope=deals%3Afull%20contacts%3Aread",
    ),
    Documented(
        "connections_callback",
        "state, code",
        "UnexpectedErrorResponse",
        f"GET /vault/callback?state={STATE}&code=g0ZGZmNjVmOWI",
    ),
    Documented(
        "connections_delete",
        "x_apideck_consumer_id, x_apideck_app_id, service_id, unified_api",
        "",
        f"DELETE {CONNECTION}",
    ),
    Documented(
        "connections_import",
        "x_apideck_consumer_id, x_apideck_app_id, service_id, unified_api, connection_import_data",
        "CreateConnectionResponse",
        f"POST {CONNECTION}/import",
        body=True,
    ),
    Documented(
        "connections_one",
        "x_apideck_consumer_id, x_apideck_app_id, service_id, unified_api",
        "GetConnectionResponse",
        f"GET {CONNECTION}",
    ),
    Documented(
        "connections_revoke",
        "service_id, application_id, state, redirect_uri",
        "UnexpectedErrorResponse",
        f"GET /vault/revoke/pipedrive/{APPLICATION}?{LINK}",
    ),
    Documented(
        "connections_token",
        "x_apideck_consumer_id, x_apideck_app_id, service_id, unified_api, body=",
        "GetConnectionResponse",
        f"POST {CONNECTION}/token",
        body=True,
    ),
    Documented(
        "connections_update",
        "x_apideck_consumer_id, x_apideck_app_id, service_id, unified_api, connection",
        "UpdateConnectionResponse",
        f"PATCH {CONNECTION}",
        body=True,
    ),
    Documented(
        "custom_fields_all",
        "x_apideck_consumer_id, x_apideck_app_id, unified_api, service_id, resource",
        "GetCustomFieldsResponse",
        f"GET {CONNECTION}/leads/custom-fields",
    ),
]

ARGUMENTS: dict[str, Any] = {
    "x_apideck_consumer_id": CONSUMER,
    "x_apideck_app_id": APPLICATION,
    "unified_api": "crm",
    "service_id": "pipedrive",
    "resource": "leads",
    "application_id": APPLICATION,
    "api": "crm",
    "configured": True,
    "state": STATE,
    "code": "g0ZGZmNjVmOWI",
    "redirect_uri": "https://app.example/integrations?tab=1",
    "scope": ["deals:full", "contacts:read"],
    "connection": openapi_client.Connection(enabled=True),
    "connection_import_data": openapi_client.ConnectionImportData(settings={"company_domain": "acme"}),
    "body": {},
}
BODIES = {"connections_import": b'{"settings":{"company_domain":"acme"}}', "connections_token": b"{}"}

each = pytest.mark.parametrize("documented", OPERATIONS, ids=lambda documented: documented.name)


def call(api: ConnectionsApi, documented: Documented, suffix: str = "") -> Any:
    """Call with every argument, those without a default by position."""
    names = documented.parameters.split(", ")
    positional = [ARGUMENTS[name] for name in names if not name.endswith("=")]
    keywords = {name[:-1]: ARGUMENTS[name[:-1]] for name in names if name.endswith("=")}
    return getattr(api, documented.name + suffix)(*positional, **keywords)


def test_there_are_thirteen_operations() -> None:
    """The class has the documented methods and a twin of each, and nothing else."""
    public = {name for name in vars(ConnectionsApi) if not name.startswith("_")}

    assert public == {documented.name + suffix for documented in OPERATIONS for suffix in ("", "_with_http_info")}


@each
def test_names_and_order_of_arguments_are_the_documented_ones(documented: Documented) -> None:
    """Positional calls written from the API's document mean the same here, for both twins."""
    for suffix in ("", "_with_http_info"):
        parameters = inspect.signature(getattr(ConnectionsApi, documented.name + suffix)).parameters.values()
        own = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"]
        spelled = ", ".join(p.name if p.default is p.empty else f"{p.name}=" for p in own)

        assert spelled == documented.parameters


@each
def test_the_request_is_the_documented_one(api: ConnectionsApi, vault: RecordedVault, documented: Documented) -> None:
    """Method, path, query, headers and body arrive as the API's document has them."""
    call(api, documented)

    asked = vault.asked[0]
    keyed = "x_apideck" in documented.parameters
    assert f"{asked.method} {asked.target}" == documented.request
    assert asked.headers["accept"] == "application/json"
    assert {name: value for name, value in asked.headers.items() if name in HEADERS} == (HEADERS if keyed else {})
    assert asked.headers.get("content-type") == ("application/json" if documented.body else None)
    assert asked.body == (BODIES.get(documented.name, b'{"enabled":true}') if documented.body else b"")


@each
def test_the_answer_is_the_documented_model(api: ConnectionsApi, documented: Documented) -> None:
    """A keyed call gives its response model; a delete, and a browser's link followed to a page, give None."""
    result = call(api, documented)

    nothing = documented.returns in {"", "UnexpectedErrorResponse"}
    assert type(result).__name__ == ("NoneType" if nothing else documented.returns)
    if not nothing:
        assert (result.status_code, result.status) == (200, "OK")


@each
def test_the_twin_gives_the_same_data_and_the_whole_answer(api: ConnectionsApi, documented: Documented) -> None:
    """`…_with_http_info` carries status, headers and raw bytes beside what the plain method returns."""
    response = call(api, documented, "_with_http_info")

    assert isinstance(response, ApiResponse)
    assert response.data == call(api, documented)
    assert response.status_code == (204 if documented.name == "connections_delete" else 200)
    assert response.headers["CONTENT-LENGTH"] == str(len(response.raw_data))


@each
def test_help_names_the_arguments_and_says_what_it_does(documented: Documented) -> None:
    """Signature, return type and description are there for editors and help(), options by name."""
    for suffix, returns in (("", "{}"), ("_with_http_info", "ApiResponse[{}]")):
        method = getattr(ConnectionsApi, documented.name + suffix)
        signature = inspect.signature(method)

        assert method.__name__ == documented.name + suffix
        assert len(method.__doc__) > 20
        assert "_request_timeout" in signature.parameters
        said = signature.return_annotation.replace(" | None", "")
        assert said == returns.format(documented.returns or "None")


def test_a_connection_is_read_to_its_depth(api: ConnectionsApi) -> None:
    """Nested objects become models, words become enums that equal their strings, null stays None."""
    connection = api.connections_one(CONSUMER, APPLICATION, "pipedrive", "crm").data

    assert connection.state is openapi_client.ConnectionState.CALLABLE
    assert connection.oauth_grant_type == "authorization_code"
    assert connection.form_fields is not None
    region = connection.form_fields[2]
    assert region.options is not None
    assert region.options[0] == openapi_client.FormFieldOption(label="Europe", value="eu", option_type="simple")
    assert region.options[1].options is not None
    assert region.options[1].options[0].value == "us-east"
    assert connection.custom_mappings is not None
    assert connection.custom_mappings[0].consumer_id is None
    assert connection.updated_at is None
    assert connection.to_dict() == ANSWERS["connection"]


def test_settings_of_a_resource_have_both_readings(api: ConnectionsApi) -> None:
    """An item of a resource's form is a form field and an entry with resource and defaults."""
    connection = api.connection_settings_all(CONSUMER, APPLICATION, "crm", "pipedrive", "leads").data

    assert connection.configuration is not None
    entry = connection.configuration[0]
    assert (entry.resource, entry.label, entry.value) == ("leads", "Currency", "EUR")
    assert entry.defaults is not None
    assert entry.defaults[0].target == "resource"


def test_a_token_call_without_a_body_sends_none(api: ConnectionsApi, vault: RecordedVault) -> None:
    """Where the body is optional and not given, there is neither a body nor a content type."""
    api.connections_token(CONSUMER, APPLICATION, "pipedrive", "crm")

    assert vault.asked[0].body == b""
    assert "content-type" not in vault.asked[0].headers


def test_options_that_are_not_given_are_not_sent(api: ConnectionsApi, vault: RecordedVault) -> None:
    """A list without filters asks without a query; False is a filter too."""
    api.connections_all(CONSUMER, APPLICATION)
    api.connections_all(CONSUMER, APPLICATION, configured=False)

    assert [asked.query for asked in vault.asked] == ["", "configured=false"]


def test_a_plain_mapping_may_stand_for_a_model(api: ConnectionsApi, vault: RecordedVault) -> None:
    """A body may be given as the dict that it is."""
    api.connections_update(CONSUMER, APPLICATION, "pipedrive", "crm", {"metadata": None})  # type: ignore[arg-type]

    assert vault.asked[0].body == b'{"metadata":null}'


def test_what_was_read_can_be_changed_and_written(api: ConnectionsApi, vault: RecordedVault) -> None:
    """Read, change, write: the vault gets back what it sent, with the change."""
    connection = api.connections_one(CONSUMER, APPLICATION, "pipedrive", "crm").data
    connection.enabled = False

    api.connections_update(CONSUMER, APPLICATION, "pipedrive", "crm", connection)

    sent = openapi_client.Connection.from_json(vault.asked[-1].body)
    assert sent.to_dict() == {**ANSWERS["connection"], "enabled": False}


@pytest.mark.parametrize(
    ("arguments", "options", "told"),
    [
        ((CONSUMER, APPLICATION, "pipedrive"), {}, "missing a required argument: 'unified_api'"),
        ((CONSUMER, APPLICATION, "pipedrive", "crm", "leads"), {}, "too many positional arguments"),
        ((CONSUMER, APPLICATION, "pipedrive", None), {}, "unified_api: Expected `str`"),
        ((CONSUMER, 42, "pipedrive", "crm"), {}, "x_apideck_app_id: Expected `str`, got `int`"),
        ((CONSUMER, APPLICATION, "pipedrive", "crm"), {"timeout": 3}, "_request_timeout"),
        ((CONSUMER, APPLICATION, "pipedrive", "crm"), {"_request_timeout": "3"}, "_request_timeout: Expected"),
        ((CONSUMER, APPLICATION, "pipedrive", "crm"), {"_headers": ["a"]}, "_headers: Expected `object"),
        ((CONSUMER, APPLICATION, "pipedrive", "crm"), {"_host_index": 1}, "_host_index: Invalid enum value 1"),
        ((CONSUMER, APPLICATION, "pipedrive", "crm"), {"_follow_redirects": False}, "'_follow_redirects'"),
    ],
)
def test_a_wrong_argument_is_a_type_error_that_names_it(
    api: ConnectionsApi, vault: RecordedVault, arguments: tuple[Any, ...], options: dict[str, Any], told: str
) -> None:
    """Nothing is sent, and the message says which argument and what it takes."""
    with pytest.raises(TypeError) as refused:
        api.connections_one(*arguments, **options)

    assert told in str(refused.value)
    assert str(refused.value).startswith("connections_one: ")
    assert vault.asked == []


@pytest.mark.parametrize("value", ["", ".", "..", "\ud800"])
def test_a_path_parameter_cannot_lead_elsewhere(api: ConnectionsApi, vault: RecordedVault, value: str) -> None:
    """An empty or dotted id would address another resource, so nothing is sent."""
    with pytest.raises(openapi_client.ApiValueError, match="connections_delete: "):
        api.connections_delete(CONSUMER, APPLICATION, value, "crm")

    assert vault.asked == []


def test_scopes_are_a_list(api: ConnectionsApi) -> None:
    """A single text for `scope` is refused rather than taken letter by letter."""
    with pytest.raises(openapi_client.ApiTypeError, match="connections_authorize: scope: Expected `array"):
        api.connections_authorize("pipedrive", APPLICATION, STATE, "https://app.example/", scope="deals:full")  # type: ignore[arg-type]


def test_a_body_without_a_form_in_json_is_refused(api: ConnectionsApi) -> None:
    """What JSON cannot say is a type error, not a crash."""
    with pytest.raises(openapi_client.ApiTypeError, match="type object has no form in JSON"):
        api.connections_token(CONSUMER, APPLICATION, "pipedrive", "crm", body=object())


def test_an_api_without_a_client_makes_its_own() -> None:
    """`ConnectionsApi()` talks to where `holdfast serve` listens."""
    assert ConnectionsApi().api_client.configuration.host == "http://127.0.0.1:8000"
