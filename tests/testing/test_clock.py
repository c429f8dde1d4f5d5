"""holdfast.testing.clock: time that the test moves."""

from __future__ import annotations

import asyncio

from holdfast.testing.clock import START, TestClock


async def test_a_sleeper_wakes_when_its_time_has_come_and_not_before(clock: TestClock) -> None:
    """`sleep` returns once `advance` has moved the time past it."""
    sleeper = asyncio.create_task(clock.sleep(30))
    await clock.asleep()

    clock.advance(29.999)
    await asyncio.sleep(0)
    before = sleeper.done()
    clock.advance(0.001)
    await sleeper

    assert before is False
    assert clock.now() == START + 30_000


async def test_sleepers_wake_in_the_order_of_their_times(clock: TestClock) -> None:
    """One jump wakes everybody whose time has come, the earliest first."""
    woken: list[int] = []

    async def sleep(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleep(seconds)) for seconds in (30, 10, 20)]
    await clock.asleep(3)
    clock.advance(60)
    await asyncio.gather(*tasks)

    assert woken == [10, 20, 30]


async def test_a_cancelled_sleeper_is_forgotten(clock: TestClock) -> None:
    """Cancelling a sleep neither keeps it counted nor breaks the next `advance`."""
    sleeper = asyncio.create_task(clock.sleep(5))
    await clock.asleep()

    sleeper.cancel()
    await asyncio.gather(sleeper, return_exceptions=True)
    clock.advance(10)

    assert clock.sleepers == 0


async def test_no_time_at_all_still_lets_others_run(clock: TestClock) -> None:
    """`sleep(0)` gives way, as asyncio's does, so that a polling loop cannot starve a test."""
    ran = asyncio.create_task(asyncio.sleep(0, "ran"))

    await clock.sleep(0)
    await clock.sleep(0)

    assert ran.done()
