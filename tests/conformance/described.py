"""A vault whose every answer is held against `/openapi.json`.

    from described import deployment    # in the place of holdfast.testing.harness.deployment

An answer that the document does not describe fails the test that asked for it: an undeclared status, another content
type, a member that is missing, of another type or of no schema. What is not an operation answers as it likes, except
that errors have their envelope everywhere. The document speaks to programs: the pages that people see where they open
a link are not in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from openapi_schema_validator import OAS30Validator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.http.app import operations
from holdfast.http.describe.openapi import openapi
from holdfast.http.describe.schemas import REFS
from holdfast.testing import harness
from holdfast.testing.harness import Deployment

ERROR = {"$ref": f"{REFS}UnexpectedErrorResponse"}
DOCUMENT = openapi(operations(), "http://127.0.0.1:8000")
PATHS = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in DOCUMENT["paths"]]


class Undescribed(AssertionError):
    """An answer is not what `/openapi.json` says."""


class Described:
    """The application, with each of its answers checked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent: list[Message] = []

        async def record(message: Message) -> None:
            sent.append(message)
            await send(message)

        await self._app(scope, receive, record)
        if scope["type"] == "http" and sent and scope["method"] != "HEAD":
            headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
            body = b"".join(message.get("body", b"") for message in sent[1:])
            foreign = "x-apideck-downstream-error" in headers
            check(scope["method"], scope["path"], sent[0]["status"], headers.get("content-type", ""), body, foreign)


@asynccontextmanager
async def deployment(*args: Any, **options: Any) -> AsyncIterator[Deployment]:
    """`holdfast.testing.harness.deployment`, its answers checked."""
    async with harness.deployment(*args, **options) as vault:
        vault.app = Described(vault.app)
        yield vault


def check(method: str, path: str, status: int, content_type: str, body: bytes, foreign: bool = False) -> None:
    """Undescribed says what of the answer the document does not say. A `foreign` one is a service's own."""
    operation = _operation(method, path)
    if content_type.startswith("text/html") and _is_a_link(operation):
        return
    response = _response(operation, status)
    if response is None:
        raise Undescribed(f"{method} {path} answers {status}, which is not declared")
    content = response.get("content", {})
    if not content or ("*/*" in content and (foreign or status < 400)):
        return
    if "*/*" in content:
        content = {"application/json": {"schema": ERROR}}
    if content_type != "application/json":
        raise Undescribed(f"{method} {path} answers {status} as {content_type!r}")
    errors = list(faults(content["application/json"]["schema"], json.loads(body)))
    if errors:
        raise Undescribed(f"{method} {path} answers {status}: " + "; ".join(errors))


def faults(schema: Mapping[str, Any], document: Any) -> Iterator[str]:
    """Where `document` is not what `schema` says; a member that the schema does not name is a fault, too."""
    for error in _validator(json.dumps(schema)).iter_errors(document):
        yield f"{error.json_path} {error.message[:200]}"


def _operation(method: str, path: str) -> Mapping[str, Any] | None:
    declared = next((template for pattern, template in PATHS if pattern.fullmatch(path)), None)
    found: Mapping[str, Any] | None = DOCUMENT["paths"][declared].get(method.lower()) if declared else None
    return found


def _is_a_link(operation: Mapping[str, Any] | None) -> bool:
    """Whether browsers are led there, without a key; so they are beside the operations' paths."""
    return operation is None or operation["security"] == []


def _response(operation: Mapping[str, Any] | None, status: int) -> Mapping[str, Any] | None:
    if operation is None:
        return {"content": {"application/json": {"schema": ERROR}}} if status in (404, 405) else {}
    found: Mapping[str, Any] | None = operation["responses"].get(str(status))
    default: Mapping[str, Any] = operation["responses"]["default"]
    return found or (default if status >= 400 or "*/*" in default["content"] else None)


@cache
def _validator(schema: str) -> Any:
    return OAS30Validator({**json.loads(schema), "components": _closed(DOCUMENT["components"])})


def _closed(schema: Any) -> Any:
    """The same schemas, in which an object has the members that are named and no others."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    is_object = schema.get("type") == "object" and schema.get("properties")
    return {**closed, "additionalProperties": False} if is_object else closed
