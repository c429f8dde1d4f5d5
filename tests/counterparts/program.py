"""A program beside the tests that speaks JSON, one document to a line: a server in Node.js, a published client."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any


@dataclass(frozen=True, slots=True)
class Program:
    """A running program."""

    name: str
    stdin: IO[str]
    stdout: IO[str]
    stderr: IO[str]

    def read(self) -> Any:
        """What it says next. RuntimeError, with what it complained of, if it ends instead."""
        line = self.stdout.readline()
        if line:
            return json.loads(line)
        self.stderr.seek(0)
        raise RuntimeError(f"{self.name} ended: {self.stderr.read()}")

    def ask(self, message: Any) -> Any:
        """What it answers to `message`."""
        self.stdin.write(json.dumps(message) + "\n")
        self.stdin.flush()
        return self.read()


@contextlib.contextmanager
def running(*command: str) -> Iterator[Program]:
    """The program while the block runs. It ends when its standard input does, so it outlives no test run."""
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+") as stderr,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=stderr, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        yield Program(command[-1], process.stdin, process.stdout, stderr)
