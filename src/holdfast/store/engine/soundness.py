"""Whether an SQLite file is whole: looked at before it is served, so that damage is told at the start and not by
whichever customer's row it took."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Final

import apsw

from holdfast.errors import SettingsError

# Seconds. Some gigabytes are looked through in it if they are in memory, some hundred megabytes from a disk; of a
# larger file the rest is not, so that a restart stays short.
LOOK: Final = 2.0
_STEPS: Final = 100


def refuse_damaged(file: Path, look: float = LOOK) -> None:
    """SettingsError if `PRAGMA quick_check` finds a fault in the database `file` within `look` seconds.

    A file that is missing, empty, or cannot be opened now is left to whoever opens it.
    """
    if not (file.is_file() and file.stat().st_size):
        return
    try:
        found = _found(file, look)
    except apsw.NotADBError:
        found = "it does not begin as an SQLite database does"
    except apsw.CorruptError as error:
        found = str(error)
    except apsw.Error:  # busy, out of reach, or too large for `look`
        return
    if found != "ok":
        raise SettingsError(
            f"The database {file} is damaged ({' '.join(found.split())}). Stop everything that uses it, keep a copy, "
            "and put the newest backup in its place, with no -wal or -shm file beside it."
        )


def _found(file: Path, look: float) -> str:
    connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        until = monotonic() + look
        connection.set_progress_handler(lambda: monotonic() > until, _STEPS)
        return str(connection.execute("PRAGMA quick_check(1)").get)
    finally:
        connection.close()
