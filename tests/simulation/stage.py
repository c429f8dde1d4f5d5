"""The vault that all worlds of a run share: the real database, its keys, and a connector for each way to rotate."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from tests.simulation.virtual_loop import VirtualLoop
from tests.simulation.world import API, Case, World

from holdfast import wiring
from holdfast.config import Settings
from holdfast.domain.credential import Secret
from holdfast.store.seal import keyring
from holdfast.testing.clock import START
from holdfast.usecases import manage
from holdfast.usecases.vault import Vault

MANIFEST = """
schema: 1
id: {id}
name: Simulated
tag_line: A provider that rotates its refresh tokens
website: https://provider.example/
status: live
unified_apis:
  crm: {{resources: {{leads: [all]}}, scopes: [all]}}
hosts: [provider.example]
auth:
  type: oauth2
  oauth:
    client: {{auth: body}}
    pkce: "off"
    authorize: {{url: "https://provider.example/authorize"}}
    token: {{url: "https://provider.example/token"}}
    refresh: {{rotation: {rotation}{grace}}}
    revoke: {{url: "https://provider.example/revoke", ends: {ends}, tokens: [refresh_token]}}
request:
  base_url: https://provider.example/api
  auth: [{{value: "Bearer {{cred.access_token}}"}}]
verified: {{by: the simulation, "on": "2026-11-25"}}
"""
TABLES = ("connections", "flows", "confirmations", "consumers", "jobs", "revocations", "events", "journal")


class AtOnce:
    """In the place of the database's thread: what is submitted is done."""

    def submit(self, call: Any, *args: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(call(*args))
        return done

    def shutdown(self, *, wait: bool) -> None:
        """There is nothing to wait for."""


@dataclass(frozen=True)
class Stage:
    vault: Vault
    application: str
    directory: Path
    loop: VirtualLoop

    def world(self, case: Case) -> World:
        """A fresh world on the emptied database."""
        asyncio._set_running_loop(self.loop)
        try:
            for table in TABLES:
                self.loop.complete(self.vault.store.q.run(f"DELETE FROM {table}"))  # noqa: S608
        finally:
            asyncio._set_running_loop(None)
        return World(self.vault, self.loop, case, self.directory / "nodes", self.application)


@contextmanager
def staged() -> Iterator[Stage]:
    """The stage, on a disk that is memory where there is one."""
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="holdfast-sim-", dir=memory if memory.is_dir() else None))
    loop = VirtualLoop(START)  # type: ignore[abstract]
    before, lifetime = structlog.get_config(), keyring.LIFETIME
    # The keys are everybody's here, and nobody must wait for another one's reading of them.
    setattr(keyring, "LIFETIME", 10**12)  # noqa: B010
    structlog.configure(processors=[_say_nothing])
    asyncio._set_running_loop(loop)
    opened = _opened(directory, loop)
    try:
        vault, application = loop.complete(opened.__anext__())
        asyncio._set_running_loop(None)
        yield Stage(vault, application, directory, loop)
    finally:
        asyncio._set_running_loop(loop)
        loop.complete(_closed(opened))
        asyncio._set_running_loop(None)
        setattr(keyring, "LIFETIME", lifetime)  # noqa: B010
        structlog.configure(**before)
        shutil.rmtree(directory)


async def _opened(directory: Path, loop: VirtualLoop) -> Any:
    settings = _settings(directory)
    wiring.prepare(settings)
    async with wiring.open_vault(settings, clock=_LoopClock(loop), door=_NoDoor()) as vault:
        setattr(vault.store.database, "_thread", AtOnce())  # noqa: B010
        application, _ = await manage.create_application(vault, "Acme", ("https://app.example.com/",), "auto")
        for id in _manifests():
            change = manage.IntegrationChange(client_id="client-id", client_secret=Secret("client-secret"))
            await manage.put_integration(vault, application.id, API, id, change)
        yield vault, application.id


async def _closed(opened: Any) -> None:
    async for _ in opened:
        raise AssertionError("it gives one")


def _manifests() -> dict[str, str]:
    found = {}
    for rotation in ("none", "grace", "strict", "family"):
        for ends in ("token", "grant"):
            id = f"sim-{rotation}-{ends}"
            grace = ", grace: 60" if rotation == "grace" else ""
            found[id] = MANIFEST.format(id=id, rotation=rotation, grace=grace, ends=ends)
    return found


def _settings(directory: Path) -> Settings:
    for id, text in _manifests().items():
        path = directory / "connectors" / id / "connector.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return Settings.from_env(
        {"HOLDFAST_DATA_DIR": str(directory / "data"), "HOLDFAST_CONNECTORS_DIR": str(directory / "connectors")}
    )


class _LoopClock:
    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> int:
        return self._loop.now

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps on the stage")


class _NoDoor:
    async def send(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("the stage asks nobody")

    def open(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("the stage asks nobody")


def _say_nothing(*_: Any) -> Any:
    raise structlog.DropEvent
