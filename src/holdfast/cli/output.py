"""The two streams: data on standard output, words for people on standard error."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Wide enough for an id beside a URL; a pipe has no width of its own.
PIPE_WIDTH = 200

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")


def print_json(value: Any) -> None:
    """`value`, structs included, as one JSON document."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))
    console().print(table)


def print_members(members: Sequence[tuple[str, str]]) -> None:
    """Names and values, one to a line."""
    width = max(len(name) for name, _ in members)
    for name, value in members:
        click.echo(f"{click.style(f'{name:{width}}', dim=True)}   {value}")


def console() -> Console:
    """Standard output: styled on a terminal, plain elsewhere."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def note(text: str) -> None:
    """Tells the person at the terminal."""
    with contextlib.suppress(OSError):  # nobody listens, which is no reason to stop
        click.echo(text, err=True)


def agree(question: str) -> None:
    """Asks the person at the terminal; click.Abort if they say no, ClickException if nobody is there to answer."""
    try:
        agreed = click.confirm(question)
    except click.Abort:
        raise click.ClickException("Nobody answered, so nothing was done. --yes says it without being asked.") from None
    if not agreed:
        raise click.Abort()


def counted(number: int, thing: str) -> str:
    """`1 grant`, `2 grants`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def instant(milliseconds: int) -> str:
    """A time as people read it, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
