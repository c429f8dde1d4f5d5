"""One HTTP exchange with an ASGI app in this process (ASGI specification 3.0, HTTP), without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message

from holdfast.domain.manifest.template import host_matches

Headers = tuple[tuple[str, str], ...]
Apps = Mapping[str, ASGIApp]


class ConnectionLost(ConnectionError):
    """The app ended before its answer was complete, which a server turns into a dropped connection."""


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What an app sent: header names in lower case, repeated ones kept apart (`Set-Cookie` may not be joined)."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str:
        """The values of `name`, joined as RFC 9110 section 5.3 says; empty if it was not sent."""
        return ", ".join(value for key, value in self.headers if key == name)


def app_for(apps: Apps, url: str) -> ASGIApp | None:
    """The app that answers for the host of `url`. Keys are `host`, `host:port` or `*.host`; the exact one wins."""
    address = urlsplit(url)
    exact = apps.get(address.netloc) or apps.get(address.hostname or "")
    matching = (app for pattern, app in apps.items() if host_matches(address.hostname or "", [pattern]))
    return exact or next(matching, None)


async def call(
    app: ASGIApp, method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> Answer:
    """The app's whole answer. ConnectionLost if it ended without one; whatever the app raises, raises here."""
    sent: list[Message] = []
    incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    hung_up: asyncio.Future[Message] = asyncio.get_running_loop().create_future()  # which this client never does

    async def receive() -> Message:
        return incoming.pop() if incoming else await hung_up

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope_of(method, url, headers, len(body)), receive, send)
    return _answer(method, sent)


def scope_of(method: str, url: str, headers: Iterable[tuple[str, str]], length: int | None) -> dict[str, Any]:
    """The ASGI scope of a request whose body has `length` bytes; None if nobody knows, so that it comes in chunks."""
    address = urlsplit(url)
    given = [(name.lower(), value) for name, value in headers]
    framing = [("transfer-encoding", "chunked")] if length is None else [("content-length", str(length))]
    fixed = [("host", address.netloc), *(framing if length != 0 else [])]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method.upper(),
        "scheme": address.scheme,
        "path": unquote(address.path) or "/",
        "raw_path": (address.path or "/").encode("ascii"),
        "query_string": address.query.encode("ascii"),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fixed + given],
        "client": ("127.0.0.1", 50_000),
        "server": (address.hostname, address.port or (443 if address.scheme == "https" else 80)),
    }


def _answer(method: str, sent: list[Message]) -> Answer:
    if not sent or sent[-1]["type"] != "http.response.body" or sent[-1].get("more_body"):
        raise ConnectionLost("the connection was closed before the answer was complete")
    start, *chunks = sent
    headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"])
    body = b"".join(chunk.get("body", b"") for chunk in chunks)
    return Answer(start["status"], headers, b"" if method.upper() == "HEAD" else body)
