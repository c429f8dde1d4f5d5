"""Where and how this process logs: to standard error, as JSON unless a person is watching.

The house logs with structlog; what libraries say through `logging` takes the same way out, from WARNING on. Below
that they tell what must not be told: HTTP clients print URLs, and a URL's query holds codes and tokens. For the same
reason no traceback shows local variables.

Whoever logs is never told that it failed. A disk that is full and a reader that has gone away are no reason to lose
a token that a provider has just issued; lines that could not be written are counted, in `holdfast_log_lost_total`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, TextIO, cast

import msgspec
import structlog
from prometheus_client import Counter
from structlog.typing import Processor

# Seconds that a line which is in no hurry may wait for others to be written with.
TICK = 0.01
_lost = Counter("holdfast_log_lost", "Pieces of log that could not be written.")


class Lines:
    """A stream of lines to the file `descriptor` that never raises; None for a process that has no such file.

    All lines leave in the order in which they came, those that wait before one that does not.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        # Threads may write while another one flushes: each method of a deque is one step.
        self._waiting: deque[str | tuple[Callable[..., str], tuple[Any, ...]]] = deque()
        self._due = False

    def write(self, text: str) -> int:
        """Takes `text`; it is written at the next `flush`."""
        self._waiting.append(text)
        return len(text)

    def soon(self, told: Callable[..., str], *facts: Any) -> None:
        """Sees to `told(*facts)` being written within a tick; on the event loop only.

        It is called then: lines that are put together one after the other cost a third of what each costs by itself.
        """
        self._waiting.append((told, facts))
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(TICK, self.flush)

    def flush(self) -> None:
        """Writes everything taken so far, or counts it as lost."""
        self._due = False
        taken = []
        while self._waiting:
            waiting = self._waiting.popleft()
            taken.append(waiting if isinstance(waiting, str) else waiting[0](*waiting[1]))
        if taken:
            self._put("".join(taken).encode("utf-8", "backslashreplace"))

    def _put(self, data: bytes) -> None:
        try:
            while data:
                if self._descriptor is None:
                    raise OSError
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            _lost.inc(max(1, data.count(b"\n")))


def configure(level: str) -> Lines:
    """Logs from `level` (debug, info, warning, error) on; gives what the lines are written to."""
    common: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ending = _for_people() if is_watched() else _for_machines()
    lines = Lines(_descriptor(sys.stderr))
    structlog.configure(
        processors=[*common, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, lines)),
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending], foreign_pre_chain=common
    )
    handler = logging.StreamHandler(lines)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    return lines


def is_watched() -> bool:
    """Whether a person reads the log at a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def _descriptor(stream: TextIO | None) -> int | None:
    """Python has no standard error if the process was started without one; its number may be a database by now."""
    try:
        return None if stream is None else stream.fileno()
    except OSError:  # somebody put another object in its place
        return None


def _for_people() -> list[Processor]:
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]


def _for_machines() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_encoded)]


def _encoded(event: dict[str, Any], **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()
