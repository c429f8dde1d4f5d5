"""`python -m tests.simulation.run`: many seeds, then what each missing safety is noticed by."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import click
from tests.simulation.fate import TROUBLES, Run
from tests.simulation.laws import Violation
from tests.simulation.mutations import MUTATIONS, missing
from tests.simulation.schedules import SCHEDULES, caught_by
from tests.simulation.stage import staged

SEEDS, PORTION = 2000, 50
# So many are tried to notice a missing safety.
TRIED = 200


@click.command()
@click.option("--seed", "asked", type=int, help="Show the run of one seed.")
@click.option("--seeds", default=SEEDS, show_default=True, help="How many seeds.")
@click.option("--tried", default=TRIED, show_default=True, help="How many of them for each missing safety.")
def main(asked: int | None, seeds: int, tried: int) -> None:
    """Exit status 1 if a law does not hold, or if a missing safety is noticed by nothing."""
    if asked is not None:
        _show(asked)
        return
    began = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        found = [*pool.map(run, _portions(seeds))]
        steps, violations = sum(n for n, _ in found), [text for _, texts in found for text in texts]
        for text in violations:
            click.echo(text)
        click.echo(
            f"{seeds} seeds, {len(TROUBLES)} kinds of trouble, {steps} steps: {len(violations)} violations, "
            f"{time.monotonic() - began:.0f} s"
        )
        unnoticed = _unnoticed(pool, tried)
    sys.exit(1 if violations or unnoticed else 0)


def _unnoticed(pool: ProcessPoolExecutor, tried: int) -> int:
    began, unnoticed, by_seeds = time.monotonic(), 0, 0
    names = [mutation.name for mutation in MUTATIONS]
    for mutation, (way, seed, what) in zip(MUTATIONS, pool.map(partial(noticed, tried=tried), names), strict=True):
        unnoticed, by_seeds = unnoticed + (not way and seed is None), by_seeds + (seed is not None)
        told = f"seed {seed:3}" if seed is not None else "no seed "
        click.echo(f"{mutation.name:18} {mutation.way:13} {told}  {way or 'NOT NOTICED':75} {what}")
    click.echo(
        f"{len(MUTATIONS)} safeties taken out: {unnoticed} unnoticed, {by_seeds} found by the seeds below {tried} too, "
        f"{time.monotonic() - began:.0f} s"
    )
    return unnoticed


def run(seeds: Iterable[int]) -> tuple[int, list[str]]:
    """How many steps some seeds took, and what was wrong in them."""
    steps, violations = 0, []
    with staged() as stage:
        for seed in seeds:
            try:
                steps += Run(stage, seed)()
            except Violation as violation:
                violations.append(str(violation))
    return steps, violations


def noticed(name: str, tried: int) -> tuple[str, int | None, str]:
    """What the schedule of a missing safety shows, the first seed that shows something, and what."""
    mutation = next(one for one in MUTATIONS if one.name == name)
    schedule = next(one for one in SCHEDULES if one.name == mutation.way)
    with staged() as stage, missing(mutation):
        way = caught_by(stage, schedule)
        for seed in range(tried):
            try:
                Run(stage, seed)()
            except Violation as violation:
                return way, seed, str(violation).splitlines()[1]
    return way, None, ""


def _show(seed: int) -> None:
    with staged() as stage:
        one = Run(stage, seed)
        try:
            one()
        finally:
            click.echo(one.world.told())


def _portions(seeds: int) -> list[range]:
    return [range(begin, min(begin + PORTION, seeds)) for begin in range(0, seeds, PORTION)]


if __name__ == "__main__":
    main()
