"""Master keys: the operator's, never in the database. They wrap the data keys and nothing else.

`MasterKeys` is what the keyring asks of them. Here they are given with the settings, as a text or a file; another
keeper of keys (a KMS, an HSM) is one more class with these methods, chosen in `holdfast.wiring`.

A master key that is given is 32 random bytes in base64. Several may be given, apart by commas or line ends: the first
wraps, the others only unwrap, which is how a key is replaced while the vault runs. A key is named by its id, the first
eight bytes of SHA-256("kid|" + key) in hexadecimal.

There is no mode without a key, and a key that somebody made up is refused: it can be guessed, and then everything
in a stolen database opens.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from holdfast.errors import SettingsError
from holdfast.store.seal.envelope import KEY_SIZE, Key, Place

# Of 32 random bytes about 30 differ; fewer than this does not happen.
DISTINCT: Final = 16
_HOW: Final = f"A master key is {KEY_SIZE} random bytes in base64, such as `openssl rand -base64 {KEY_SIZE}` prints."


class Wrapped(NamedTuple):
    """A data key under a master key. What the blob looks like is the master key's own affair."""

    master_key_id: str
    blob: bytes


class MasterKeys(Protocol):
    """What wraps data keys. Each call may cross a network: make few, and none while a transaction is open."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys that are given, the one that wraps first."""
        ...

    async def wrap(self, place: Place, secret: bytes) -> Wrapped:
        """`secret` under the first key, bound to `place`. Unavailable if the keeper of the keys cannot be reached."""
        ...

    async def unwrap(self, place: Place, wrapped: Wrapped) -> bytes:
        """The secret that was wrapped for `place`.

        IntegrityError if it was not, or was altered; SettingsError if its master key is not given; Unavailable if the
        keeper of the keys cannot be reached now.
        """
        ...


class GivenKeys:
    """Master keys that were given as text. `primary` wraps new data keys."""

    __slots__ = ("_by_id", "primary")

    def __init__(self, primary: Key, *others: Key) -> None:
        self.primary = primary
        self._by_id = {key.id.hex(): key for key in (primary, *others)}

    @classmethod
    def parse(cls, text: str) -> GivenKeys:
        """The keys in `text`. SettingsError says what is wrong with which of them, and shows none."""
        words = re.split(r"[\s,]+", text.strip(" \t\r\n,"))
        if words == [""]:
            raise SettingsError(f"No master key is given. {_HOW}")
        return cls(*(_key(word, number) for number, word in enumerate(words, 1)))

    @classmethod
    def read(cls, path: Path) -> GivenKeys:
        """The keys in a file that nobody but its owner may read."""
        try:
            with path.open() as file:
                _refuse_readable(path, os.fstat(file.fileno()).st_mode)
                return cls.parse(file.read())
        except OSError as error:
            raise SettingsError(f"The master key file {path} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise SettingsError(f"The master key file {path} holds no text. {_HOW}") from None

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, the primary one first."""
        return tuple(self._by_id)

    async def wrap(self, place: Place, secret: bytes) -> Wrapped:
        """As `MasterKeys.wrap`; in the envelope of everything else."""
        return Wrapped(self.primary.id.hex(), self.primary.seal(place, secret))

    async def unwrap(self, place: Place, wrapped: Wrapped) -> bytes:
        """As `MasterKeys.unwrap`; never Unavailable."""
        master = self._by_id.get(wrapped.master_key_id)
        if master is None:
            raise SettingsError(f"A data key needs the master key {wrapped.master_key_id}, which is not given.")
        return master.open(place, wrapped.blob)

    def __repr__(self) -> str:
        return f"GivenKeys({', '.join(self.ids)})"


def new_master_key() -> str:
    """A fresh master key, as `MasterKeys.parse` reads it."""
    return base64.b64encode(os.urandom(KEY_SIZE)).decode()


def create_master_key_file(path: Path) -> None:
    """Writes a new key into a new file (0600). FileExistsError if `path` is there already.

    The file appears whole or not at all, so that of two processes that start at once one writes it and the other
    reads it.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{new_master_key()}\n".encode())
            file.flush()
            os.fsync(descriptor)
        os.link(draft, path)
    finally:
        os.unlink(draft)
    _sync_directory(path.parent)


def _key(word: str, number: int) -> Key:
    digits = word.rstrip("=")
    try:
        raw = base64.b64decode(digits + "=" * (-len(digits) % 4), altchars=_altchars(digits), validate=True)
    except ValueError:
        raise SettingsError(f"Master key {number} is not base64. {_HOW}") from None
    if len(raw) != KEY_SIZE:
        raise SettingsError(f"Master key {number} has {len(raw)} bytes instead of {KEY_SIZE}. {_HOW}")
    if _made_up(word, raw):
        raise SettingsError(f"Master key {number} is not random. {_HOW}")
    return Key(raw)


def _altchars(digits: str) -> bytes:
    """The last two digits of the alphabet that is used: URL-safe or standard (RFC 4648 sections 5 and 4)."""
    return b"-_" if "-" in digits or "_" in digits else b"+/"


def _made_up(word: str, raw: bytes) -> bool:
    """Whether the key is a pattern, a password in base64, or a password that happens to be base64."""
    return len(set(raw)) < DISTINCT or raw.isascii() or word.lower() == word or word.upper() == word


def _refuse_readable(path: Path, mode: int) -> None:
    if stat.S_IMODE(mode) & 0o077:
        raise SettingsError(f"Other users may read the master key file {path}; run `chmod 600 {path}`.")


def _sync_directory(path: Path) -> None:
    """Without this a power cut could take the file's name, and with it every credential sealed since."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
