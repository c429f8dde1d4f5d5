"""All of the known ways to the damage."""

from __future__ import annotations

from tests.simulation import dying, losing, meeting
from tests.simulation.schedule import SCHEDULES, Schedule, caught_by, played

__all__ = ["SCHEDULES", "Schedule", "caught_by", "dying", "losing", "meeting", "played"]
