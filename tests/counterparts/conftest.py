"""Software that is not ours, running beside the tests: an OAuth server and API clients, as they are published."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from oidc_server import OidcServer
from program import Program, running
from published_client import PublishedClient
from sandbox import Sandbox, sandboxed
from served import CONSUMER

HERE = Path(__file__).parent
NODE = HERE.parent / "node"
OLDEST = 20


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node.js. A user's machine may do without; where `CI` is set, it must be there."""
    missing = _missing()
    if missing and os.environ.get("CI"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    return shutil.which("node") or ""


@pytest.fixture(scope="session")
def oidc_server(node: str) -> Iterator[OidcServer]:
    with running(node, str(NODE / "oidc_provider.mjs")) as program:
        yield OidcServer(program.read()["url"])


@pytest.fixture(scope="session", params=["apideck-unify", "@apideck/unify", "@apideck/node"])
def published(request: pytest.FixtureRequest) -> Iterator[tuple[str, Program]]:
    """Each published client, with its name at its registry."""
    if request.param == "apideck-unify":
        command = [sys.executable, str(HERE / "apideck_unify_lines.py")]
    else:
        script = request.param.removeprefix("@").replace("/", "_") + ".mjs"
        command = [request.getfixturevalue("node"), str(NODE / script)]
    with running(*command) as program:
        yield request.param, program


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with sandboxed(tmp_path) as sandbox:
        yield sandbox


@pytest.fixture
def client(published: tuple[str, Program], sandbox: Sandbox) -> PublishedClient:
    """A published client with its defaults, pointed at a vault."""
    vault = sandbox.vault
    return PublishedClient(*published, vault.url, vault.application_id, CONSUMER, vault.api_key)


def _missing() -> str:
    path = shutil.which("node")
    if path is None:
        return f"Node.js is not installed; this test needs version {OLDEST} or newer."
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST:
        return f"Node.js is {version}; this test needs version {OLDEST} or newer."
    if not (NODE / "node_modules").is_dir():
        return "The packages of tests/node are not installed; `make setup` does that."
    return ""
