"""What is told to the world when a connection changes."""

from __future__ import annotations

from typing import Literal

EventType = Literal[
    "vault.connection.created",
    "vault.connection.updated",
    "vault.connection.callable",
    "vault.connection.disabled",
    "vault.connection.deleted",
    "vault.connection.revoked",
    "vault.connection.token_refresh.pending",
    "vault.connection.token_refresh.recovered",
    "vault.connection.token_refresh.failed",
    "vault.connection.downstream.degraded",
    "vault.connection.downstream.recovered",
]
