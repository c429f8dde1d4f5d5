"""Members that mean the same wherever they stand, each with its sentence for `/openapi.json` and `/docs`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, UnsetType

Json = dict[str, Any]

UnifiedApi = Annotated[str, Meta(description="The unified API, such as `crm`.")]
ServiceId = Annotated[str, Meta(description="The connector's id.")]
ApplicationId = Annotated[str, Meta(description="The application's id.")]
ConnectionId = Annotated[str, Meta(description="The connection's id: `{unified_api}+{service_id}`.")]
Epoch = Annotated[int, Meta(description="Milliseconds since the epoch.")]
SETTINGS = Meta(
    description='Values by the id of their form field. Null or `""` clears one; a masked secret sent back stays.'
)
Settings = Annotated[Json | None | UnsetType, SETTINGS]
Metadata = Annotated[
    Json | None | UnsetType,
    Meta(description="Anything the product wants to keep here. Merged by key; `{}` changes nothing, null clears."),
]
Label = Annotated[str, Meta(description="What stands beside the field.")]
FieldId = Annotated[str, Meta(description="The field.")]
Placeholder = Annotated[str | UnsetType, Meta(description="An example, shown in the empty field.")]
Help = Annotated[str | UnsetType, Meta(description="Help in Markdown.")]
Resource = Annotated[str, Meta(description="The resource, in the plural.")]
Target = Annotated[
    Literal["custom_fields", "resource"] | UnsetType,
    Meta(description="`resource` for a field of the unified API, `custom_fields` for one of the service's own."),
]
