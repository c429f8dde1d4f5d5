"""`holdfast worker`, and `holdfast serve` without one: who does what nobody waits for, and how that ends."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing

import httpx
import pytest
from executable import PATIENCE, Holdfast


def sweeps(holdfast: Holdfast) -> int:
    """How often anybody has begun to sweep, which every worker does when it starts on an empty vault."""
    with closing(sqlite3.connect(holdfast.data / "holdfast.db")) as database:
        found: tuple[int] = database.execute("SELECT COUNT(*) FROM jobs WHERE kind = 'sweep'").fetchone()
    return found[0]


def until_swept(holdfast: Holdfast) -> None:
    patience = time.monotonic() + PATIENCE
    while not sweeps(holdfast):
        assert time.monotonic() < patience


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_works_and_serves_nothing(holdfast: Holdfast, number: int) -> None:
    """It says what it does, does it, and ends in order when it is asked to."""
    holdfast.application()

    running = holdfast.start("worker")
    work = running.line("^work +(.+)$")[1]
    until_swept(holdfast)

    assert {"upkeep", "revoke", "sweep"} <= set(work.split(", "))
    assert running.stop(number) == 0
    assert [line for line in running.lines if "http" in line] == []
    assert "Traceback" not in running.err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_is_told_so_leaves_the_work_to_others(holdfast: Holdfast, workers: str) -> None:
    """It answers, and nothing is done beside that until a worker comes."""
    server = holdfast.serve("--no-worker", "--workers", workers)
    patience = time.monotonic() + PATIENCE
    while httpx.get(f"{server.url}/ready", timeout=PATIENCE).status_code != 200:
        assert time.monotonic() < patience
    left_alone = sweeps(holdfast)

    worker = holdfast.start("worker")
    until_swept(holdfast)

    assert left_alone == 0
    assert (worker.stop(), server.stop()) == (0, 0)


def test_a_server_works_unless_it_is_told_otherwise(holdfast: Holdfast) -> None:
    """One process is all that it takes."""
    server = holdfast.serve()

    until_swept(holdfast)

    assert server.stop() == 0


def test_a_worker_makes_no_vault(holdfast: Holdfast) -> None:
    """One that was started in the wrong place would wait for work for ever."""
    refused = holdfast.run("worker")

    assert (refused.status, refused.out) == (1, "")
    assert "There is no vault in" in refused.err
