"""What goes on beside the requests of `holdfast serve`."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs
from work import until

from holdfast import wiring
from holdfast.config import Settings
from holdfast.store.engine.opening import open_database
from holdfast.store.seal.keyring import FOLLOW_EVERY
from holdfast.testing.clock import TestClock
from holdfast.usecases.recent import LIFETIME, PAUSE, Recent


async def test_the_worker_runs_beside_the_application(tmp_path: Path) -> None:
    """A vault that serves has swept; when it ends, no task of it is left."""
    settings = Settings.from_env({"HOLDFAST_DATA_DIR": str(tmp_path / "data")})
    wiring.prepare(settings)
    before = asyncio.all_tasks()
    async with wiring.serving(settings):
        database = await open_database(settings.database_url)

        async def swept() -> bool:
            row = await database.one("SELECT kind, created_at, due_at FROM jobs")
            return row is not None and bool(row["due_at"] > row["created_at"])

        await until(swept)
        await database.close()

    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_housekeeping_that_fails_is_told_and_begun_anew(tmp_path: Path) -> None:
    """A failure that nobody foresaw would end it for good, and nobody would miss it."""
    settings = Settings.from_env({"HOLDFAST_DATA_DIR": str(tmp_path / "data")})
    wiring.prepare(settings)
    clock = TestClock()
    with capture_logs() as logs:
        async with wiring.serving(settings, clock=clock):
            database = await open_database(settings.database_url)
            await database.run("DELETE FROM data_keys WHERE application_id = ''")
            await database.close()

            def failed_again() -> bool:
                clock.advance(FOLLOW_EVERY)
                return len(failures(logs)) > 1

            await until(failed_again)

    assert set(failures(logs)) == {("instance key", "IntegrityError", "critical")}


def failures(logs: Sequence[MutableMapping[str, Any]]) -> list[tuple[str, str, str]]:
    told = [line for line in logs if line["event"] == "housekeeping_failed"]
    return [(line["of"], line["error"], line["log_level"]) for line in told]


async def test_what_is_too_old_to_be_used_leaves_the_memory() -> None:
    """Also where nobody asks for it again, and where no worker runs."""

    class Remembered:
        """Something that can be watched."""

    async def read() -> Remembered:
        return Remembered()

    clock = TestClock()
    recent = Recent(clock)
    forgetting = asyncio.create_task(recent.keep_short())
    found = weakref.ref(await recent.get("key", read, "app-1"))
    await clock.asleep()
    gc.collect()
    remembered = found() is not None

    clock.advance(max(PAUSE, LIFETIME / 1000))
    await clock.asleep()
    gc.collect()

    assert (remembered, found()) == (True, None)
    forgetting.cancel()
