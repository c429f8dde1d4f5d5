"""The table of healths: each row holds only where none above it does."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from pages import said
from small_connectors import connector

from holdfast.domain.connection import Connection, Grant, RefreshFailure, health

NOW = 1_767_225_600_000
WORST = Connection(
    id="c1", consumer_id="user-1", unified_api="crm", service_id="acme", consent_state="revoked", revoked_at=1,
    pending_until=NOW + 1, validation="failed", failure=RefreshFailure("deferred", NOW, NOW),
    last_downstream_error_at=NOW,
)  # fmt: skip
GRANT = Grant(granted_at=1, issued_at=1, expires_at=None, refreshable=True, refresh_expires_at=None)
# What is put right, one after the other.
MENDED: list[dict[str, Any]] = [
    {}, {"pending_until": 0}, {"grant": GRANT}, {"settings": {"tenant_id": "t1"}}, {"consent_state": "implicit"},
    {"validation": "ok"}, {"failure": None}, {"last_downstream_error_at": 0},
]  # fmt: skip


def test_the_first_health_of_the_page_that_holds_is_told() -> None:
    """A connection for which all of them hold tells the first, and the next one each time that something is mended."""
    rows = [saying.split(" | ")[0].strip("`") for saying in said("docs/reference/api.md")["State and health"]]
    told, connection = [], WORST
    for mended in MENDED:
        connection = replace(connection, **mended)
        told.append(health(connection, connector("authorization_code"), NOW))

    assert [row for row in rows if row in told] == told
