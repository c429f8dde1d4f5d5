"""`holdfast serve` as operators run it: killed, restarted, backed up, beside others."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from executable import PATIENCE, Holdfast, Running, connections

if TYPE_CHECKING:
    from tests.conftest import PostgresServer


def create(running: Running, token: str, name: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{running.url}/manage/applications", headers=headers, json={"name": name}, timeout=PATIENCE)


def test_an_acknowledged_write_of_a_serving_vault_survives_kill_9(holdfast: Holdfast) -> None:
    """What was answered with 200 is there after the next start, though the process had no time for anything."""
    running = holdfast.serve()
    made = [create(running, holdfast.admin_token, f"Acme {n}").json()["data"] for n in range(20)]
    running.stop(signal.SIGKILL)

    again = holdfast.serve()

    assert {connections(again.url, application).status_code for application in made} == {200}


def test_a_replaced_admin_token_is_the_only_one_after_a_restart(holdfast: Holdfast) -> None:
    """The former one opens nothing any more."""
    holdfast.serve().stop()
    former, new = holdfast.admin_token, "hf_admin_" + "n" * 32
    (holdfast.data / "admin.token").write_text(f"{new}\n")

    running = holdfast.serve()

    assert [create(running, token, "Acme").status_code for token in (former, new)] == [401, 200]


def test_a_backup_of_a_running_vault_is_whole(holdfast: Holdfast, tmp_path: Path) -> None:
    """SQLite's own backup, taken while it serves, opens with the master key and has what was acknowledged."""
    running = holdfast.serve()
    application: dict[str, Any] = create(running, holdfast.admin_token, "Acme").json()["data"]
    restored = Holdfast(tmp_path / "restored")
    restored.data.mkdir(parents=True, mode=0o700)
    with (
        contextlib.closing(sqlite3.connect(holdfast.data / "holdfast.db")) as live,
        contextlib.closing(sqlite3.connect(restored.data / "holdfast.db")) as copy,
    ):
        live.backup(copy)
    shutil.copy(holdfast.data / "master.key", restored.data)

    try:
        assert connections(restored.serve().url, application).status_code == 200
    finally:
        restored.end()


async def test_a_database_on_another_machine_gets_no_key_of_ours(
    holdfast: Holdfast, postgres_server: PostgresServer
) -> None:
    """Without a master key that is given, a vault on PostgreSQL does not start, and none is made."""
    async with postgres_server.database() as url:
        refused = holdfast.run("serve", "--port", "0", settings={"HOLDFAST_DATABASE_URL": url})

    assert refused.status == 1
    assert "There is no master key" in refused.err
    assert not (holdfast.data / "master.key").exists()


async def test_each_node_without_a_token_makes_its_own(
    tmp_path: Path, holdfast: Holdfast, postgres_server: PostgresServer
) -> None:
    """Two nodes on one database have an admin token each, unless one is given to both."""
    other = Holdfast(tmp_path / "other")
    other.directory.mkdir()
    async with postgres_server.database() as url:
        key = holdfast.run("keys", "new").out.strip()
        for node in (holdfast, other):
            node.settings |= {"HOLDFAST_DATABASE_URL": url, "HOLDFAST_MASTER_KEY": key}
        try:
            one, two = holdfast.serve(), other.serve()
            told = [create(node, holdfast.admin_token, "Acme").status_code for node in (one, two)]
        finally:
            other.end()
            holdfast.end()

    assert told == [200, 401]
