"""One process of the vault: `holdfast serve` as users run it, or the same server in another measure of time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("holdfast"))
START = 90.0
# A start takes a second of processor time: many at once would make each look dead.
_starting = asyncio.Semaphore(2)


@dataclass
class Node:
    """A data directory, and the process that works on it, if one does. `wrong`: options of `holdfast.testing.vault`."""

    name: str
    environ: Mapping[str, str] = field(repr=False)
    log: Path
    wrong: Sequence[str] = ()
    prefix: Sequence[str] = ()
    url: str = ""
    process: Process | None = None

    @property
    def data(self) -> Path:
        return Path(self.environ["HOLDFAST_DATA_DIR"])

    async def start(self, failpoint: str = "") -> None:
        """Returns when it serves. RuntimeError, with its log, if it ends instead."""
        async with _starting:
            await self.launch(failpoint)
            await self.serves()

    async def launch(self, failpoint: str = "") -> None:
        """Starts the process, which may die before it serves."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        environ = {**kept, **self.environ, "HOLDFAST_FAILPOINT": failpoint}
        command = [sys.executable, "-m", "holdfast.testing.vault", *self.wrong] if self.wrong else [COMMAND, "serve"]
        with self.log.open("ab") as errors:
            self.process = await asyncio.create_subprocess_exec(
                *self.prefix, *command, "--port", "0", env=environ, stdin=DEVNULL, stdout=PIPE, stderr=errors
            )

    async def serves(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(START):
            while line := await self.process.stdout.readline():
                if match := re.search(rb"serves (http://\S+)", line):
                    self.url = match[1].decode()
                    return
        raise RuntimeError(f"{self.name} ended: {self.log.read_text()[-2000:]}")

    async def died(self, seconds: float = 60.0) -> None:
        """Returns when the process has ended by itself."""
        assert self.process is not None
        async with asyncio.timeout(seconds):
            await self.process.wait()

    async def kill(self) -> None:
        """kill -9."""
        await self.end(signal.SIGKILL)

    def stop(self) -> None:
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        self._send(signal.SIGCONT)

    async def end(self, number: int = signal.SIGTERM) -> None:
        """Ends the process, if it runs."""
        if self.process is None or self.process.returncode is not None:
            return
        self._send(signal.SIGCONT)
        self._send(number)
        try:
            await self.died()
        except TimeoutError:
            self._send(signal.SIGKILL)
            await self.died()

    def is_stopped(self) -> bool:
        """Whether the process is stopped by a signal (proc(5): state T)."""
        assert self.process is not None
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        return False

    def _send(self, number: int) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
