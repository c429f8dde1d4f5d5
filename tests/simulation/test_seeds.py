"""Runs that nobody has thought of: whatever breaks, and in whatever order, the laws hold. `make faults` has 2000."""

from __future__ import annotations

import pytest
from tests.simulation.fate import Run
from tests.simulation.stage import Stage


@pytest.mark.parametrize("seed", range(20))
def test_the_laws_hold_in_every_step(stage: Stage, seed: int) -> None:
    """Nothing is presented twice needlessly, overwritten, lost in silence or waited for in vain (`laws`)."""
    assert Run(stage, seed)() > 50


def test_a_seed_is_one_run(stage: Stage) -> None:
    """What a seed has found can be had again, step by step."""
    runs = [Run(stage, 13) for _ in range(2)]
    for run in runs:
        run()

    assert runs[0].world.schedule == runs[1].world.schedule
