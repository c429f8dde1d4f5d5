"""The answer with a changed connection."""

from __future__ import annotations

from openapi_client.model import Model
from openapi_client.models.connection import Connection


class UpdateConnectionResponse(Model):
    """`data` is a changed connection; `status_code` and `status` repeat the HTTP status."""

    status_code: int | None = None
    status: str | None = None
    data: Connection
