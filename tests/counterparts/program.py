"""A program beside the tests that speaks JSON, one document to a line: a server in Node.js, a published client."""

from __future__ import annotations

import json
import subprocess
import tempfile
from typing import Any


class Program:
    """A running program. It ends when its standard input does, so it outlives no test run."""

    def __init__(self, *command: str) -> None:
        self._name = command[-1]
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )

    def read(self) -> Any:
        """What it says next. RuntimeError, with what it complained of, if it ends instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._errors.seek(0)
        raise RuntimeError(f"{self._name} ended: {self._errors.read().decode(errors='replace')}")

    def ask(self, message: Any) -> Any:
        """What it answers to `message`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        return self.read()

    def stop(self) -> None:
        self._process.communicate()
        self._errors.close()
