"""The ways to the damage that are known: the product takes none of them, and each safety is what keeps it from one."""

from __future__ import annotations

import pytest
from tests.simulation.mutations import MUTATIONS, Mutation, missing
from tests.simulation.schedules import SCHEDULES, Schedule, caught_by, played
from tests.simulation.stage import Stage

NAMED = {one.name: one for one in SCHEDULES}


@pytest.mark.parametrize("one", SCHEDULES, ids=lambda one: one.name)
def test_a_known_way_does_no_damage(stage: Stage, one: Schedule) -> None:
    """The laws hold in every step, and it ends with a connection that is fresh or says that it needs its customer."""
    played(stage, one)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_missing_safety_is_noticed(stage: Stage, mutation: Mutation) -> None:
    """Without it one of the known ways leads to the damage, or to another end than the product promises."""
    with missing(mutation):
        found = caught_by(stage, NAMED[mutation.way])

    assert found
