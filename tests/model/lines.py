"""A line of the table: a protocol in a world, and what the search must find there.

- `H`  the protocol holds
- `V`  a simpler one that holds as well
- `D`  the protocol as first written breaks
- `M`  with this one guard taken out it breaks
- `P`  outside of what can be had: nobody's protocol holds there
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tests.model.guards import Case, Guards, Rotation, World


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    name: str
    about: str
    case: Case

    @property
    def holds(self) -> bool:
        """Whether the search must find nothing."""
        return self.name[0] in "HV"


def line(
    name: str,
    about: str,
    guards: Guards,
    rotation: Rotation = "family",
    faults: str = "",
    plans: str = "",
    **world: Any,
) -> Line:
    """A line of `guards` in the world of these words: `faults` like "kill slow*2", `plans` like "consent delete"."""
    budget = tuple(_budget(fault) for fault in faults.split())
    return Line(name, about, Case(guards, World(rotation, faults=budget, plans=tuple(plans.split()), **world)))


def _budget(fault: str) -> tuple[str, int]:
    name, _, times = fault.partition("*")
    return name, int(times or 1)


def deeper(lines: list[Line]) -> list[Line]:
    """The lines that hold, with a node more, and where there are enough of them with a fault more."""
    held = [each for each in lines if each.name.startswith("H-")]
    return [_grown(each, "three-nodes", nodes=3) for each in held] + [
        _grown(each, "three-faults", together=3) for each in held if len(each.case.world.faults) > 2
    ]


def _grown(grown: Line, name: str, **changes: Any) -> Line:
    world = replace(grown.case.world, **changes)
    return Line(f"{grown.name}-{name}", grown.about, replace(grown.case, world=world))
