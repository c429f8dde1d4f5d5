"""The answer with a new connection."""

from __future__ import annotations

from openapi_client.model import Model
from openapi_client.models.connection import Connection


class CreateConnectionResponse(Model):
    """`data` is a new connection; `status_code` and `status` repeat the HTTP status."""

    status_code: int | None = None
    status: str | None = None
    data: Connection
