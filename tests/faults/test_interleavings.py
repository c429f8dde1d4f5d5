"""Two operations on one connection at once: every pair, in one order of its steps; `make faults` tries twenty."""

from __future__ import annotations

from pathlib import Path

from tests.faults.interleavings import interleaved, pairs


async def test_two_operations_at_once_leave_a_connection_that_works_or_none(tmp_path: Path, database_url: str) -> None:
    """Whatever comes first: no token is spent twice, what is there works on, and what is gone lives on nowhere."""
    stories = await interleaved(tmp_path, database_url, [*pairs([0])])

    assert [story for story in stories if not story.holds] == []
    assert {story.verdict for story in stories} == {"recovered", "flagged"}
