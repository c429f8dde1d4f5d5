"""A whole vault for each test, on both engines, and time for what goes on in the background."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.testing.harness import Deployment, deployment


@pytest.fixture
async def vault(database_url: str, tmp_path: Path) -> AsyncIterator[Deployment]:
    """A vault with one application; its worker runs where a test says so."""
    async with deployment(tmp_path, database_url=database_url) as vault:
        yield vault
