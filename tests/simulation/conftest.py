"""One stage for the runs of a module: what it changes in this process it changes for no other test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.simulation.stage import Stage, staged


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as stage:
        yield stage
