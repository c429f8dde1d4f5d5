"""Answers of providers, kept on this node's own disk from the moment they are read until they are stored.

A refresh token that a provider has replaced exists nowhere but in its answer. So the answer is written down, sealed and
synced, before anybody looks at it: a process that is killed, or a database that is away, loses nothing that was read.
One file an answer, gone as soon as the row has it; the directory is empty nearly always.

The directory is what makes a *node*: `node` names it, and the processes that share it find each other's answers. A
process is alive as long as it holds the lock of its own file, so what the dead have left is known without asking them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from holdfast import failpoints
from holdfast.domain.exchange import Response
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.errors import Unavailable
from holdfast.store import Store
from holdfast.store.flows import Origin
from holdfast.store.presentations import Sender
from holdfast.store.seal.box import Box
from holdfast.store.seal.envelope import Place

log = structlog.get_logger()

_NODE: Final = "node"  # the file that holds the directory's name
_ANSWER, _UNFINISHED, _UNREADABLE, _PROCESS = ".answer", ".part", ".unreadable", ".process"


class About(msgspec.Struct, frozen=True):
    """Whose answer it is, and what to: the refresh that began with `generation` by the attempt of that `number`, or a
    code by the consent of that number. It stands in the file in clear, and the seal binds it. `asked_at` in ms."""

    kind: Literal["refresh", "redeem"]
    application_id: str
    consumer_id: str
    unified_api: str
    service_id: str
    connection_id: str
    generation: int
    number: int
    consent: int
    granted_at: int
    asked_at: int

    @property
    def scope(self) -> ConsumerScope:
        return ConsumerScope(self.application_id, Caller.own("spool"), self.consumer_id)

    def place(self) -> Place:
        said = (*map(str, msgspec.structs.astuple(self)),)
        return Place("spool", "answer", self.application_id, said)


class Callback(msgspec.Struct, frozen=True):
    """What the browser brought beside a code, and what the code came from."""

    captured: dict[str, str]
    origin: Origin


class _Answer(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes
    callback: Callback | None


class _File(msgspec.Struct, frozen=True):
    about: About
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer in the spool."""

    path: Path
    about: About
    sealed: bytes

    @property
    def process(self) -> str:
        return self.path.name.split(".")[1]

    async def open(self, store: Store) -> tuple[Response, Callback | None]:
        """The answer, and the callback of a code. IntegrityError if it is not what was sealed for these very words."""
        box = await store.box(self.about.scope, self.sealed)
        answer = msgspec.json.decode(box.open(self.about.place(), self.sealed), type=_Answer)
        return Response(answer.status, answer.headers, answer.body), answer.callback

    def drop(self) -> None:
        """It is stored, or nobody wants it any more."""
        self.path.unlink(missing_ok=True)

    def set_aside(self, reason: str) -> None:
        """It cannot be stored. Kept for whoever may know why; its attempt still counts as answered."""
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(self.path.with_suffix(_UNREADABLE))
        about = self.about
        log.critical(
            "spooled_answer_set_aside", connection=about.connection_id, service=about.service_id, reason=reason
        )


class Spool:
    """The answers that this process and its neighbours on the node have read and not stored yet."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._lock: int | None = None
        self._node = ""

    def sender(self) -> Sender:
        """This process, known to be alive from here on. Unavailable if the directory cannot be used."""
        if self._lock is None:
            try:
                self._enlist()
            except OSError as error:
                raise Unavailable(f"{self._directory} cannot be used: {error.strerror}.") from None
        return Sender(self._node, self._process)

    async def put(self, box: Box, about: About, response: Response, callback: Callback | None = None) -> Entry | None:
        """Keeps an answer. Durable when it returns; None if the disk takes nothing, which is told at once."""
        answer = _Answer(response.status, dict(response.headers), response.body, callback)
        sealed = box.seal(about.place(), msgspec.json.encode(answer))
        try:
            entry = Entry(self._path(about), about, sealed)
            await failpoints.at("refresh.spooling")
            await asyncio.to_thread(_write, entry.path, msgspec.json.encode(_File(about, entry.sealed)))
        except (OSError, Unavailable) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            log.critical("answer_not_spooled", connection=about.connection_id, service=about.service_id, reason=reason)
            return None
        return entry

    def left(self, connection_id: str | None = None) -> list[Entry]:
        """The answers of processes that are dead (of one connection only, if it is named), the oldest first."""
        pattern = f"{connection_id or '*'}.*{_ANSWER}"
        found = [
            entry for path in self._directory.glob(pattern) if (entry := _read(path)) and self._is_dead(entry.process)
        ]
        return sorted(found, key=lambda entry: entry.about.asked_at)

    def reconsider(self) -> None:
        """What was set aside is looked at once more: its connector or its master key may have been missing then."""
        for path in self._directory.glob(f"*{_UNREADABLE}"):
            with contextlib.suppress(FileNotFoundError):
                path.rename(path.with_suffix(_ANSWER))

    def dead(self, named: Iterable[str] = ()) -> list[str]:
        """Processes of this node that live no more: those that have left a trace here, and those that are `named`."""
        traces = {path.stem for path in self._directory.glob(f"*{_PROCESS}")}
        return sorted(process for process in traces.union(named) if self._is_dead(process))

    def kept(self, process: str) -> frozenset[tuple[str, int]]:
        """The (connection, attempt)s whose answers a process has left here, readable or not."""
        found = self._directory.glob(f"*.{process}.refresh-*")
        names = [path.name.split(".") for path in found if path.suffix != _UNFINISHED]
        return frozenset((connection, int(name.rpartition("-")[2])) for connection, _, name, _ in names)

    def bury(self, process: str) -> None:
        """A dead process has nothing left to be asked for."""
        for unfinished in self._directory.glob(f"*.{process}.*{_UNFINISHED}"):
            unfinished.unlink(missing_ok=True)
        (self._directory / f"{process}{_PROCESS}").unlink(missing_ok=True)

    def close(self) -> None:
        if self._lock is not None:
            self.bury(self._process)
            os.close(self._lock)
            self._lock = None

    def _path(self, about: About) -> Path:
        # With its kind: attempts and consents are counted apart, and one answer must not take another's place.
        name = f"{about.kind}-{about.number}"
        return self._directory / f"{about.connection_id}.{self.sender().process}.{name}{_ANSWER}"

    def _enlist(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._node = _node(self._directory / _NODE)
        path = self._directory / f"{self._process}{_PROCESS}"
        unlocked = path.with_suffix(_UNFINISHED)
        descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # before it has the name under which others look at it
        unlocked.rename(path)
        self._lock = descriptor

    def _is_dead(self, process: str) -> bool:
        if process == self._process:
            return False
        try:
            descriptor = os.open(self._directory / f"{process}{_PROCESS}", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True


def _node(path: Path) -> str:
    """The name of this directory, given once. Two processes that give it at once read the same afterwards."""
    with contextlib.suppress(FileExistsError):
        fresh = path.with_name(f"{_NODE}.{secrets.token_hex(6)}")
        try:
            # Synced: a name that a machine's death leaves empty would be that of every such node.
            _sync(fresh, secrets.token_hex(16).encode())
            os.link(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    return path.read_text()


def _write(path: Path, content: bytes) -> None:
    """OSError leaves nothing that could be taken for an answer."""
    unfinished = path.with_suffix(_UNFINISHED)
    try:
        _sync(unfinished, content)
        unfinished.rename(path)
        _sync_directory(path.parent)
    except OSError:
        unfinished.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> Entry | None:
    """None if it is gone, or was not written by us."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        with contextlib.suppress(FileNotFoundError):  # a neighbour has found it too
            path.rename(path.with_suffix(_UNREADABLE))
        log.critical("spooled_answer_set_aside", file=path.name, reason="unreadable")
        return None
    return Entry(path, file.about, file.sealed)
