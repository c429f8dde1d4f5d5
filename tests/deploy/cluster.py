"""Nodes that share one PostgreSQL: each a process with a directory of its own, as the documentation says."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

import httpx
from executable import Holdfast, Running

ADMIN_TOKEN = "hf_admin_of_all_the_nodes_together"
# What the documentation says, in a smaller measure: a node goes on for longer than a proxy keeps a connection.
DRAIN, KEPT = "2", "1s"
CONSUMER = "northwind-freight"


@dataclass
class Node:
    """One node. It keeps its port and its directory when it is started anew."""

    holdfast: Holdfast
    port: int
    drain: str
    process: Running | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it; `serves` waits until it serves."""
        self.process = self.holdfast.start("serve", "--port", str(self.port), "--drain", self.drain)

    def serves(self) -> None:
        """Returns once it serves."""
        assert self.process is not None
        self.process.line("serves http")

    def stop(self) -> int:
        """Its exit status after SIGTERM."""
        assert self.process is not None
        return self.process.stop(signal.SIGTERM)


@dataclass
class Nodes:
    """All of them, and an application that one of them made."""

    each: list[Node]
    application: dict[str, str] = field(default_factory=dict)

    @property
    def ports(self) -> list[int]:
        return [node.port for node in self.each]

    def headers(self, consumer: str = CONSUMER) -> dict[str, str]:
        """What a product sends."""
        return {
            "Authorization": f"Bearer {self.application['api_key']}",
            "x-apideck-app-id": self.application["application_id"],
            "x-apideck-consumer-id": consumer,
        }

    def manage(self, node: Node, method: str, path: str, body: object = None) -> httpx.Response:
        """What the management API of one node answers."""
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        url = f"{node.url}/manage/applications/{self.application['application_id']}{path}"
        return httpx.request(method, url, headers=headers, json=body, timeout=30)

    def integrate(self, node: Node, *, enabled: bool) -> None:
        """Sets the CRM up through one node, switched on or off."""
        given = {"client_id": "4f8a21c09d", "client_secret": "b2c7d4e19a", "enabled": enabled}
        self.manage(node, "PUT", "/integrations/crm/pipedrive", given).raise_for_status()

    def end(self) -> None:
        """Ends those that run; they need not wait for anybody."""
        for node in self.each:
            if node.process is not None and node.process.process.poll() is None:
                node.process.process.send_signal(signal.SIGTERM)
        for node in self.each:
            node.holdfast.end()
