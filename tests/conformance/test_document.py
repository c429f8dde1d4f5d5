"""`/openapi.json`: a valid OpenAPI 3.0.3 document that tells of everything the application answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from described import DOCUMENT
from openapi_spec_validator import OpenAPIV30SpecValidator

from holdfast.http.app import operations
from holdfast.http.describe.schemas import NAMELESS, REFS
from holdfast.testing.harness import PUBLIC_URL, Deployment

SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """All objects in `schema`, however deep."""
    if isinstance(schema, list):
        yield from (found for item in schema for found in objects(item))
    elif isinstance(schema, dict):
        yield from [schema] if "properties" in schema else []
        yield from (found for item in schema.values() for found in objects(item))


async def test_the_document_is_served_as_it_is_tested(vault: Deployment) -> None:
    """Anybody may read it; its server is the vault's own address."""
    reply = await vault.get("/openapi.json", headers={"authorization": None})

    assert reply.headers["content-type"] == "application/json"
    assert reply.body == DOCUMENT
    assert reply.body["servers"] == [{"url": PUBLIC_URL}]


def test_the_document_is_openapi() -> None:
    """It is valid by the schema of OpenAPI 3.0, and each reference in it leads somewhere."""
    assert [error.message for error in OpenAPIV30SpecValidator(DOCUMENT).iter_errors()] == []


def test_every_operation_is_described() -> None:
    """A route that is declared is in the document under an id of its own, with a sentence and with its errors."""
    assert sorted(o.operation_id for o in operations()) == sorted(o["operationId"] for o in OPERATIONS)
    assert len({o["operationId"] for o in OPERATIONS}) == len(OPERATIONS)
    for operation in OPERATIONS:
        assert operation["description"].endswith(".")
        assert {"400", "401", "404", "422", "default"} <= operation["responses"].keys()


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_member_is_explained(name: str) -> None:
    """A member says what it means, unless it has a schema of its own, which does."""
    unexplained = [
        member
        for schema in objects(SCHEMAS[name])
        for member, described in schema["properties"].items()
        if "$ref" not in described and not described.get("description")
    ]

    assert unexplained == []
    assert SCHEMAS[name]["description"]


def test_what_a_caller_may_write_is_what_is_read() -> None:
    """Of a connection that is sent back, only these members count; the document marks the others."""
    connection = SCHEMAS["Connection"]["properties"]

    writable = {name for name, member in connection.items() if not member.get("readOnly") and "$ref" not in member}
    assert writable == {"enabled", "settings", "metadata", "configuration"}


def test_a_schema_without_a_name_stands_where_it_is_used() -> None:
    """Generators then name it after that place, as they do for the API's own document."""
    assert not set(NAMELESS) & SCHEMAS.keys()
    assert "$ref" not in SCHEMAS["ConnectionImportData"]["properties"]["credentials"]
    assert SCHEMAS["Connection"]["properties"]["state"] == {"$ref": f"{REFS}ConnectionState"}
