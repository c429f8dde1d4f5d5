"""What a service is called with in a customer's name."""

from __future__ import annotations

from typing import Any

from openapi_client.model import MASK, Model, masked
from openapi_client.models.connection import AuthType


class Credential(Model):
    """For OAuth an `access_token` with its `token_type`, `scope` and times; for other services the `base_url`, and the
    `headers` and `query` that every call carries. Times are milliseconds since the epoch: `expires_at` is missing where
    nobody knows the token's end, and from `refresh_after` on there is a newer one. Its `repr` shows no secret."""

    auth_type: AuthType
    access_token: str | None = None
    token_type: str | None = None
    scope: str | None = None
    issued_at: int | None = None
    expires_at: int | None = None
    refresh_after: int | None = None
    base_url: str | None = None
    headers: dict[str, str] | None = None
    query: dict[str, str] | None = None

    def _shown(self) -> dict[str, Any]:
        shown = super()._shown()
        hidden = {name: MASK for name in ("access_token", "base_url") if shown.get(name)}
        return shown | hidden | {name: masked(shown[name]) for name in ("headers", "query") if name in shown}
