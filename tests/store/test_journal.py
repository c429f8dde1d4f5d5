"""The journal: what was written outlives the process, is taken over once, and stops a use that it cannot record."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from holdfast.clock import SystemClock
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.errors import Unavailable
from holdfast.store.engine.database import Database
from holdfast.store.journal import DRAIN_EVERY, Journal
from holdfast.testing.clock import TestClock

SCOPE = ConsumerScope("app-1", Caller.own("key:1"), "user-1")
KILLED = """
import os, signal, sys
from pathlib import Path
from holdfast.clock import SystemClock
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.store.journal import Journal

journal = Journal(Path(sys.argv[1]), None, SystemClock())
for number in range(3):
    scope = ConsumerScope("app-1", Caller.own("key:1"), "user-1")
    journal.append(scope, connection_id=f"c{number}", reason="proxy", generation=number)
os.kill(os.getpid(), signal.SIGKILL)
"""


async def kept(database: Database) -> list[str]:
    return [row["connection_id"] for row in await database.all("SELECT connection_id FROM journal ORDER BY generation")]


def append(journal: Journal, id: str = "c1", generation: int = 1) -> None:
    journal.append(SCOPE, connection_id=id, reason="proxy", generation=generation)


async def test_what_a_killed_process_wrote_is_taken_over(database: Database, tmp_path: Path) -> None:
    """kill -9 right after the entry was written loses nothing: whoever starts next keeps it."""
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "journal")], check=False)
    assert ended.returncode == -signal.SIGKILL

    await Journal(tmp_path / "journal", database, SystemClock()).adopt()

    assert await kept(database) == ["c0", "c1", "c2"]
    assert list((tmp_path / "journal").iterdir()) == []


async def test_a_process_that_lives_keeps_its_own_file(database: Database, tmp_path: Path) -> None:
    """Another one that starts beside it takes nothing away; the entries come once, from their own process."""
    living = Journal(tmp_path / "journal", database, SystemClock())
    append(living)

    await Journal(tmp_path / "journal", database, SystemClock()).adopt()
    before = await kept(database)
    await living.drain()

    assert (before, await kept(database)) == ([], ["c1"])


async def test_a_line_that_is_taken_twice_is_kept_once(database: Database, tmp_path: Path) -> None:
    """A process that dies between keeping the lines and removing the file leaves them to be taken again."""
    directory, copy = tmp_path / "journal", tmp_path / "copy"
    journal = Journal(directory, database, SystemClock())
    append(journal)
    shutil.copytree(directory, copy)
    await journal.drain()

    await Journal(copy, database, SystemClock()).adopt()

    assert await kept(database) == ["c1"]


async def test_entries_that_come_while_others_are_taken_are_not_lost(database: Database, tmp_path: Path) -> None:
    """Each drain takes what was written until then; the rest waits for the next one."""
    journal = Journal(tmp_path / "journal", database, SystemClock())
    for generation in range(1, 1200):
        append(journal, f"c{generation}", generation)
        if generation % 400 == 0:
            await journal.drain()
    await journal.drain()

    assert await kept(database) == [f"c{generation}" for generation in range(1, 1200)]


async def test_a_cut_line_does_not_keep_the_others_out(database: Database, tmp_path: Path) -> None:
    """A machine died in the middle of a line: the credential of that line was never used."""
    directory = tmp_path / "journal"
    journal = Journal(directory, database, SystemClock())
    append(journal)
    (file,) = directory.iterdir()
    (directory / "0-cut.log").write_bytes(file.read_bytes().replace(b"c1", b"c9").replace(b'-1"', b'-9"') + b'["torn')

    await Journal(directory, database, SystemClock()).adopt()

    assert await kept(database) == ["c9"]


async def test_a_file_that_another_process_has_just_taken_is_none(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two start at once: the slower one opened the file before the other one removed it, and locks it after."""
    directory = tmp_path / "journal"
    subprocess.run([sys.executable, "-c", KILLED, str(directory)], check=False)
    (file,) = directory.iterdir()
    quicker, lock = Journal(directory, database, SystemClock()), fcntl.flock
    taken: list[bytes] = []

    def last_moment(descriptor: int, how: int) -> None:
        if not taken:
            taken.append(file.read_bytes())
            file.unlink()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", last_moment)
    await Journal(directory, database, SystemClock()).adopt()
    before = await kept(database)
    file.write_bytes(taken[0])
    await quicker.adopt()

    assert (before, await kept(database)) == ([], ["c0", "c1", "c2"])


async def test_lines_outlive_the_name_of_their_file(database: Database, tmp_path: Path) -> None:
    """Whoever tidies up the directory of a running vault takes no entry away."""
    journal = Journal(tmp_path / "journal", database, SystemClock())
    append(journal)
    for file in (tmp_path / "journal").iterdir():
        file.unlink()

    await journal.drain()

    assert await kept(database) == ["c1"]


async def test_a_file_that_cannot_be_removed_is_waited_for(database: Database, tmp_path: Path) -> None:
    """The drain goes on by itself when the directory is right again, with nothing lost and nothing twice."""
    clock = TestClock()
    journal = Journal(tmp_path / "journal", database, clock)
    append(journal)
    (file,) = (tmp_path / "journal").iterdir()
    file.unlink()
    file.mkdir()
    draining = asyncio.create_task(journal.keep_drained())
    with capture_logs() as logs:
        await clock.asleep()
        clock.advance(DRAIN_EVERY)
        await clock.asleep()
    file.rmdir()
    append(journal, "c2", 2)
    clock.advance(DRAIN_EVERY)
    await clock.asleep()

    assert [line["event"] for line in logs] == ["journal_waits"]
    assert await kept(database) == ["c1", "c2"]
    assert list((tmp_path / "journal").iterdir()) == []
    draining.cancel()


async def test_what_cannot_be_recorded_is_refused(database: Database, tmp_path: Path) -> None:
    """A directory that cannot be written is a fault of ours, told before anything is opened."""
    (tmp_path / "journal").write_text("not a directory")

    with pytest.raises(Unavailable):
        append(Journal(tmp_path / "journal", database, SystemClock()))


async def test_a_database_that_is_away_leaves_the_lines_where_they_are(database: Database, tmp_path: Path) -> None:
    """They are taken when it is back."""
    journal = Journal(tmp_path / "journal", database, SystemClock())
    append(journal)
    await database.run("ALTER TABLE journal RENAME TO elsewhere")
    with pytest.raises(Exception, match="journal"):
        await journal.drain()
    await database.run("ALTER TABLE elsewhere RENAME TO journal")

    await journal.drain()

    assert await kept(database) == ["c1"]


async def test_a_line_that_was_cut_short_spoils_no_other(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full for a moment: the use is refused, and the next one's entry can be read."""
    journal = Journal(tmp_path / "journal", database, SystemClock())
    append(journal, "c1", 1)
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, line: write(descriptor, line[:9]))
        with pytest.raises(Unavailable):
            append(journal, "c2", 2)
    append(journal, "c3", 3)

    await journal.drain()

    assert await kept(database) == ["c1", "c3"]
