"""What a start refuses to find in its data directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import wiring
from holdfast.config import Settings
from holdfast.errors import SettingsError


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


def test_a_directory_that_everybody_may_write_into_is_refused(tmp_path: Path) -> None:
    """Whoever writes there replaces the database, or the key."""
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    with pytest.raises(SettingsError, match="chmod 700"):
        wiring.prepare(settings(data))
