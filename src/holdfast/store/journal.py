"""Who opened which credential, and why, and what was called with it: nothing is opened or called unseen.

That a credential is opened is written before it is used; what a call came to, when its answer is there.

A use must not wait for a disk. An entry is therefore one line appended to this process's own file, which outlives the
process however it ends; within a second `drain` takes the lines into the table `journal`, where they are kept. What
can be lost is what a *machine* that dies had not written yet: the lines of the last second or so, never a part of one
that was drained. A file that cannot be written stops the use (Unavailable): no entry, no credential.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec
import structlog

from holdfast.clock import Clock
from holdfast.domain.connection import Connection
from holdfast.domain.tenancy import Scope
from holdfast.errors import Unavailable
from holdfast.store.engine.database import Database, Row

if TYPE_CHECKING:
    from holdfast.store import Store

log = structlog.get_logger()

# Seconds between two drains.
DRAIN_EVERY = 1.0
# How many entries one statement inserts: one for each entry costs more than the use that it tells of, and the names of
# many parameters cost SQLite more than the statements that they spare.
_STATEMENTS = (20, 1)
_BATCH = 500
# The reason of an entry that tells of a call.
CALL = "call"
_COLUMNS = (
    "id", "application_id", "consumer_id", "connection_id", "actor", "reason", "generation", "at", "method", "host",
    "path", "status",
)  # fmt: skip
_INSERT = {
    entries: f"""
INSERT INTO journal ({", ".join(_COLUMNS)})
VALUES {", ".join("(" + ", ".join(f":{c}_{n}" for c in _COLUMNS) + ")" for n in range(entries))}
ON CONFLICT (id) DO NOTHING"""
    for entries in _STATEMENTS
}
_NAMES = {entries: [f"{c}_{n}" for n in range(entries) for c in _COLUMNS] for entries in _STATEMENTS}
_OF_APPLICATION = """
SELECT * FROM journal WHERE application_id = :application_id ORDER BY at DESC, id DESC LIMIT :limit"""

# What opens a credential without anybody using the account.
UNUSED = ("refresh", "redeem", "exchange", "update", "revoke", "after_connect")
_USED = f"""
SELECT 1 AS used FROM journal WHERE connection_id = :connection_id AND at >= :since AND application_id = :application_id
  AND reason NOT IN ({", ".join(f"'{reason}'" for reason in UNUSED)}) LIMIT 1"""

_Called = tuple[str | None, str | None, str | None, int | None]
_Entry = tuple[str, str, str, str, str, str, int, int, str | None, str | None, str | None, int | None]
_OPENED: _Called = (None, None, None, None)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Entry).decode


class Journal:
    """The journal of one process. `directory` has its files, and those that others left behind."""

    def __init__(self, directory: Path, database: Database, clock: Clock) -> None:
        self._directory = directory
        self._database = database
        self._clock = clock
        self._process = f"{os.getpid()}-{os.urandom(6).hex()}"
        self._written = 0
        self._current: _File | None = None
        self._waiting: list[_File] = []
        self._draining = asyncio.Lock()

    def append(self, scope: Scope, *, connection_id: str, reason: str, generation: int) -> None:
        """Records that `scope` opens the credential of `connection_id` at `generation`, for `reason`. Unavailable."""
        self._write(scope, connection_id, reason, generation, _OPENED)

    def called(
        self, scope: Scope, connection: Connection, method: str, host: str, path: str, status: int | None
    ) -> None:
        """Records what `scope` has called with `connection`: `path` without values, `status` if there was an answer.

        Unavailable.
        """
        called = method, host, path, status
        self._write(scope, connection.id, CALL, connection.credential_generation, called)

    def _write(self, scope: Scope, connection_id: str, reason: str, generation: int, called: _Called) -> None:
        self._written += 1
        entry = (
            f"{self._process}-{self._written}", scope.application_id, scope.consumer or "", connection_id,
            scope.actor, reason, generation, self._clock.now(), *called,
        )  # fmt: skip
        try:
            if self._current is None:
                self._directory.mkdir(mode=0o700, exist_ok=True)
                self._current = _File.create(self._directory / f"{self._process}-{self._written}.log")
            self._current.write(_encode(entry) + b"\n")
        except OSError as error:
            raise Unavailable(f"The journal cannot be written: {error.strerror}.") from None

    async def drain(self) -> None:
        """Takes what this process has written so far into the table. Unavailable if the database is away."""
        async with self._draining:
            if self._current is not None:
                self._waiting.append(self._current)
                self._current = None  # what is written from here on goes into the next file
            while self._waiting:
                await self._take(self._waiting[0])
                self._waiting.pop(0).remove()

    async def keep_drained(self) -> NoReturn:
        """Drains once in a while, until it is cancelled; a database or a file that is away is waited for."""
        while True:
            await self._clock.sleep(DRAIN_EVERY)
            try:
                await self.drain()
            except (Unavailable, OSError) as error:
                log.warning("journal_waits", reason=str(error))

    async def adopt(self) -> None:
        """Takes what processes wrote that are no more. Unavailable if the database is away."""
        for path in sorted(self._directory.glob("*.log")):
            file = _File.of_the_dead(path)
            if file is not None:
                await self._take(file)
                file.remove()

    async def _take(self, file: _File) -> None:
        entries = file.entries()
        for begin in range(0, len(entries), _BATCH):
            async with self._database.transaction() as q:
                for together in _grouped(entries[begin : begin + _BATCH]):
                    names, values = _NAMES[len(together)], chain.from_iterable(together)
                    # The same line may come twice: a process can die between this and the removal of its file.
                    await q.run(_INSERT[len(together)], **dict(zip(names, values, strict=True)))


def _grouped(entries: Sequence[_Entry]) -> Iterator[Sequence[_Entry]]:
    """The entries in their order, in as few groups as there are statements for."""
    begin = 0
    for size in _STATEMENTS:
        while len(entries) - begin >= size:
            yield entries[begin : begin + size]
            begin += size


class _File:
    """A file of lines, locked while the process lives that writes it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, path: Path) -> _File:
        file = cls(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600))
        fcntl.flock(file._descriptor, fcntl.LOCK_EX)
        return file

    @classmethod
    def of_the_dead(cls, path: Path) -> _File | None:
        """The file, locked for us, if nobody who lives has it."""
        try:
            file = cls(path, os.open(path, os.O_RDWR | os.O_CLOEXEC))
        except FileNotFoundError:  # another process was quicker
            return None
        try:
            fcntl.flock(file._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file._descriptor)
            return None
        if not os.fstat(file._descriptor).st_nlink:  # taken and removed between our opening and our lock
            os.close(file._descriptor)
            return None
        return file

    def write(self, line: bytes) -> None:
        """OSError unless the whole line was taken."""
        written = os.write(self._descriptor, line)
        if written != len(line):
            # The next line must not stand behind a piece of this one, or neither is read.
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def entries(self) -> list[_Entry]:
        """What stands in the file; a line that a dying machine or a full disk cut short never let anything be used."""
        found = []
        with open(self._descriptor, "rb", closefd=False) as file:
            file.seek(0)  # not by the path: whoever tidies up may have taken the name away, and not the lines
            lines = file.read().splitlines()
        for line in lines:
            try:
                found.append(_decode(line))
            except msgspec.DecodeError:
                log.warning("journal_line_cut")
        return found

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


async def recent(scope: Scope, store: Store, limit: int = 1000) -> list[Row]:
    """The entries of the application, the latest first, as far as they have been drained."""
    return await store.q.all(_OF_APPLICATION, application_id=scope.application_id, limit=limit)


async def used_since(scope: Scope, store: Store, connection_id: str, since: int) -> bool:
    """Whether the connection's credential was used at `since` (ms) or later, as far as that has been drained."""
    row = await store.q.one(_USED, application_id=scope.application_id, connection_id=connection_id, since=since)
    return row is not None
