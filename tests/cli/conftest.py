"""A fresh directory to run `holdfast` in, and one that a whole file of tests shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from executable import Holdfast, Running


@pytest.fixture
def holdfast(tmp_path: Path) -> Iterator[Holdfast]:
    """The command in an empty directory."""
    command = Holdfast(tmp_path)
    yield command
    command.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Holdfast]:
    """The command in a directory that the tests of one file share."""
    command = Holdfast(tmp_path_factory.mktemp("shared"))
    yield command
    command.end()


@pytest.fixture(scope="module")
def server(shared: Holdfast) -> Running:
    """A server in the shared directory, for tests that only ask it."""
    return shared.serve()
