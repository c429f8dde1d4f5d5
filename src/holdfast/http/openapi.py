"""`/openapi.json`: OpenAPI 3.0.3, written from the same declarations that route requests.

msgspec gives JSON Schema of 2020-12; `_downgrade` turns what 3.0 spells otherwise (null, constants, examples).
Every operation documents the error envelope for the statuses that it declares, and a default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from holdfast import __version__
from holdfast.http.callers import APP_ID, CONSUMER_ID
from holdfast.http.errors import ErrorBody
from holdfast.http.operations import Operation, Parameter, Security

REFS = "#/components/schemas/"
ERROR_SCHEMAS = {
    400: ("BadRequestResponse", "The request is malformed."),
    401: ("UnauthorizedResponse", "The credential is missing, wrong, or may not do this."),
    402: ("PaymentRequiredResponse", "A limit that the operator set is reached."),
    404: ("NotFoundResponse", "Nothing is found here."),
    422: ("UnprocessableResponse", "The request is understood and cannot be carried out."),
}
DEFAULT_ERROR = ("UnexpectedErrorResponse", "Anything else that went wrong.")
# What JSON Schema may say and OpenAPI 3.0 may not.
_UNSAID: tuple[tuple[str, Any], ...] = (("required", []), ("default", None))
TAGS = {
    "Connections": "The connections of a consumer.",
    "Vault": "Steps of an authorization that a product takes part in.",
    "Management": "Applications, API keys and integrations; for the operator's admin token.",
}
SECURITY: dict[Security, list[dict[str, list[str]]]] = {
    "key": [{"apiKey": []}],
    "admin": [{"adminToken": []}],
    "none": [],
}


def openapi(operations: Sequence[Operation], public_url: str) -> dict[str, Any]:
    """The document that describes `operations`."""
    schemas = _Schemas(operations)
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Holdfast",
            "version": __version__,
            "description": "A self-hosted connection vault: connect, keep, refresh and revoke accounts at services.",
            "license": {"name": "Apache-2.0"},
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


class _Schemas:
    """The named schemas of all operations, and a reference to each."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        types = [ErrorBody]
        for operation in operations:
            types += [p.type for p in operation.parameters]
            types += [_body_type(operation)] if operation.body else []
            types += [operation.returns] if _has_schema(operation) else []
        schemas, components = msgspec.json.schema_components(types, ref_template=REFS + "{name}")
        self._by_type = dict(zip(map(repr, types), (_downgrade(s) for s in schemas), strict=True))
        self.components = {name: _downgrade(schema) for name, schema in components.items()}
        error = self.components.pop("ErrorBody")
        for name, text in [*ERROR_SCHEMAS.values(), DEFAULT_ERROR]:
            self.components[name] = {**error, "title": name, "description": text}

    def of(self, type_: Any) -> Any:
        return self._by_type[repr(type_)]


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.operation_id,
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.tag],
        "parameters": [*_selectors(operation), *(_parameter(p, schemas) for p in operation.parameters)],
        "responses": _responses(operation, schemas),
        "security": SECURITY[operation.security],
    }
    if operation.body:
        body = operation.body[2]
        described["requestBody"] = {
            "description": body.description,
            "required": body.required,
            "content": {"application/json": {"schema": schemas.of(_body_type(operation))}},
        }
    return described


def _selectors(operation: Operation) -> list[dict[str, Any]]:
    if operation.security != "key":
        return []
    text = {"type": "string", "maxLength": 255}
    return [
        {"name": CONSUMER_ID, "in": "header", "required": operation.consumer, "schema": text,
         "description": "The consumer whose connections are meant."},
        {"name": APP_ID, "in": "header", "required": True, "schema": text,
         "description": "The application that the key belongs to."},
    ]  # fmt: skip


def _parameter(parameter: Parameter, schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.param.name,
        "in": parameter.param.where,
        "required": parameter.required,
        "description": parameter.param.description,
        "schema": {k: v for k, v in schemas.of(parameter.type).items() if k != "nullable"},
    }
    if parameter.param.example is not None:
        described["example"] = parameter.param.example
    if parameter.param.style:
        described |= {"style": parameter.param.style, "explode": False}
    return described


def _responses(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    success: dict[str, Any] = {"description": operation.summary}
    if _has_schema(operation):
        success["content"] = {"application/json": {"schema": schemas.of(operation.returns)}}
    found = {str(operation.status): success}
    named = [(str(status), ERROR_SCHEMAS[status]) for status in operation.errors]
    for status, (name, text) in [*named, ("default", DEFAULT_ERROR)]:
        schema = {"$ref": REFS + name}
        found[status] = {"description": text, "content": {"application/json": {"schema": schema}}}
    return found


def _has_schema(operation: Operation) -> bool:
    return isinstance(operation.returns, type) and issubclass(operation.returns, msgspec.Struct)


def _body_type(operation: Operation) -> Any:
    assert operation.body is not None
    _, type_, body = operation.body
    return body.documented or type_


def _downgrade(schema: Any) -> Any:
    """JSON Schema 2020-12 as OpenAPI 3.0 spells it."""
    if isinstance(schema, list):
        return [_downgrade(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _downgrade(value) for key, value in schema.items() if (key, value) not in _UNSAID}
    if "enum" in changed and "type" not in changed:
        changed["type"] = "string"
    return _nullable(changed) if "anyOf" in changed else changed


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    if len(kinds) == len(schema["anyOf"]):
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if len(kinds) == 1:
        # A reference stands alone in OpenAPI 3.0; where null is read for one, it means the same as leaving it out.
        return kinds[0] if "$ref" in kinds[0] else {**kinds[0], **rest, "nullable": True}
    return {**rest, "anyOf": kinds}
