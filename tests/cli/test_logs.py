"""The log of a process: JSON for machines, and nothing from libraries that they should not tell."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.server import logs

PROGRAM = """
import logging, structlog
from holdfast.server import logs

logs.configure("info")
structlog.get_logger().debug("too quiet")
structlog.get_logger().info("request", status=200)
logging.getLogger("httpx").info("GET https://crm.example/oauth?code=5ecret")
logging.getLogger("asyncio").warning("slow callback")
try:
    token = "5ecret"
    raise ValueError("no such field")
except ValueError:
    logging.getLogger("uvicorn.error").exception("lifespan failed")
    structlog.get_logger().error("failed", exc_info=True)
"""


def test_a_line_is_an_object_and_holds_no_secret() -> None:
    """Our lines from the level on, libraries' from WARNING on; a traceback shows code and never a variable's value."""
    written = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    lines = [json.loads(line) for line in written.stderr.splitlines()]
    assert written.stdout == ""
    assert [(line["level"], line["event"]) for line in lines] == [
        ("info", "request"),
        ("warning", "slow callback"),
        ("error", "lifespan failed"),
        ("error", "failed"),
    ]
    assert "ValueError: no such field" in lines[2]["exception"]
    assert not [line for line in lines if "5ecret" in str(line)]


def test_a_person_sees_no_more_than_a_machine() -> None:
    """On a terminal lines are for reading, and a traceback still shows no variable."""
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", PROGRAM], stderr=theirs, check=True)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        written = terminal.read(65536).decode()

    assert "lifespan failed" in written
    assert "ValueError: no such field" in written
    assert not written.startswith("{")
    assert "5ecret" not in written


WITHOUT_READER = """
import os, sys
from prometheus_client import REGISTRY

reader, writer = os.pipe()
os.dup2(writer, 2)
os.close(writer)
os.close(reader)
"""
FULL = """
import os, sys
from prometheus_client import REGISTRY

os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
"""
LOST = """
print(REGISTRY.get_sample_value("holdfast_log_lost_total") >= 4)
"""


@pytest.mark.parametrize("fault", [WITHOUT_READER, FULL], ids=["no reader", "no space"])
def test_a_log_that_cannot_be_written_changes_nothing(fault: str) -> None:
    """Whoever logs goes on, ours and libraries alike; the lost lines are counted."""
    done = subprocess.run([sys.executable, "-c", fault + PROGRAM + LOST], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "True\n")


def test_a_process_without_standard_error_logs_nowhere(tmp_path: Path) -> None:
    """The number of a standard error that was closed may be a database by now; nothing is written to it."""
    victim = tmp_path / "victim"
    program = f"import os\nassert os.open({str(victim)!r}, os.O_CREAT | os.O_WRONLY) == 2\n{PROGRAM}"

    done = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, program], check=False)

    assert done.returncode == 0
    assert victim.read_text() == ""


async def test_lines_wait_for_a_tick_and_keep_their_order(tmp_path: Path) -> None:
    """A line in no hurry leaves with the next one that is, before it, or by itself a moment later."""
    with (tmp_path / "log").open("wb") as file:
        lines = logs.Lines(file.fileno())

        def written() -> str:
            return (tmp_path / "log").read_text()

        lines.soon(str, "1\n")
        lines.soon(str, "2\n")
        assert written() == ""
        lines.write("3\n")
        lines.flush()
        assert written() == "1\n2\n3\n"
        lines.soon(str, "4\n")
        await asyncio.sleep(10 * logs.TICK)
        assert written() == "1\n2\n3\n4\n"
