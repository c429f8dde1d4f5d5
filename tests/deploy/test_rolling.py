"""Nodes are replaced one after the other, while products work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from cluster import KEPT, Nodes
from fronts import Front, caddy, nginx
from load import Load

FRONTS: dict[str, Callable[..., AbstractContextManager[Front]]] = {
    "nginx": partial(nginx, changes={"keepalive_timeout 4s": f"keepalive_timeout {KEPT}"}),
    "caddy": caddy,
}


@pytest.mark.parametrize("front", FRONTS)
async def test_nobody_notices_that_nodes_are_replaced(nodes: Nodes, tmp_path: Path, front: str) -> None:
    """Each node is stopped and started under load: every request is answered, every write is seen at once."""
    place = tmp_path / front
    place.mkdir()
    with FRONTS[front](place, nodes.ports) as at:
        load = Load(at, nodes)
        working = asyncio.create_task(load.run())
        for node in nodes.each:
            rounds = load.rounds
            assert await asyncio.to_thread(node.stop) == 0
            assert load.rounds > rounds
            node.start()
            await asyncio.to_thread(node.serves)
        load.end()
        await working

    assert load.wrong == []
    assert set(load.answers) == {"POST 200", "GET 200", "PATCH 200"}
