"""A vault that plays recorded answers over real HTTP, and writes down what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

API_KEY = "sk_live_4fXq9vT2mB7n"

ANSWERS: dict[str, Any] = json.loads((Path(__file__).parent / "answers.json").read_text())


@dataclass(frozen=True)
class Asked:
    """A request as it arrived: `target` undecoded, `headers` by their names in lower case, repeated ones joined."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> str:
        return urlsplit(self.target).query


@dataclass
class RecordedVault:
    """`answer` decides what comes back; a test may put another in its place. `asked` is in order of arrival."""

    server: ThreadingHTTPServer
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], bytes] = field(default_factory=lambda: recorded)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def answers(self, status: int, body: object = b"", **headers: str) -> None:
        """Answer everything with this. What is not bytes becomes JSON."""
        answer = http(status, body, **headers)
        self.answer = lambda asked: answer


def http(status: int, body: object = b"", **headers: str) -> bytes:
    """An HTTP/1.1 answer on the wire; `set_cookie="…"` is the header Set-Cookie."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"content_type": "application/json", "content_length": str(len(raw)), "connection": "close"} | headers
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    phrase = {200: "OK", 204: "No Content", 301: "Moved Permanently", 404: "Not Found"}.get(status, "As It Is")
    return "\r\n".join([f"HTTP/1.1 {status} {phrase}", *lines, "", ""]).encode() + raw


def recorded(asked: Asked) -> bytes:
    """What the vault says to a well-formed call of each operation."""
    if asked.path.startswith(("/vault/authorize/", "/vault/revoke/", "/vault/callback")):
        return http(301, location="/consent", cache_control="no-store")
    if asked.path == "/consent":
        return http(200, b"<!doctype html><title>Consent</title>", content_type="text/html; charset=utf-8")
    if asked.method == "DELETE":
        return http(204)
    return http(200, {"status_code": 200, "status": "OK", "data": _data(asked)})


def _data(asked: Asked) -> Any:
    connection = ANSWERS["connection"]
    if asked.path == "/vault/connections":
        return [connection]
    if asked.path.endswith("/credentials"):
        return ANSWERS["credential"]
    if asked.path.endswith("/custom-fields"):
        return ANSWERS["custom_fields"]
    if asked.method == "GET" and asked.path.endswith("/config"):
        return {**connection, "configuration": ANSWERS["configuration"]}
    return connection


def start(vault_at: ThreadingHTTPServer) -> RecordedVault:
    """Let a bound server answer in threads of its own, as a vault that plays what was recorded."""
    vault = RecordedVault(vault_at)

    class Handler(BaseHTTPRequestHandler):
        def play(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): ", ".join(self.headers.get_all(name, [])) for name in self.headers}
            asked = Asked(self.command, self.path, headers, body)
            vault.asked.append(asked)
            self.wfile.write(vault.answer(asked))
            self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = play  # noqa: N815 - the names http.server looks for

        def log_message(self, *args: object) -> None:
            """Tests print nothing."""

    vault_at.RequestHandlerClass = Handler
    threading.Thread(target=vault_at.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return vault
