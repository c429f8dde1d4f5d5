"""`python -m tests.model.run`: searches every line of the table and prints what was found there."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import click
from tests.model.lines import Line, deeper
from tests.model.search import MOST_STATES, MOST_STATES_DEEP, Found, Search
from tests.model.table import TABLE


@click.command()
@click.option("--trace", "asked", metavar="NAME", help="Tell the shortest story of one line.")
@click.option("--only", default="", metavar="PREFIX", help="Only lines whose names begin so.")
@click.option("--deep", is_flag=True, help="The lines that hold, with three nodes and with three faults; minutes.")
def main(asked: str | None, only: str, deep: bool) -> None:
    """Searches every line of the model; exit status 1 if one is not as the table says."""
    lines = deeper(TABLE) if deep else TABLE
    chosen = [line for line in lines if (line.name == asked if asked else line.name.startswith(only))]
    if not chosen:
        raise click.ClickException(f"No line of the table is called {asked or only}.")
    unexpected = _search(chosen, MOST_STATES_DEEP if deep else MOST_STATES, tells=asked is not None)
    sys.exit(1 if unexpected else 0)


def _search(lines: list[Line], most: int, *, tells: bool) -> int:
    began, states, moves, unexpected = time.monotonic(), 0, 0, 0
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(lines)), get_context("spawn")) as pool:
        for line, found in zip(lines, pool.map(partial(searched, most=most), lines), strict=True):
            states, moves = states + found.states, moves + found.moves
            expected = (found.broken is None) == line.holds
            unexpected += not expected
            _print(line, found, expected=expected, tells=tells or not expected)
    click.echo(
        f"{len(lines)} lines, {states:,} states, {moves:,} moves, {time.monotonic() - began:.0f} s; "
        f"{unexpected} not as expected"
    )
    return unexpected


def searched(line: Line, most: int) -> Found:
    """What the search of one line finds."""
    return Search(line.case).run(most)


def _print(line: Line, found: Found, *, expected: bool, tells: bool) -> None:
    steps = str(len(found.story)) if found.story else ""
    what = found.broken or "holds"
    click.echo(
        f"{'' if expected else 'UNEXPECTED '}{line.name:32} {found.states:8,} {what:58} {steps:>3}  {line.about}"
    )
    if tells:
        for number, step in enumerate(found.story, 1):
            click.echo(f"    {number:2}  {step}")


if __name__ == "__main__":
    main()
