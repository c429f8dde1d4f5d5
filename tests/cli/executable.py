"""The `holdfast` command as a process of its own, in a directory of its own, with an environment of its own."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

COMMAND = Path(sys.executable).with_name("holdfast")
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(slots=True)
class Running:
    """A command that goes on until it is stopped. `lines` are those of standard output so far."""

    process: subprocess.Popen[str]
    errors: Path
    lines: list[str] = field(default_factory=list)
    _incoming: queue.Queue[str | None] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def line(self, pattern: str) -> re.Match[str]:
        """The first line of standard output, seen already or still to come, in which `pattern` is found."""
        for line in self.lines:
            if match := re.search(pattern, line):
                return match
        while (arrived := self._incoming.get(timeout=PATIENCE)) is not None:
            self.lines.append(arrived)
            if match := re.search(pattern, arrived):
                return match
        raise AssertionError(f"ended without {pattern!r}: {self.lines} {self.err}")

    def rest(self) -> list[str]:
        """What is still to come on standard output, until every process that could write there has ended."""
        rest: list[str] = []
        while (arrived := self._incoming.get(timeout=PATIENCE)) is not None:
            rest.append(arrived)
        return rest

    @property
    def url(self) -> str:
        """Where a server says that it serves."""
        return self.line(r"serves (http://\S+)")[1]

    @property
    def err(self) -> str:
        return self.errors.read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit status after a signal."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._incoming.put(line.rstrip("\n"))
        self._incoming.put(None)


@dataclass(slots=True)
class Holdfast:
    """Runs commands in `directory`, with the settings in `settings` and no other."""

    directory: Path
    settings: dict[str, str] = field(default_factory=dict)
    started: list[Running] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.directory / "holdfast-data"

    @property
    def admin_token(self) -> str:
        return (self.data / "admin.token").read_text().strip()

    def run(self, *arguments: str, input: str = "", settings: Mapping[str, str] | None = None) -> Result:
        done = subprocess.run(
            [COMMAND, *arguments],
            cwd=self.directory, env=self._environment(settings), input=input, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, settings: Mapping[str, str] | None = None, errors: int | None = None) -> Running:
        """Starts a command. `errors` is a descriptor that takes standard error in place of the file."""
        file = self.directory / f"stderr-{len(self.started)}.txt"
        with file.open("w") as stream:
            process = subprocess.Popen(
                [COMMAND, *arguments],
                cwd=self.directory, env=self._environment(settings), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=stream if errors is None else errors, text=True, bufsize=1,
            )  # fmt: skip
        self.started.append(Running(process, file))
        return self.started[-1]

    def serve(self, *arguments: str, settings: Mapping[str, str] | None = None) -> Running:
        """A server on a free port, which has said that it serves."""
        running = self.start("serve", "--port", "0", *arguments, settings=settings)
        running.line("serves http")
        return running

    def application(self) -> dict[str, str]:
        """A new application: its id and key."""
        made: dict[str, str] = self.run("apps", "create", "--name", "Acme", "--json").json
        return made

    def end(self) -> None:
        """Ends what a test has left running."""
        for running in self.started:
            if running.process.poll() is None:
                running.stop()
            if running.process.stdout:
                running.process.stdout.close()

    def _environment(self, settings: Mapping[str, str] | None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        return kept | self.settings | dict(settings or {})


def connections(url: str, application: Mapping[str, str], path: str = "") -> httpx.Response:
    """What a product gets when it asks for its customer's connections."""
    headers = {
        "Authorization": f"Bearer {application['api_key']}",
        "x-apideck-app-id": application["application_id"],
        "x-apideck-consumer-id": "northwind-freight",
    }
    return httpx.get(f"{url}/vault/connections{path}", headers=headers, timeout=PATIENCE)
