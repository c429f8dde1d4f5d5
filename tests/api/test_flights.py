"""Single flight: callers leave and come, and only the end of the process ends the work, when it has waited enough."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from nodes import another_node
from structlog.testing import capture_logs

from holdfast import wiring
from holdfast.errors import Unavailable
from holdfast.testing.harness import Deployment
from holdfast.usecases.flight import Flights


class Work:
    """Ends when the test says so. `begun` counts how often it was started."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()
        self.cancelled = False

    async def __call__(self) -> str:
        self.begun += 1
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return "done"


async def test_whoever_has_waited_long_enough_leaves_and_the_work_goes_on() -> None:
    """It is told to come back, and who comes back joins the same work."""
    flights, work = Flights(patience=0.01), Work()

    for _ in range(2):
        with pytest.raises(Unavailable):
            await flights.join("key", work)
    work.may_end.set()
    await flights.land()

    assert (work.begun, work.cancelled) == (1, False)


async def test_work_of_another_key_is_not_joined() -> None:
    """And what has ended is started anew."""
    flights, work = Flights(), Work()
    work.may_end.set()

    keys = ["a", "a", "b"]
    together = await asyncio.gather(*[flights.join(key, work) for key in keys])
    again = await flights.join("a", work)

    assert [*together, again] == ["done"] * 4
    assert work.begun == 3


async def test_the_end_waits_for_what_ends_in_time() -> None:
    """Nothing is cancelled that comes to its end by itself."""
    flights, work = Flights(landing=60), Work()
    joined = asyncio.create_task(flights.join("key", work))
    landing = asyncio.create_task(flights.land())
    while not work.begun:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    work.may_end.set()

    await landing

    assert (await joined, work.cancelled) == ("done", False)


async def test_work_that_never_ends_is_given_up_and_told() -> None:
    """Somebody must know that a provider may have acted and nothing was kept of it."""
    flights, never = Flights(landing=0.01), Work()
    joined = asyncio.create_task(flights.join("key", never))
    while not never.begun:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)

    with capture_logs() as logs:
        async with asyncio.timeout(10):
            await flights.land()

    assert never.cancelled
    assert [(line["event"], line["log_level"], line["count"]) for line in logs] == [("work_given_up", "critical", 1)]
    with pytest.raises(asyncio.CancelledError):
        await joined


async def test_a_shutdown_goes_on_after_work_that_never_ends(
    vault: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is drained and the database closed all the same."""
    never = Work()
    monkeypatch.setattr(wiring, "Flights", partial(Flights, landing=0.01))

    async with asyncio.timeout(30), another_node(vault) as stopping:
        joined = asyncio.create_task(stopping.vault.flights.join("key", never))
        while not never.begun:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
    await asyncio.gather(joined, return_exceptions=True)

    assert never.cancelled
    with pytest.raises(Unavailable):
        await stopping.vault.store.q.all("SELECT id FROM connections")
