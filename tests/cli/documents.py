"""The examples of a page, run as they stand there, one after the other in one shell.

Blocks marked `sh` and `python` are run; `console` shows what is not (set-up, the commands of another machine). Only
ports are changed, since those of the page may be taken on the machine that runs the tests.
"""

from __future__ import annotations

import os
import queue
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from executable import COMMAND, PATIENCE

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SERVERS = {8000: "holdfast serve", 9000: "python -m holdfast.testing.provider"}
# Ends what the page has started, however the shell itself ends.
TRAP = "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"


class Block(NamedTuple):
    language: str
    text: str


class Shell:
    """A bash that goes from block to block, and ends at the first command that fails."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--norc"], cwd=directory, env=environment, text=True, bufsize=1, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._write(f"set -e\n{TRAP}")

    def run(self, block: Block) -> str:
        """What a block prints. AssertionError, with it, if one of its commands fails."""
        text = block.text if block.language == "sh" else f"python - <<'EXAMPLE'\n{block.text}EXAMPLE\n"
        self._write(f"{text}\necho; echo ::done::\n")
        printed: list[str] = []
        while (line := self._lines.get(timeout=PATIENCE)) != "::done::\n":
            printed.append(line)
            assert line, f"{text}\n{''.join(printed)}"
        return "".join(printed).strip()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)

    def _write(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def _read(self) -> None:
        """Line by line, and at the end an empty one."""
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put("")


@contextmanager
def opened(name: str, directory: Path) -> Iterator[tuple[list[Block], Shell]]:
    """The blocks of a page and a shell in `directory` to run them in."""
    text = (ROOT / name).read_text("utf-8")
    ports = {port: _free_port() for port in SERVERS}
    for port, free in ports.items():
        text = re.sub(rf"\b{port}\b", str(free), text).replace(SERVERS[port], f"{SERVERS[port]} --port {free}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    added = {
        "PATH": f"{COMMAND.parent}{os.pathsep}{kept['PATH']}",
        "HOLDFAST_PUBLIC_URL": f"http://127.0.0.1:{ports[8000]}",
    }
    shell = Shell(directory, kept | added)
    try:
        yield [Block(*found) for found in FENCE.findall(text)], shell
    finally:
        shell.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
