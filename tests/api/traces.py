"""What an attempt left behind: rows, and requests to the provider."""

from __future__ import annotations

from holdfast.testing.harness import Deployment

TABLES = ("consumers", "connections", "flows", "confirmations", "events", "jobs", "revocations", "journal")
_COUNTS = "SELECT " + ", ".join(f"(SELECT COUNT(*) FROM {table}) AS {table}" for table in TABLES)  # noqa: S608 - ours


async def rows(vault: Deployment) -> dict[str, int]:
    """How many rows each table has that requests of consumers and browsers write to."""
    found = await vault.vault.store.q.one(_COUNTS)
    assert found is not None
    return {table: found[table] for table in TABLES}


async def traces(vault: Deployment) -> tuple[dict[str, int], int]:
    """The rows, and how many requests have left the vault: equal before and after something that did nothing."""
    return await rows(vault), len(vault.network.requests)
