"""`python -m tests.faults.run`: every case, on both databases, and the table of what became of them."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from tests.faults.groups import ENGINES, GROUPS, Group, Place
from tests.faults.postgres import Postgres, postgres
from tests.faults.story import Story
from tests.faults.surroundings import is_root

from holdfast.server import logs

# Sites at a time. Most of the time they wait.
AT_ONCE = 4


@click.command()
@click.option("--only", default="", help="Only groups whose names begin so.")
@click.option("--engine", type=click.Choice(ENGINES), multiple=True, default=ENGINES, help="Only on this database.")
def main(only: str, engine: Sequence[str]) -> None:
    """Runs the cases and prints the table; exit status 1 if one is not as it must be."""
    logs.configure("critical")  # of this process, beside whose table nothing is to be read
    began = time.monotonic()
    groups = [group for group in GROUPS if group.name.startswith(only) and set(group.engines) & set(engine)]
    for group in [group for group in groups if group.needs_root and not is_root()]:
        click.echo(f"{group.name}: left out, since only root may change a machine's disks and networks.")
        groups.remove(group)
    stories = asyncio.run(_run(groups, engine))
    _tell("all", stories)
    told = [story.told for story in stories if story.told is not None]
    click.echo(f"{len(told)} losses were told, the last after {max(told, default=0):.0f} s.")
    click.echo(f"{time.monotonic() - began:.0f} s in all.")
    sys.exit(0 if stories and all(story.holds for story in stories) else 1)


async def _run(groups: Sequence[Group], engines: Sequence[str]) -> list[Story]:
    turns = asyncio.Semaphore(AT_ONCE)
    with tempfile.TemporaryDirectory(prefix="holdfast-faults-") as directory, postgres() as server:
        found = await asyncio.gather(
            *(
                _one(group, engine, Path(directory), server, turns)
                for group in groups
                for engine in group.engines
                if engine in engines
            )
        )
    return [story for stories in found for story in stories]


async def _one(group: Group, engine: str, directory: Path, server: Postgres, turns: asyncio.Semaphore) -> list[Story]:
    place = Place(directory / f"{group.name}-{engine}", engine, server)
    place.directory.mkdir(mode=0o700)
    async with turns:
        stories = await group.run(place)
    _tell(f"{engine:10} {group.name}", stories)
    for story in stories:
        if not story.holds:
            click.echo(f"    NOT HELD {story.case}: {story.verdict}, {', '.join(story.wrong)} {story.presented}")
    return stories


def _tell(name: str, stories: Sequence[Story]) -> None:
    verdicts, extra = Counter(story.verdict for story in stories), sum(story.extra for story in stories)
    click.echo(
        f"{name:24} {len(stories):4} cases {verdicts['recovered']:5} recovered {verdicts['flagged']:4} flagged "
        f"{verdicts['silent']:3} silent {extra:3} extra requests {sum(not story.holds for story in stories):3} not held"
    )


if __name__ == "__main__":
    main()
