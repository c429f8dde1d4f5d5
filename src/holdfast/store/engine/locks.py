"""A lock that keeps other processes out, for as long as its holder lives and no longer.

A lease tells the living from the dead only after a while; these tell at once, because the system gives them back when
their holder dies. Nothing rests on them alone (a session may die under a request that is still on its way), and nothing
waits at them: `take` gives a lock or it does not.

- `FileLocks`     for processes of one machine: a byte each, in one file
- `SessionLocks`  for processes at one PostgreSQL: session advisory locks (`postgres_locks`)
- `NoLocks`       where there are none: two processes may both be let in, and the leases keep them apart
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
from pathlib import Path
from typing import Protocol

from holdfast.errors import Unavailable

# `struct flock`: type, whence, start, length, pid (which must be 0 for a lock of the open file description).
_FLOCK = "hhqqi4x"


class Lock(Protocol):
    """A lock that is held. `lost`: it may be somebody else's by now."""

    @property
    def lost(self) -> bool: ...

    async def give_back(self) -> None:
        """Never fails: what cannot be given back is lost."""


class Locks(Protocol):
    """Locks by name. `exclude`: whether two processes are never let in at once."""

    exclude: bool

    async def take(self, name: str) -> Lock | None:
        """The lock of `name`; None if it is held, by this process too. Unavailable if nobody can tell."""

    async def check(self) -> None:
        """SettingsError if they do not keep anybody out, although they should. Unavailable."""

    async def close(self) -> None: ...


def lock_key(name: str) -> int:
    """62 bits of `name`: what a file's offset and PostgreSQL's bigint have room for. Two names may share a key, which
    makes one wait for the other."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) >> 2


class FileLocks:
    """Open file description locks (fcntl(2)): the kernel frees them when the last descriptor of this opening closes.

    The file must be on a local disk. A process that forks must not use the copy.
    """

    exclude = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._held: set[int] = set()

    async def take(self, name: str) -> Lock | None:
        key = lock_key(name)
        # One opening shares its locks with itself, so what this process holds is kept here.
        if key in self._held or not self._set(fcntl.F_WRLCK, key):
            return None
        self._held.add(key)
        return _Byte(self, key)

    async def check(self) -> None:
        return

    async def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def free(self, key: int) -> None:
        self._held.discard(key)
        if self._file is not None:
            self._set(fcntl.F_UNLCK, key)

    def _set(self, kind: int, key: int) -> bool:
        try:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, kind, os.SEEK_SET, key, 1, 0))
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise Unavailable(f"The lock file {self._path} cannot be used: {error.strerror}.") from None
        return True


class _Byte:
    lost = False

    def __init__(self, locks: FileLocks, key: int) -> None:
        self._locks = locks
        self._key = key

    async def give_back(self) -> None:
        self._locks.free(self._key)


class NoLocks:
    """Lets everybody of other processes in."""

    exclude = False

    def __init__(self) -> None:
        self._held: set[str] = set()

    async def take(self, name: str) -> Lock | None:
        if name in self._held:
            return None
        self._held.add(name)
        return _Open(self._held, name)

    async def check(self) -> None:
        return

    async def close(self) -> None:
        return


class _Open:
    lost = False

    def __init__(self, held: set[str], name: str) -> None:
        self._held = held
        self._name = name

    async def give_back(self) -> None:
        self._held.discard(self._name)
