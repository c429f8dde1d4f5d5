"""How the story looks: steps with a tick, a summary, and what to try next. Plain lines where nobody is watching."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import click
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from holdfast import __version__
from holdfast.demo.product import Unexpected
from holdfast.errors import HoldfastError
from holdfast.testing.browser import BrowserError

WIDTH = 100
TRY = """\
CONNECT AN ACCOUNT YOURSELF: open this link in a browser; it is good for an hour

{link}

ASK FOR THE CONNECTION, before and after

curl -s {url}{path} \\
  -H 'Authorization: Bearer {api_key}' \\
  -H 'x-apideck-app-id: {application_id}' \\
  -H 'x-apideck-consumer-id: {consumer}'

Its custom fields, read from the CRM: the same with {path}/leads/custom-fields

API REFERENCE    {url}/docs

Requests, as they come; Ctrl-C ends and removes everything:
"""


# What a reader should not miss, and what can be clicked on.
POINTS = r"\b(callable|added|revoked|none|[0-9]+ (refresh|answers|ms))\b"
ADDRESSES = r"http://[0-9.:]+[^\s:,]*"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What somebody at the terminal can try on their own."""

    url: str
    link: str
    path: str
    consumer: str
    application_id: str
    api_key: str = field(repr=False)


@dataclass(slots=True)
class Step:
    """What there is to say of one step."""

    said: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.said.append(text)

    async def wait(self, seconds: float) -> None:
        """Lets real time pass, as the story needs it."""
        await asyncio.sleep(max(0.0, seconds))


class Teller:
    """Tells the story on standard output. `record`: also as an SVG, written when the story ends."""

    def __init__(self, record: Path | None = None) -> None:
        seen = record is not None or sys.stdout.isatty()
        self._console = Console(
            markup=False, highlight=False, record=record is not None, force_terminal=seen,
            width=WIDTH if record or not seen else None,
        )  # fmt: skip
        self._record = record
        self._live = False

    def open(self) -> None:
        text = Text("A vault, a provider and a customer, all on this machine. What you read happened a moment before.")
        self._console.print(Panel(text, title=f"Holdfast {__version__}", title_align="left", width=self._width))

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Tells a step: while it happens, when it has happened, or how it failed (ClickException)."""
        step = Step()
        began = time.perf_counter()
        try:
            with nullcontext() if self._record else self._console.status(f"{title} …"):
                yield step
        except (Unexpected, HoldfastError, BrowserError) as error:
            self._console.print(Text.assemble(("✗ ", "bold red"), (title, "bold")))
            raise click.ClickException(f"{title}: {error}") from None
        took = f"  {(time.perf_counter() - began) * 1000:,.0f} ms"
        self._console.print(Text.assemble(("✓ ", "bold green"), (title, "bold"), (took, "dim")))
        for said in step.said:
            self._console.print(Padding(_marked(said), (0, 0, 0, 2), expand=False))

    def close(self, counts: Mapping[str, int]) -> None:
        """The summary: what the provider was asked."""
        table = Table("What the provider counted", "", box=None, pad_edge=False, padding=(0, 4, 0, 0))
        for name, count in counts.items():
            table.add_row(Text(name), Text(str(count), justify="right"))
        self._console.print()
        self._console.print(Panel(table, title="All of it happened", title_align="left", width=self._width))
        if self._record:
            self._save(self._record)

    def invite(self, to: Invitation) -> None:
        """What to try next. From here on, requests are told as they come."""
        click.echo()
        click.echo(
            TRY.format(
                url=to.url, link=to.link, path=to.path, consumer=to.consumer,
                application_id=to.application_id, api_key=to.api_key,
            )
        )  # fmt: skip
        self._live = True

    def request(self, answered_by: str, method: str, route: str, status: int) -> None:
        """A request that somebody at the terminal has made."""
        if self._live:
            style = "green" if status < 400 else "red"
            line = Text.assemble((f"  {status}  ", style), (f"{answered_by:9}", "dim"), f" {method:6} {route}")
            self._console.print(line, soft_wrap=True)

    @property
    def _width(self) -> int:
        return min(WIDTH, self._console.width)

    def _save(self, file: Path) -> None:
        """The SVG, without the fonts that it would load from another host."""
        drawing = self._console.export_svg(title="holdfast demo --exit", unique_id="demo")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawing, flags=re.DOTALL), encoding="utf-8")


def _marked(said: str) -> Text:
    text = Text(said, "dim")
    text.highlight_regex(ADDRESSES, "not dim cyan")
    text.highlight_regex(POINTS, "not dim bold green")
    return text
