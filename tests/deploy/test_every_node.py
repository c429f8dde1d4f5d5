"""What one node wrote is what every other one reads; what a manager took away is gone everywhere within a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
from cluster import Node, Nodes
from load import PATH

SECOND = 1.0


def test_a_write_is_seen_on_every_node_at_once(nodes: Nodes) -> None:
    """Made, changed and deleted on one node; the next read, on whichever node, knows it."""
    for number, writer in enumerate(nodes.each):
        consumer = nodes.headers(f"customer-{number}")

        asked(writer, "POST", consumer, {"metadata": {"round": number}})
        assert [read["metadata"] for read in everywhere(nodes, consumer)] == [{"round": number}] * len(nodes.each)

        asked(writer, "PATCH", consumer, {"metadata": {"round": -number}})
        assert [read["metadata"] for read in everywhere(nodes, consumer)] == [{"round": -number}] * len(nodes.each)

        asked(writer, "DELETE", consumer)
        assert {answer(node, "GET", consumer).json()["data"]["state"] for node in nodes.each} == {"available"}


def test_a_key_that_was_taken_away_opens_no_node_after_a_second(nodes: Nodes) -> None:
    """A key is remembered for a second at most: other nodes refuse it within one of its deletion."""
    first, *others = nodes.each
    key = nodes.manage(first, "POST", "/api-keys", {"scopes": ["connections"]}).json()["data"]
    headers = {**nodes.headers(), "Authorization": f"Bearer {key['api_key']}"}
    assert {answer(node, "GET", headers).status_code for node in nodes.each} == {200}

    nodes.manage(first, "DELETE", f"/api-keys/{key['id']}").raise_for_status()
    taken_away = time.monotonic()

    assert answer(first, "GET", headers).status_code == 401
    for node in others:
        assert how_long(node, headers, taken_away, lambda got: got.status_code == 200) < SECOND


def test_an_integration_that_was_switched_off_is_off_on_every_node_after_a_second(nodes: Nodes) -> None:
    """A switch that is turned on one node takes effect on the others within a second."""
    first, *others = nodes.each
    headers = nodes.headers("customer-of-a-switch")
    asked(first, "POST", headers, {})
    on = [read["integration_state"] for read in everywhere(nodes, headers)]

    nodes.integrate(first, enabled=False)
    switched = time.monotonic()

    assert on == ["configured"] * len(nodes.each)
    for node in others:
        assert how_long(node, headers, switched, lambda got: "configured" in got.text) < SECOND
    nodes.integrate(first, enabled=True)


def asked(node: Node, method: str, headers: dict[str, str], body: object = None) -> None:
    answer(node, method, headers, body).raise_for_status()


def answer(node: Node, method: str, headers: dict[str, str], body: object = None) -> httpx.Response:
    return httpx.request(method, f"{node.url}{PATH}", headers=headers, json=body, timeout=30)


def everywhere(nodes: Nodes, headers: dict[str, str]) -> Iterator[dict[str, object]]:
    """What each node reads."""
    for node in nodes.each:
        yield answer(node, "GET", headers).json()["data"]


def how_long(node: Node, headers: dict[str, str], since: float, as_before: Callable[[httpx.Response], bool]) -> float:
    """Seconds from `since` to the beginning of the last request that was answered as before; 0 if none was."""
    last = since
    while True:
        began = time.monotonic()
        if not as_before(answer(node, "GET", headers)):
            return last - since
        last = began
