"""`holdfast worker`: the work that no request waits for, in a process of its own."""

from __future__ import annotations

import asyncio
import signal

import click

from holdfast import __version__, wiring
from holdfast.cli.output import print_members
from holdfast.cli.serve import database_place
from holdfast.config import Settings
from holdfast.server import cores, listening, logs
from holdfast.server.logs import Lines
from holdfast.worker import KINDS


@click.command()
def worker() -> None:
    """Do the work that no request waits for, and serve nothing.

    Tokens are refreshed ahead and kept alive, grants are ended at their services, and what has been kept long enough
    is deleted. `holdfast serve` does all that beside serving, unless it is told --no-worker. Any number of processes
    may do it. Ends, with status 0, on SIGTERM or Ctrl-C: what is under way is finished or given back.

    \b
    holdfast serve --no-worker --workers 4
    holdfast worker
    """
    cores.forbid()
    settings = Settings.from_env()
    lines = logs.configure(settings.log_level)
    wiring.require_vault(settings)
    wiring.prepare(settings)
    wiring.require_sound(settings)
    listening.run(_work(settings, lines))


async def _work(settings: Settings, lines: Lines) -> None:
    asked_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_end.set)
    try:
        async with wiring.working(settings):
            wiring.settle()
            _announce(settings)
            await asked_to_end.wait()
    finally:
        lines.flush()


def _announce(settings: Settings) -> None:
    click.echo(f"Holdfast {__version__} works and serves nothing\n")
    print_members(
        [
            ("data", str(settings.data_dir.absolute())),
            ("database", database_place(settings)),
            ("work", ", ".join(kind.name for kind in KINDS)),
        ]
    )
