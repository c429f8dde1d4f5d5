"""A whole vault for each test, on both engines; and the command, in a directory of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from executable import Holdfast

from holdfast.testing.harness import Deployment, deployment


@pytest.fixture
async def vault(database_url: str, tmp_path: Path) -> AsyncIterator[Deployment]:
    """A vault with one application, and the sandbox provider that its one integration leads to."""
    async with deployment(tmp_path, database_url=database_url) as vault:
        yield vault


@pytest.fixture
def holdfast(tmp_path: Path) -> Iterator[Holdfast]:
    """The command in an empty directory."""
    command = Holdfast(tmp_path)
    yield command
    command.end()
