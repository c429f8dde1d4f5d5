"""Nodes that are silent about refreshes that they began."""

from __future__ import annotations

import msgspec

from holdfast.errors import EntityNotFoundError
from holdfast.store import silence
from holdfast.usecases.vault import Vault


class NodeData(msgspec.Struct, frozen=True):
    """A node, how many refreshes of its own it has not spoken of, and since when (ms)."""

    node: str
    silent: int
    since: int


async def silent_nodes(vault: Vault) -> list[NodeData]:
    """Nodes that have given a refresh token to its provider, and have not said what came of it."""
    return [NodeData(row["node"], row["silent"], row["since"]) for row in await silence.nodes(vault.store)]


async def forget_node(vault: Vault, node: str) -> int:
    """Speaks for a node that will not come back; how many refreshes that concerns. EntityNotFoundError if none does."""
    concerned = await silence.forget_node(vault.store, node, vault.terms)
    if not concerned:
        raise EntityNotFoundError("node", node)
    return concerned
