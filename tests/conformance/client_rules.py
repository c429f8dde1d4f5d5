"""What every published client can read: rules on an answer, as functions that tell each breach.

Some clients refuse an unknown word of an enum, a null, a time that is a text, an option without its kind; some show
an error where a success has a member `message`. An answer that keeps all of these rules suits them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

WORDS = {
    "state": {"available", "added", "invalid", "authorized", "callable"},
    "integration_state": {"disabled", "needs_configuration", "configured"},
    "auth_type": {"oauth2", "apiKey", "basic", "custom", "none"},
    "oauth_grant_type": {"authorization_code", "client_credentials", "password"},
    "status": {"live", "upcoming", "requested"},
    "health": {
        "revoked", "missing_settings", "needs_consent", "pending_confirmation", "needs_auth", "pending_refresh",
        "degraded", "ok",
    },
}  # fmt: skip
FIELD_TYPES = {
    "text", "checkbox", "tel", "email", "url", "textarea", "select", "filtered-select", "multi-select", "datetime",
    "date", "time", "number",
}  # fmt: skip
# The types for which the browser component of the API draws an input in a connection's own form.
DRAWN = {"text", "textarea", "select", "multi-select"}
ALWAYS = {
    "id", "service_id", "name", "unified_api", "auth_type", "state", "integration_state", "enabled", "website",
    "authorize_url", "revoke_url", "form_fields", "configurable_resources", "resource_schema_support",
    "resource_settings_support", "settings_required_for_authorization", "custom_mappings",
}  # fmt: skip
ONLY_WHEN_ADDED = {"settings", "metadata", "created_at"}
NULLABLE = {"authorize_url", "revoke_url", "settings", "metadata", "updated_at"}
TIMES = ("created_at", "updated_at", "credentials_expire_at", "last_refresh_failed_at", "last_downstream_error_at")


def breaches(body: Any) -> list[str]:
    """What of a success would trouble a client: of its envelope, and of the connections in it."""
    found = [f"envelope without {name}" for name in ("status_code", "status", "data") if body.get(name) is None]
    found += [f"envelope with {name}" for name in ("message", "error") if name in body]
    connections = body["data"] if isinstance(body["data"], list) else [body["data"]]
    return [*found, *(breach for connection in connections for breach in _of_connection(connection))]


def _of_connection(connection: dict[str, Any]) -> Iterator[str]:
    yield from (f"{name} is missing" for name in ALWAYS - connection.keys())
    yield from (f"{name} is null" for name, value in connection.items() if value is None and name not in NULLABLE)
    for name, words in WORDS.items():
        if name in connection and connection[name] not in words:
            yield f"{name} is {connection[name]!r}"
    if connection["id"] != f"{connection['unified_api']}+{connection['service_id']}":
        yield f"id is {connection['id']!r}"
    added = connection["state"] != "available"
    yield from (f"{n} of {connection['state']}" for n in ONLY_WHEN_ADDED if (n in connection) is not added)
    yield from (f"{n} is no number" for n in TIMES if not isinstance(connection.get(n), int | float | None))
    yield from (f"{name} is no link" for name in ("authorize_url", "revoke_url") if not _extensible(connection[name]))
    yield from (breach for field in connection["form_fields"] for breach in _of_field(field, connection))
    yield from (breach for item in connection.get("configuration", ()) for breach in _of_configuration(item))


def _extensible(link: str | None) -> bool:
    """Clients put `&redirect_uri=…` behind it."""
    return link is None or bool(urlsplit(link).netloc and urlsplit(link).query)


def _of_field(field: dict[str, Any], connection: dict[str, Any]) -> Iterator[str]:
    yield from _of_input(field)
    if not field["hidden"] and field["type"] not in DRAWN:
        yield f"field {field['id']} is a {field['type']}, which is not drawn"
    if field["sensitive"] and field["id"] in (connection.get("settings") or {}):
        yield f"the secret {field['id']} is among the settings"


def _of_input(field: dict[str, Any]) -> Iterator[str]:
    name = f"field {field['id']}"
    yield from (f"{name}: {member} is null" for member, value in field.items() if value is None)
    if field["type"] not in FIELD_TYPES:
        yield f"{name} is a {field['type']}"
    if field["type"].endswith("select") and "options" not in field and "filter" not in field:
        yield f"{name} has no options"
    for option in field.get("options", ()):
        if option.get("option_type") != "simple" or not isinstance(option["value"], str) or not option["label"]:
            yield f"{name} has an option {option!r}"


def _of_configuration(item: dict[str, Any]) -> Iterator[str]:
    if "id" in item:
        yield from _of_input(item)
    for default in item["defaults"]:
        if isinstance(default["value"], list | dict):
            yield f"the default {default['id']} is neither a word nor a number"
