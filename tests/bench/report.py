"""What was measured, as a table beside what was promised."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One line of the report."""

    what: str
    measured: str
    budget: str
    kept: bool


def spread(found: Sequence[float], digits: int) -> str:
    """The least and the most of what was found."""
    return f"{min(found):.{digits}f}-{max(found):.{digits}f}"


def show(figures: Sequence[Figure]) -> None:
    """Prints them."""
    console = Console()
    table = Table(title=f"Holdfast on {platform.machine()}, Python {platform.python_version()}")
    for heading in ("what", "measured", "budget", ""):
        table.add_column(heading)
    for figure in figures:
        table.add_row(figure.what, figure.measured, figure.budget, "kept" if figure.kept else "[red]missed[/red]")
    console.print(table)
