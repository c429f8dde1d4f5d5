"""What the conformance tests have in common: the document, and the client that is generated from it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from described import DOCUMENT, deployment
from generated_client import PACKAGE, generate
from live import Live, live

from holdfast.testing.harness import Deployment

collect_ignore = [] if "HOLDFAST_SEED_DOCUMENT" in os.environ else ["test_seed_examples.py"]


@pytest.fixture(scope="session")
def generated(request: pytest.FixtureRequest) -> Path:
    """The generated client's folder. Made again when the document changes; test processes wait for the first one."""
    _require_java()
    made_of = hashlib.sha256(json.dumps([PACKAGE, DOCUMENT]).encode()).hexdigest()[:16]
    cache = request.config.cache
    assert cache is not None
    directory = cache.mkdir(f"generated-client-{made_of}")
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = directory / "done"
        made = generate(DOCUMENT, directory) if not done.exists() else directory / "made"
        done.touch()
    return made


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Deployment]:
    """A vault on SQLite whose answers are checked."""
    async with deployment(tmp_path) as vault:
        yield vault


@pytest.fixture
async def live_vault(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as vault:
        yield vault


def _require_java() -> None:
    """A user's machine may do without Java; where `CI` is set, it must be there."""
    missing = "Java is not installed; openapi-generator needs it."
    if shutil.which("java"):
        return
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
