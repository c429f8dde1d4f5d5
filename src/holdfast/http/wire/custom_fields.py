"""Fields that an account of a service has beside the service's own."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.grants.listing import CustomField


class CustomFieldFinder(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A custom field, and the JSONPath that finds its value in a record."""

    id: Annotated[str, Meta(description="The service's id of the field.")]
    name: Annotated[str | UnsetType, Meta(description="The service's name of the field.")] = UNSET
    description: Annotated[str | UnsetType, Meta(description="What the service says of the field.")] = UNSET
    finder: Annotated[str, Meta(description="The JSONPath (RFC 9535) that finds its value in a record.")]


def custom_field(found: CustomField) -> CustomFieldFinder:
    """How a custom field is told."""
    return CustomFieldFinder(
        id=found.id, name=found.name or UNSET, description=found.description or UNSET, finder=found.finder
    )
