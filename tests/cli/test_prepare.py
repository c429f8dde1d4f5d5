"""What a start refuses to find in its data directory."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from holdfast import wiring
from holdfast.config import Settings
from holdfast.errors import SettingsError
from holdfast.store.engine import soundness


def settings(directory: Path) -> Settings:
    return Settings.from_env({"HOLDFAST_DATA_DIR": str(directory)})


@pytest.mark.parametrize("emptied", [False, True])
def test_a_database_that_is_gone_is_not_replaced_by_an_empty_one(tmp_path: Path, emptied: bool) -> None:
    """A vault that was in use is told from a new one by its journal, and what to do is said."""
    data = tmp_path / "data"
    wiring.prepare(settings(data))
    wiring.prepare(settings(data))  # a first start that came to nothing may be tried again
    (data / wiring.JOURNAL).mkdir()
    if emptied:
        (data / "holdfast.db").touch()
    with pytest.raises(SettingsError, match="Put the database back"):
        wiring.prepare(settings(data))
    (data / "holdfast.db").write_bytes(b"SQLite format 3")
    wiring.prepare(settings(data))


def database(directory: Path, rows: int = 2000) -> Path:
    """A database of some hundred pages in a data directory that has its key."""
    wiring.prepare(settings(directory))
    file = directory / "holdfast.db"
    with apsw.Connection(str(file)) as connection:
        connection.execute("CREATE TABLE notes (id TEXT PRIMARY KEY, text TEXT)")
        connection.executemany("INSERT INTO notes VALUES (?, ?)", [(f"note-{n}", "hello " * 50) for n in range(rows)])
    connection.close()
    return file


def damage(file: Path) -> None:
    """Overwrites a page in the middle, as a disk does that loses a sector."""
    with file.open("r+b") as stream:
        stream.seek(file.stat().st_size // 2 // 4096 * 4096)
        stream.write(b"\xa5" * 4096)


def test_a_whole_database_is_left_alone(tmp_path: Path) -> None:
    """Looking changes nothing, and a vault that is still to be made is nothing to look at."""
    wiring.require_sound(settings(tmp_path / "new"))
    file = database(tmp_path / "data")
    before = file.read_bytes()

    wiring.require_sound(settings(tmp_path / "data"))

    assert file.read_bytes() == before


@pytest.mark.parametrize("garbage", [False, True])
def test_a_damaged_database_is_not_served(tmp_path: Path, garbage: bool) -> None:
    """It is told at the start, with what to do, and not by the customer whose row it took."""
    file = database(tmp_path / "data")
    damage(file)
    if garbage:
        file.write_bytes(b"\xa5" * 8192)
    with pytest.raises(SettingsError, match=r"is damaged .* put the newest backup in its place"):
        wiring.require_sound(settings(tmp_path / "data"))


def test_a_look_at_a_large_database_ends(tmp_path: Path) -> None:
    """What is not reached in time is not told; a restart does not wait until terabytes have been read."""
    file = database(tmp_path / "data", rows=20_000)
    damage(file)

    soundness.refuse_damaged(file, look=0)

    with pytest.raises(SettingsError):
        soundness.refuse_damaged(file)


def test_damage_is_told_before_a_missing_key(tmp_path: Path) -> None:
    """Who lost both would look for the key first, and find that it opens nothing."""
    file = database(tmp_path / "data")
    (tmp_path / "data" / wiring.MASTER_KEY_FILE).unlink()
    with pytest.raises(SettingsError, match="There is no master key"):
        wiring.prepare(settings(tmp_path / "data"))
    damage(file)
    with pytest.raises(SettingsError, match="is damaged"):
        wiring.prepare(settings(tmp_path / "data"))


@pytest.mark.parametrize("below", ["", "data"])
def test_a_data_directory_that_is_a_file_is_told(tmp_path: Path, below: str) -> None:
    """The setting that names it is said, not the number of an error."""
    (tmp_path / "notes.txt").write_text("buy milk")
    with pytest.raises(SettingsError, match=r"notes.txt\S* is, or lies under, a file.*HOLDFAST_DATA_DIR"):
        wiring.prepare(settings(tmp_path / "notes.txt" / below))


def test_a_directory_that_everybody_may_write_into_is_refused(tmp_path: Path) -> None:
    """Whoever writes there replaces the database, or the key."""
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    with pytest.raises(SettingsError, match="chmod 700"):
        wiring.prepare(settings(data))
