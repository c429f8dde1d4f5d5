"""The examples of a page, run as they stand there, in one shell after the other.

Blocks marked `sh` and `python` are run; `console` shows what is not (set-up, commands of another machine). Ports are
the only thing that is changed: those of the page may be taken on the machine that runs the tests.
"""

from __future__ import annotations

import os
import queue
import re
import socket
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from executable import COMMAND, PATIENCE

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str
    text: str


class Page:
    """A page, with other ports than it says."""

    def __init__(self, name: str, *ports: int) -> None:
        self.ports = {port: free_port() for port in ports}
        text = (ROOT / name).read_text("utf-8")
        for port, free in self.ports.items():
            text = re.sub(rf"\b{port}\b", str(free), text)
        found = (Block(language, example) for language, example in FENCE.findall(text))
        self.blocks = [block for block in found if block.language in ("sh", "python")]

    def settings(self, vault: int, provider: int | None = None) -> dict[str, str]:
        """What makes the commands use the other ports without saying so."""
        settings = {"HOLDFAST_PUBLIC_URL": f"http://127.0.0.1:{self.ports[vault]}"}
        return settings


class Shell:
    """A bash that goes from block to block; it stops at the first command that fails."""

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        path = f"{COMMAND.parent}{os.pathsep}{kept['PATH']}"
        self._process = subprocess.Popen(
            ["bash", "--norc", "-m"],
            cwd=directory, env={**kept, "PATH": path, **settings}, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def run(self, block: Block) -> str:
        """What a block prints. AssertionError if one of its commands fails."""
        text = block.text if block.language == "sh" else f"python - <<'EXAMPLE'\n{block.text}EXAMPLE\n"
        assert self._process.stdin is not None
        self._process.stdin.write(f"set -e\n{text}\nset +e; echo; echo ::done::\n")
        printed: list[str] = []
        while (line := self._lines.get(timeout=PATIENCE)) != "::done::":
            assert line is not None, f"{block.text}\n{''.join(printed)}"
            printed.append(f"{line}\n")
        return "".join(printed).strip()

    def close(self) -> None:
        """Ends the shell and everything that it started."""
        subprocess.run(["pkill", "--session", str(self._process.pid)], check=False)
        self._process.wait(PATIENCE)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
