"""A connection that was authorized elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from openapi_client.model import MASK, Model, masked


class ConnectionImportDataCredentials(Model):
    """OAuth tokens. `expires_in` is seconds from `issued_at`, which needs a time zone; `repr` shows no token.

    Without both times the vault refreshes the token before its first use.
    """

    access_token: str | None = None
    refresh_token: str | None = None
    issued_at: Annotated[datetime, Meta(tz=True)] | None = None
    expires_in: int | None = None

    def _shown(self) -> dict[str, Any]:
        return {name: MASK if name.endswith("_token") else value for name, value in super()._shown().items()}


class ConnectionImportData(Model):
    """OAuth tokens go into `credentials`, API keys and passwords into `settings`, whose values `repr` hides."""

    credentials: ConnectionImportDataCredentials | None = None
    settings: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None

    def _shown(self) -> dict[str, Any]:
        shown = super()._shown()
        return {**shown, "settings": masked(self.settings)} if self.settings else shown
