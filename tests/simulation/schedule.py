"""A way to the damage that was found, step by step. With every safety in place it ends well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.laws import Violation
from tests.simulation.script import Case, Diverged, Script, scripted
from tests.simulation.stage import Stage


@dataclass(frozen=True)
class Schedule:
    """`what` happens, in which world, and what is asked of it at the end beside the laws."""

    name: str
    what: str
    case: Case
    play: Callable[[Script], None]


SCHEDULES: list[Schedule] = []


def schedule(name: str, case: Case | None = None) -> Callable[[Callable[[Script], None]], Callable[[Script], None]]:
    """Enters a schedule under its name."""

    def enter(play: Callable[[Script], None]) -> Callable[[Script], None]:
        SCHEDULES.append(Schedule(name, " ".join((play.__doc__ or "").split()), case or Case(), play))
        return play

    return enter


def played(stage: Stage, one: Schedule) -> None:
    """Plays a schedule to its end. Violation, AssertionError, or Diverged if the product takes another way."""
    with scripted(stage, one.case) as script:
        one.play(script)
        script.end()


def caught_by(stage: Stage, one: Schedule) -> str:
    """What is wrong when the schedule is played; empty if nothing is."""
    try:
        played(stage, one)
    except Violation as violation:
        return str(violation).splitlines()[0]
    except (AssertionError, Diverged) as other:
        return f"it ends otherwise ({type(other).__name__})"
    return ""
