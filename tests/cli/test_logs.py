"""The log of a process: JSON for machines, and nothing from libraries that they should not tell."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

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
