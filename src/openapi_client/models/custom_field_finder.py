"""Fields beyond the unified ones: where the service keeps them, and where the application wants them."""

from __future__ import annotations

from typing import Any

from openapi_client.model import Model


class CustomFieldFinder(Model):
    """A field the service's customer has defined there; `finder` is its JSONPath (RFC 9535)."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    value: Any = None
    finder: str | None = None


class CustomMapping(Model):
    """A field the application has defined and the JSONPath in `value` that fills it.

    `consumer_id` is null while the application's own default holds.
    """

    id: str | None = None
    key: str | None = None
    label: str | None = None
    description: str | None = None
    value: str | None = None
    required: bool | None = None
    custom_field: bool | None = None
    consumer_id: str | None = None
    example: str | None = None
