"""`/docs`: the API reference, rendered here from `/openapi.json`; it loads nothing from any other host."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from holdfast.http.describe.schemas import REFS

Document = dict[str, Any]
DEPTH = 3


def page(document: Document) -> Callable[[Request], Any]:
    """The endpoint that shows `document`."""
    template = _TEMPLATES.get_template("docs.html")
    shown = {
        "info": document["info"],
        "server": document["servers"][0]["url"],
        "groups": _groups(document),
        "errors": list(_members(document, {"$ref": f"{REFS}UnexpectedErrorResponse"})),
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


def _words(text: str) -> Markup:
    """A text of the document, with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


_TEMPLATES = Environment(
    loader=PackageLoader("holdfast.http"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip
_TEMPLATES.filters["words"] = _words


def _groups(document: Document) -> list[dict[str, Any]]:
    """The operations by tag, in the order of the document."""
    operations = [
        _operation(document, path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return [{**tag, "operations": [o for o in operations if o["tag"] == tag["name"]]} for tag in document["tags"]]


def _operation(document: Document, path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody")
    responses = [
        # Errors are all alike; they are described once.
        {"status": status, "text": r["description"], "members": _body(document, r) if status[0] == "2" else []}
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
        "parameters": [{**p, "type": _type(document, p["schema"])} for p in operation["parameters"]],
        "body": {"text": body["description"], "required": body["required"], "members": _body(document, body)}
        if body
        else None,
        "responses": responses,
    }


def _body(document: Document, holder: dict[str, Any]) -> list[dict[str, Any]]:
    """The members of a body's schema."""
    return list(_members(document, holder.get("content", {}).get("application/json", {}).get("schema", {})))


def _members(
    document: Document, schema: dict[str, Any], depth: int = 0, above: tuple[str, ...] = ()
) -> Iterator[dict[str, Any]]:
    """The members of `schema` and of what is in them; a schema inside itself is not unfolded again."""
    name, target = _name(schema), _target(document, schema)
    if depth > DEPTH or name in above:
        return
    for member, described in target.get("properties", {}).items():
        yield {
            "name": member,
            "depth": depth,
            "type": _type(document, described),
            "required": member in target.get("required", ()),
            "read_only": described.get("readOnly", False),
            "text": _target(document, described).get("description", ""),
        }
        inner = described.get("items", described)
        yield from _members(document, inner, depth + 1, (*above, name) if name else above)


def _name(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).removeprefix(REFS)


def _target(document: Document, schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"].get(_name(schema), schema)
    return found


def _type(document: Document, schema: dict[str, Any]) -> str:
    target = _target(document, schema)
    if "enum" in target:
        return " | ".join(word or "null" for word in target["enum"])
    if "$ref" in schema:
        return _name(schema)
    if "anyOf" in schema:
        return " | ".join(_type(document, kind) for kind in schema["anyOf"])
    if schema.get("type") == "array":
        return f"array of {_type(document, schema['items'])}"
    null = " or null" if schema.get("nullable") else ""
    return str(schema.get("type", "any")) + null
