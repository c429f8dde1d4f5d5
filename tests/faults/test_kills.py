"""A part of what `make faults` does, in shorter terms: processes that are killed while they refresh a token."""

from __future__ import annotations

from pathlib import Path

from tests.faults.kills import blows, kills
from tests.faults.site import site

LEASE = 3.0


async def test_a_process_that_is_killed_loses_no_connection_in_silence(
    tmp_path: Path, database_url: str, engine: str
) -> None:
    """Killed before its request, before the answer or before it is stored: the connection works on, or says so."""
    async with site(tmp_path, database_url, lease=LEASE, rotations=("strict", "family")) as it:
        steps = ("marked", "committed", "spooled")
        stories = await kills(it, [*blows(engine, steps, ("strict", "family"), goods=(False,))])

    assert [story for story in stories if not story.holds] == []
    assert [story.verdict for story in stories] == ["recovered"] * 2 + ["flagged"] * 2 + ["recovered"] * 2
