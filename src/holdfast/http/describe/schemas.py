"""The schemas of `/openapi.json`: the structs that operations read and answer with, as OpenAPI 3.0.3 spells them.

msgspec writes JSON Schema of 2020-12. Here it gets the spelling of 3.0 (null, constants), the names that the
Connections API gives its schemas, so that a client generated from the document has classes of the same names. What a
member means, its struct says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import msgspec

from holdfast.domain.connection import Health, IntegrationState, State
from holdfast.http.errors import ErrorBody
from holdfast.http.operations import Operation
from holdfast.http.wire.words import AuthType, OAuthGrantType

REFS = "#/components/schemas/"
Schema = dict[str, Any]

ERRORS = {
    400: ("BadRequestResponse", "The request is malformed."),
    401: ("UnauthorizedResponse", "The credential is missing, wrong, or may not do this."),
    402: ("PaymentRequiredResponse", "A limit that the operator set is reached."),
    404: ("NotFoundResponse", "Nothing is found here."),
    422: ("UnprocessableResponse", "The request is understood and cannot be carried out."),
}
DEFAULT_ERROR = ("UnexpectedErrorResponse", "Anything else that went wrong.")
WORDS: dict[str, tuple[Any, str]] = {
    "ConnectionState": (State, "How far a connection has come; `callable` is ready for calls."),
    "ConnectionHealth": (Health, "What is wrong with a connection first of all, or `ok`."),
    "IntegrationState": (IntegrationState, "Whether the application has set up what the integration needs."),
    "AuthType": (AuthType, "What kind of credential the service takes."),
    "OAuthGrantType": (OAuthGrantType, "How an OAuth service gives its tokens (RFC 6749 sections 4.1, 4.4 and 4.3)."),
}
# Schemas that the API has no name for: each stands in the one place where it is used.
NAMELESS = ("ImportCredentials", "ConfigurationItem", "ConfigurationDefault")
# What JSON Schema may say and OpenAPI 3.0 may not, or need not.
_UNSAID: tuple[tuple[str, Any], ...] = (("required", []), ("default", None))


class Schemas:
    """The named schemas of some operations, and what each of their types is written as."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        types = [ErrorBody, *(type_ for operation in operations for type_ in _types(operation))]
        schemas, found = msgspec.json.schema_components(types, ref_template=REFS + "{name}")
        self._known = {name: _untitled(schema) for name, schema in found.items()}
        self._by_type = dict(zip(map(repr, types), map(self._spelled, schemas), strict=True))
        self.components = {name: self._spelled(s) for name, s in self._known.items() if name not in NAMELESS}
        self.components |= {name: _word(kind, text) for name, (kind, text) in WORDS.items()} | self._errors()
        for operation in operations:
            self._mark(operation)

    def of(self, type_: Any) -> Schema:
        """What stands for `type_`: a reference, where it has a name."""
        schema: Schema = self._by_type[repr(type_)]
        return schema

    def _errors(self) -> dict[str, Schema]:
        envelope = self.components.pop("ErrorBody")
        return {name: {**envelope, "description": text} for name, text in (*ERRORS.values(), DEFAULT_ERROR)}

    def _mark(self, operation: Operation) -> None:
        """An answer has all members of its envelope; a body that is also an answer needs none of its own."""
        if has_schema(operation):
            envelope = self.components[operation.returns.__name__]
            envelope["required"] = list(envelope["properties"])
        if operation.body and operation.body[2].documented:
            self._mark_read_only(operation.body[2].documented, operation.body[1])

    def _mark_read_only(self, documented: Any, read: Any) -> None:
        """Members that are not read of a body stay as they are, whatever is sent; nobody need send any."""
        schema = self.components[documented.__name__]
        self._relax(schema)
        for name, member in schema["properties"].items():
            if name not in read.__struct_fields__ and "$ref" not in member:
                member["readOnly"] = True

    def _relax(self, schema: Any) -> None:
        """Takes `required` from all objects in `schema`, however deep."""
        if isinstance(schema, list):
            for item in schema:
                self._relax(item)
        elif isinstance(schema, dict):
            if "properties" in schema:
                schema.pop("required", None)
            self._relax([self.components.get(schema.get("$ref", "").removeprefix(REFS)), *schema.values()])

    def _spelled(self, schema: Any) -> Any:
        """JSON Schema 2020-12 as OpenAPI 3.0 spells it."""
        if isinstance(schema, list):
            return [self._spelled(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        name = schema.get("$ref", "").removeprefix(REFS)
        if name in NAMELESS:
            return self._spelled(self._known[name])
        changed = {key: self._spelled(value) for key, value in schema.items() if (key, value) not in _UNSAID}
        if "enum" in changed:
            return _named({"type": "string", **changed})
        return _nullable(changed) if "anyOf" in changed else changed


def has_schema(operation: Operation) -> bool:
    """Whether the operation answers with JSON."""
    return isinstance(operation.returns, type) and issubclass(operation.returns, msgspec.Struct)


def body_type(operation: Operation) -> Any:
    """The type that the operation's body is documented as."""
    assert operation.body is not None
    _, type_, body = operation.body
    return body.documented or type_


def _types(operation: Operation) -> list[Any]:
    types = [parameter.type for parameter in operation.parameters]
    types += [body_type(operation)] if operation.body else []
    return [*types, operation.returns] if has_schema(operation) else types


def _word(kind: Any, text: str) -> Schema:
    return {"type": "string", "enum": sorted(get_args(kind)), "description": text}


def _named(schema: Schema) -> Schema:
    for name, (kind, _) in WORDS.items():
        if sorted(get_args(kind)) == schema["enum"]:
            return {"$ref": REFS + name}
    return schema


def _untitled(schema: Schema) -> Schema:
    """`schema` without its title, which would only repeat its name."""
    return {key: value for key, value in schema.items() if key != "title"}


def _nullable(schema: Schema) -> Schema:
    kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if len(kinds) == len(schema["anyOf"]):
        return schema
    if len(kinds) > 1:
        return {**rest, "anyOf": kinds, "nullable": True}
    if "$ref" in kinds[0]:
        # A reference stands alone in OpenAPI 3.0.
        return {**rest, "allOf": kinds, "nullable": True}
    enum = {"enum": [*kinds[0]["enum"], None]} if "enum" in kinds[0] else {}
    return {**kinds[0], **rest, **enum, "nullable": True}
