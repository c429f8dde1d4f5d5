"""What the shipped files say of each other, and of the vault: they are copied by people who change one of them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from fronts import DEPLOY, NODE_PORTS, exchanged, program

from holdfast.server import listening
from holdfast.store.engine.postgres import POOL
from holdfast.usecases.flight import LANDING, PATIENCE
from holdfast.worker import GRACE

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def number(pattern: str, *file: str) -> float:
    """The number that `pattern` finds in a file of `deploy/`."""
    found = re.search(pattern, DEPLOY.joinpath(*file).read_text(), re.MULTILINE)
    assert found, pattern
    return float(found[1])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_one_that_systemd_takes(unit: Path, tmp_path: Path) -> None:
    """systemd knows every word of it, once the command is there."""
    command = tmp_path / "holdfast"
    command.touch(mode=0o755)
    copy = tmp_path / unit.name.replace("@.", "@8001.")
    copy.write_text(exchanged(unit, {"/opt/holdfast/.venv/bin/holdfast": str(command)}))

    said = subprocess.run([program("systemd-analyze"), "verify", copy], capture_output=True, text=True, check=False)

    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_waits_for_everything_that_an_end_may_take(unit: Path) -> None:
    """Draining, answering, the worker's jobs and a slow provider, one after the other, before systemd kills."""
    drain = re.search(r"--drain (\d+)", unit.read_text())
    takes = (float(drain[1]) if drain else 0) + listening.GRACE + GRACE + LANDING

    assert number(r"^TimeoutStopSec=(\d+)$", "systemd", unit.name) > takes


def test_proxies_keep_connections_for_less_than_a_node_drains() -> None:
    """So no request is sent on a connection that is being closed; and they wait for as long as a refresh may take."""
    drain = number(r"--drain (\d+)", "systemd", "holdfast@.service")

    assert number(r"keepalive_timeout (\d+)s;", "nginx", "holdfast.conf") < drain < listening.KEEP_ALIVE
    assert number(r"keepalive (\d+)s$", "caddy", "Caddyfile") < drain
    assert number(r"health_interval (\d+)s$", "caddy", "Caddyfile") < drain
    assert number(r"^    proxy_read_timeout (\d+)s;", "nginx", "holdfast.conf") > PATIENCE
    assert listening.GRACE > PATIENCE


def test_the_pooler_has_room_for_every_session() -> None:
    """Each node takes its pool and one session for its locks, and one node more is there while others are replaced."""
    sessions = (len(NODE_PORTS) + 1) * (POOL + 1)

    assert number(r"^default_pool_size = (\d+)$", "pgbouncer", "pgbouncer.ini") >= sessions
    assert number(r"^max_client_conn = (\d+)$", "pgbouncer", "pgbouncer.ini") >= sessions
