"""Vaults that play recorded answers, and a client that talks to one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from recorded_vault import API_KEY, RecordedVault, start

from openapi_client import ApiClient, Configuration, ConnectionsApi


@pytest.fixture
def start_vault() -> Iterator[Callable[[], RecordedVault]]:
    """Start a vault at a port of its own; all are stopped after the test."""
    servers: list[ThreadingHTTPServer] = []

    def started() -> RecordedVault:
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler))
        return start(servers[-1])

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def vault(start_vault: Callable[[], RecordedVault]) -> RecordedVault:
    return start_vault()


@pytest.fixture
def configuration(vault: RecordedVault) -> Configuration:
    return Configuration(host=vault.url, api_key={"apiKey": API_KEY})


@pytest.fixture
def api(configuration: Configuration) -> Iterator[ConnectionsApi]:
    with ApiClient(configuration) as client:
        yield ConnectionsApi(client)
