"""The defaults of resources: what records of a resource get where they bring nothing of their own.

In the settings of one resource each item reads both ways: as the resource's defaults, and as a field of its form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.domain.connection import Connection
from holdfast.domain.manifest.connector import Option, ResourceField
from holdfast.errors import RequestValidationError
from holdfast.http.wire.form import Options, options
from holdfast.http.wire.meanings import FieldId, Help, Json, Label, Placeholder, Resource, Target
from holdfast.http.wire.words import FieldType, field_type

ResourceForm = Sequence[tuple[ResourceField, Sequence[Option]]]


class ConfigurationDefault(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The default of one field of a resource."""

    id: FieldId
    value: Annotated[Any, Meta(description="Its default.")] = None
    target: Target = UNSET
    options: Options = UNSET


class ConfigurationItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The defaults of one resource; in a resource's own settings also one field of its form."""

    resource: Resource
    defaults: Annotated[
        list[ConfigurationDefault],
        Meta(description="Values for records of this resource that bring none of their own."),
    ]
    id: FieldId | UnsetType = UNSET
    label: Label | UnsetType = UNSET
    type: Annotated[FieldType | UnsetType, Meta(description="How it is filled in.")] = UNSET
    value: Annotated[Any, Meta(description="The stored default.")] = UNSET
    target: Target = UNSET
    required: Annotated[bool | UnsetType, Meta(description="Whether the service needs it.")] = UNSET
    placeholder: Placeholder = UNSET
    description: Help = UNSET
    options: Options = UNSET


class ConfigurationInput(msgspec.Struct, kw_only=True):
    """Defaults of a resource, as a caller sends them."""

    resource: str
    defaults: list[Json] = []


def configuration(held: Connection) -> list[ConfigurationItem] | UnsetType:
    """The defaults of every resource that has some."""
    found = [
        ConfigurationItem(resource=resource, defaults=[_default(d) for d in defaults])
        for resource, defaults in held.configuration.items()
    ]
    return found or UNSET


def resource_items(held: Connection | None, resource: str, form: ResourceForm) -> list[ConfigurationItem]:
    """The form of one resource with the defaults that are stored."""
    stored = held.configuration.get(resource, ()) if held else ()
    values = {d["id"]: d.get("value") for d in stored}
    defaults = [_default(d) for d in stored]
    return [_item(resource, field, choices, values, defaults) for field, choices in form]


def configured(sent: list[Json]) -> dict[str, list[Json]]:
    """The defaults that a caller sends, by resource. RequestValidationError for a default that is none."""
    return {item.resource: _defaults(item) for item in _items(sent)}


def resource_defaults(sent: list[Json] | None | UnsetType, resource: str) -> list[Json] | None:
    """The defaults that a caller sends for `resource`, None if it sends none; those of others are ignored."""
    items = _items(sent if isinstance(sent, list) else [])
    return next((_defaults(item) for item in items if item.resource == resource), None)


def _item(
    resource: str,
    field: ResourceField,
    choices: Sequence[Option],
    values: Mapping[str, Any],
    defaults: list[ConfigurationDefault],
) -> ConfigurationItem:
    return ConfigurationItem(
        resource=resource,
        defaults=defaults,
        id=field.id,
        label=field.label,
        type=field_type(field.type),
        value=values.get(field.id, UNSET),
        target=field.target,
        required=field.required,
        placeholder=field.placeholder or UNSET,
        description=field.description or UNSET,
        options=options(choices) if choices else UNSET,
    )


def _default(stored: Mapping[str, Any]) -> ConfigurationDefault:
    return ConfigurationDefault(id=stored["id"], value=stored.get("value"), target=stored.get("target", UNSET))


def _items(sent: list[Json]) -> list[ConfigurationInput]:
    """The items that name a resource and its defaults; a form field that is sent back is no such item."""
    try:
        return [msgspec.convert(item, ConfigurationInput) for item in sent if "resource" in item]
    except msgspec.ValidationError as error:
        raise RequestValidationError(f"configuration: {error}") from None


def _defaults(item: ConfigurationInput) -> list[Json]:
    """The stored members of each default; what else a form sends with it is dropped."""
    found = []
    for default in item.defaults:
        id, target = default.get("id"), default.get("target", "resource")
        if not isinstance(id, str) or not id or target not in ("resource", "custom_fields"):
            raise RequestValidationError("Each default has an id, and a target of resource or custom_fields.")
        if not _can_be_read(value := default.get("value")):
            raise RequestValidationError("A default is a text, a number, a truth value or null, or a list of texts.")
        found.append({"id": id, "value": value, "target": target})
    return found


def _can_be_read(value: Any) -> bool:
    """Whether clients can: the strict ones give up the whole list of a consumer's connections because of one object.

    A list of texts is the value of a field of which several options are chosen; there is no other way to write it.
    """
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return not isinstance(value, dict)
