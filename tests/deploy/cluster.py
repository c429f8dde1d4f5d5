"""Nodes that share one PostgreSQL: each a process with a directory of its own, as the documentation says."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from executable import Holdfast, Running

from holdfast.store.seal.masterkey import create_master_key_file

# Given what is to be changed in pgbouncer.ini: a context with the URL of a database behind PgBouncer.
Pool = Callable[[dict[str, str]], AbstractContextManager[str]]

ADMIN_TOKEN = "hf_admin_of_all_the_nodes_together"
# What the documentation says, in a smaller measure: a node goes on for longer than a proxy keeps a connection.
DRAIN, KEPT = "2", "1s"
CONSUMER = "northwind-freight"


def shared_settings(directory: Path, url: str) -> dict[str, str]:
    """What is the same on every node."""
    create_master_key_file(directory / "master.key")
    token = directory / "admin.token"
    token.write_text(ADMIN_TOKEN)
    token.chmod(0o600)
    return {
        "HOLDFAST_DATABASE_URL": url,
        "HOLDFAST_MASTER_KEY_FILE": str(directory / "master.key"),
        "HOLDFAST_ADMIN_TOKEN_FILE": str(token),
        "HOLDFAST_PUBLIC_URL": "https://vault.example.com",
    }


def command(directory: Path, name: str, settings: dict[str, str]) -> Holdfast:
    """The command in a directory of its own."""
    place = directory / name
    place.mkdir()
    return Holdfast(place, dict(settings))


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
