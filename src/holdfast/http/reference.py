"""`/docs`: the API reference, rendered here from `/openapi.json`; it loads nothing from any other host."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from holdfast.http.openapi import REFS

DEPTH = 3


def page(document: dict[str, Any]) -> Callable[[Request], Any]:
    """The endpoint that shows `document`."""
    environment = Environment(
        loader=PackageLoader("holdfast.http"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    template = environment.get_template("docs.html")
    shown = {
        "info": document["info"],
        "server": document["servers"][0]["url"],
        "groups": _groups(document),
        "errors": _errors(document),
    }

    async def show(request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
            "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
        text = template.render(shown, nonce=nonce)
        return HTMLResponse(text, headers={"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"})

    return show


def _errors(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The members of every error."""
    found: list[dict[str, Any]] = []
    _unfold(document, {"$ref": f"{REFS}UnexpectedErrorResponse"}, 0, (), found)
    return found


def _groups(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations by tag, in the order of the document."""
    operations = [
        _operation(document, path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return [{**tag, "operations": [o for o in operations if o["tag"] == tag["name"]]} for tag in document["tags"]]


def _operation(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody")
    responses = [
        # Errors are all alike; they are described once.
        {"status": status, "text": r["description"], "members": _members(document, r) if status[0] == "2" else []}
        for status, r in operation["responses"].items()
    ]
    return {
        "id": operation["operationId"],
        "tag": operation["tags"][0],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "description": operation["description"],
        "security": next((name for need in operation["security"] for name in need), ""),
        "parameters": [{**p, "type": _type(p["schema"])} for p in operation["parameters"]],
        "body": {"text": body["description"], "required": body["required"], "members": _members(document, body)}
        if body
        else None,
        "responses": responses,
    }


def _schema_of(holder: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = holder.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _members(document: dict[str, Any], holder: dict[str, Any]) -> list[dict[str, Any]]:
    """The members of a body's schema, indented by depth; a schema inside itself is not unfolded again."""
    found: list[dict[str, Any]] = []
    _unfold(document, _schema_of(holder), 0, (), found)
    return found


def _unfold(
    document: dict[str, Any], schema: dict[str, Any], depth: int, above: tuple[str, ...], found: list[dict[str, Any]]
) -> None:
    name = _name(schema)
    target = document["components"]["schemas"].get(name, schema)
    if depth > DEPTH or name in above:
        return
    for member, described in target.get("properties", {}).items():
        found.append(
            {
                "name": member,
                "depth": depth,
                "type": _type(described),
                "required": member in target.get("required", ()),
                "text": described.get("description", ""),
            }
        )
        inner = described.get("items", described)
        _unfold(document, inner, depth + 1, (*above, name) if name else above, found)


def _name(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).removeprefix(REFS)


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _name(schema)
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_type(kind) for kind in schema["anyOf"])
    if schema.get("type") == "array":
        return f"array of {_type(schema['items'])}"
    null = " or null" if schema.get("nullable") else ""
    return str(schema.get("type", "any")) + null
