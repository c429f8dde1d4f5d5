"""The answer with a connection's credential."""

from __future__ import annotations

from openapi_client.model import Model
from openapi_client.models.credential import Credential


class GetCredentialResponse(Model):
    """`data` is a connection's credential; `status_code` and `status` repeat the HTTP status."""

    status_code: int | None = None
    status: str | None = None
    data: Credential
