"""The answer with a consumer's connections."""

from __future__ import annotations

from openapi_client.model import Model
from openapi_client.models.connection import Connection


class GetConnectionsResponse(Model):
    """`data` is a consumer's connections; `status_code` and `status` repeat the HTTP status."""

    status_code: int | None = None
    status: str | None = None
    data: list[Connection]
