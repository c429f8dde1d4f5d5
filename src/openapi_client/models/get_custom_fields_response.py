"""The answer with a resource's custom fields."""

from __future__ import annotations

from openapi_client.model import Model
from openapi_client.models.custom_field_finder import CustomFieldFinder


class GetCustomFieldsResponse(Model):
    """`data` is a resource's custom fields; `status_code` and `status` repeat the HTTP status."""

    status_code: int | None = None
    status: str | None = None
    data: list[CustomFieldFinder]
