"""The model finds what it must, and nothing where the protocol holds; `make faults` searches every line."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields

import pytest
from tests.model.breaking import breaking
from tests.model.guards import Guards
from tests.model.lines import Line
from tests.model.search import Search
from tests.model.table import TABLE

# One or two of each engine, rotation and kind of fault, of those that take no second.
SOON = """
    H-postgres-family-answerslost H-postgres-strict-diskfull H-sqlite-family-diskfull H-sqlite-strict-cutoff
    H-leaseonly-family-cutoff H-leaseonly-strict-answerslost H-sqlite-grace-diskfull H-retry-away
    H-pause-any-length H-pause-any-length-sqlite V-merged-strict V-nobeat-family
""".split()
NAMED = {line.name: line for line in TABLE}


@pytest.mark.parametrize("line", [*breaking()], ids=lambda line: line.name)
def test_a_missing_guard_breaks_a_promise(line: Line) -> None:
    """The protocol as first written, with a guard taken out, or beyond physics: there is a story that breaks it."""
    found = Search(line.case).run()

    assert found.broken
    assert found.story


@pytest.mark.parametrize("name", SOON)
def test_the_protocol_holds(name: str) -> None:
    """With every guard in its place no order of steps and faults breaks a promise."""
    found = Search(NAMED[name].case).run()

    assert (found.broken, found.story) == (None, [])


def test_every_guard_is_accounted_for() -> None:
    """No guard is there out of habit: a line takes it out, and shows what it is for or that it may be spared."""
    whole = Guards()
    changed = {
        field.name
        for line in TABLE
        if not line.name.startswith("D-")
        for field in fields(Guards)
        if getattr(line.case.guards, field.name) != getattr(whole, field.name)
    }

    assert changed == {field.name for field in fields(Guards)}


def test_lines_have_names_of_their_own() -> None:
    """A name is one line: other tests refer to lines by their names."""
    assert len(NAMED) == len(TABLE)


def test_a_story_is_told() -> None:
    """`--trace` tells the shortest way to the damage, step by step."""
    command = [sys.executable, "-m", "tests.model.run", "--trace", "D-ack"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "S2 our clean-up ends the grant in force" in told
    assert "10  node 0 stores the answer, and is not told so\n" in told
    assert told.splitlines()[-1].endswith("0 not as expected")
