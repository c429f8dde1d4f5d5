"""`/openapi.json`: OpenAPI 3.0.3, written from the same declarations that route requests.

Every operation documents the error envelope for the statuses that it declares, and a default for all others.
What a client that strictly follows the Connections API sends is documented as required, also where the vault can do
without it; so clients that are generated from here have the methods that published ones have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast import __version__
from holdfast.http.callers import APP_ID, CONSUMER_ID, ID_LIMIT
from holdfast.http.describe.schemas import DEFAULT_ERROR, ERRORS, REFS, Schema, Schemas, body_type, has_schema
from holdfast.http.operations import Header, Operation, Parameter, Security

TAGS = {
    "Connections": "The connections of a consumer.",
    "Credentials": "What a connection's service is called with, for API keys with the scope `credentials:read`.",
    "Proxy": "Calls of a service with the credential of a consumer's connection on them.",
    "Vault": "Steps of an authorization that a product takes part in.",
    "Management": "Applications, API keys and integrations; for the operator's admin token.",
}
# Bytes of whatever kind.
ANY: dict[str, Any] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
SECURITY: dict[Security, list[dict[str, list[str]]]] = {
    "key": [{"apiKey": []}],
    "admin": [{"adminToken": []}],
    "none": [],
}
SELECTORS = (
    (CONSUMER_ID, "The consumer whose connections are meant.", "test-consumer"),
    (APP_ID, "The application that the key belongs to.", "dSBdXd2H6Mqwfg0atXHXYcysLJE9qyn1VwB"),
)


def openapi(operations: Sequence[Operation], public_url: str) -> dict[str, Any]:
    """The document that describes `operations`."""
    schemas = Schemas(operations)
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Holdfast",
            "version": __version__,
            "description": "A self-hosted connection vault: connect, keep, refresh and revoke accounts at services.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "servers": [{"url": public_url}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "Authorization"},
                "adminToken": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.operation_id,
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.tag],
        "parameters": [
            *_selectors(operation),
            *map(_header, operation.headers),
            *(_parameter(p, schemas) for p in operation.parameters),
        ],
        "responses": _responses(operation, schemas),
        "security": SECURITY[operation.security],
    }
    if operation.body:
        body = operation.body[2]
        described["requestBody"] = {
            "description": body.description,
            "required": body.required,
            "content": _json(schemas.of(body_type(operation))),
        }
    if operation.streams and operation.method not in ("GET", "HEAD", "OPTIONS"):
        described["requestBody"] = {"description": "Whatever the service takes.", "required": False, "content": ANY}
    return described


def _header(header: Header) -> dict[str, Any]:
    return {
        "name": header.name,
        "in": "header",
        "required": header.required,
        "description": header.description,
        "schema": {"type": "string"},
        "example": header.example,
    }


def _selectors(operation: Operation) -> list[dict[str, Any]]:
    if operation.security != "key":
        return []
    schema = {"type": "string", "maxLength": ID_LIMIT}
    return [
        {"name": name, "in": "header", "required": True, "description": text, "schema": schema, "example": example}
        for name, text, example in SELECTORS
    ]


def _parameter(parameter: Parameter, schemas: Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.param.name,
        "in": parameter.param.where,
        "required": parameter.required or parameter.param.lenient,
        "description": parameter.param.description,
        "schema": {key: value for key, value in schemas.of(parameter.type).items() if key != "nullable"},
    }
    if parameter.param.example is not None:
        described["example"] = parameter.param.example
    if parameter.param.style:
        described |= {"style": parameter.param.style, "explode": False}
    return described


def _responses(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    success: dict[str, Any] = {"description": operation.summary}
    if has_schema(operation):
        success["content"] = _json(schemas.of(operation.returns))
    elif operation.streams and operation.method != "HEAD":
        success["content"] = ANY
    unchanged = {"304": {"description": "What the caller has still counts."}} if operation.versioned else {}
    errors = {str(status): ERRORS[status] for status in operation.errors} | {"default": DEFAULT_ERROR}
    if operation.streams:
        return {str(operation.status): success, **{status: _either(*error) for status, error in errors.items()}}
    # What a person's browser is answered with on its way is a page instead; it asks for those, and programs do not.
    failures = {
        status: {"description": text, "content": _json({"$ref": REFS + name})}
        for status, (name, text) in errors.items()
    }
    return {str(operation.status): success, **unchanged, **failures}


def _either(name: str, text: str) -> dict[str, Any]:
    """An error of the vault's, or whatever the service answers with that status."""
    foreign = {"schema": {"type": "boolean"}, "description": "`true` if the service itself answers so."}
    told = {"application/json": {"schema": {"anyOf": [{"$ref": REFS + name}, {}]}}}
    return {"description": text, "headers": {"x-apideck-downstream-error": foreign}, "content": {**ANY, **told}}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
