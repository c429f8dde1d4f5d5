"""`make bench`: each budget that exists so far, its reference, and what was measured in this run."""

from __future__ import annotations

import platform
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from tests.bench import clients, load, servers
from tests.bench.load import Slice
from tests.bench.seed import Seeded, seed
from tests.bench.servers import Server

ONE = "/vault/connections/crm/pipedrive"
ALL = "/vault/connections"


@dataclass(frozen=True)
class Figure:
    """One line of the report."""

    what: str
    measured: str
    budget: str
    kept: bool


@click.command()
@click.option("--rounds", default=7, help="How many pairs of slices are measured.")
@click.option("--requests", default=2000, help="Requests in each slice.")
def main(rounds: int, requests: int) -> None:
    """Measures Holdfast against bare ASGI on the same server, in pairs, and prints the ratios."""
    figures: list[Figure] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for name, budget in (("SQLite", 0.30), ("PostgreSQL", 0.15)):
            task = progress.add_task(f"GET one connection, {name}", total=rounds)
            figures += _database(name, budget, rounds, requests, lambda task=task: progress.advance(task))
    _print(figures)


def _database(name: str, budget: float, rounds: int, requests: int, tick: object) -> list[Figure]:
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        if name == "SQLite":
            return _measure(name, seed(directory), directory, budget, rounds, requests, tick)
        with servers.postgresql() as url:
            return _measure(name, seed(directory, url), directory, budget, rounds, requests, tick)


def _measure(
    name: str, seeded: Seeded, directory: Path, budget: float, rounds: int, requests: int, tick: object
) -> list[Figure]:
    with servers.uvicorn("holdfast.wiring:create_app", seeded.environ, factory=True) as vault:
        body = directory / "body"
        body.write_bytes(load.fetch(vault.port, seeded.request(ONE)))
        with servers.uvicorn("tests.bench.bare:app", {"BARE_BODY": str(body)}, ready="/") as bare:
            idle = load.resident_mb(vault.pid)
            pairs = _pairs(vault, bare, seeded.request(ONE), rounds, requests, tick)
        figures = [*_compared(f"GET one connection, {name}", pairs, budget)]
        if name == "SQLite":
            figures += _alone(vault, seeded, idle)
            document = directory / "openapi.json"
            document.write_bytes(load.fetch(vault.port, seeded.request("/openapi.json")))
            figures += _clients(clients.costs(vault.port, seeded, document, rounds=rounds, calls=requests // 10))
    return figures


def _pairs(
    vault: Server, bare: Server, request: bytes, rounds: int, requests: int, tick: object
) -> list[tuple[Slice, Slice]]:
    for server in (bare, vault):
        load.run(server.pid, server.port, request, requests=requests)
    pairs = []
    for _ in range(rounds):
        reference = load.run(bare.pid, bare.port, request, requests=requests)
        pairs.append((reference, load.run(vault.pid, vault.port, request, requests=requests)))
        tick()  # type: ignore[operator]
    return pairs


def _compared(what: str, pairs: list[tuple[Slice, Slice]], budget: float) -> list[Figure]:
    ratios = [reference.cpu / candidate.cpu for reference, candidate in pairs]
    tails = [candidate.p99 / reference.p99 for reference, candidate in pairs]
    ratio, tail = statistics.median(ratios), statistics.median(tails)
    cpu = statistics.median(candidate.cpu for _, candidate in pairs)
    spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
    return [
        Figure(what, f"{ratio:.2f} of bare ASGI ({spread}); {cpu:.0f} µs CPU", f">= {budget:.2f}", ratio >= budget),
        Figure(f"{what}, p99", f"{tail:.1f}x bare ASGI's", "<= 3x", tail <= 3),
    ]


def _alone(vault: Server, seeded: Seeded, idle: float) -> list[Figure]:
    listed = load.run(vault.pid, vault.port, seeded.request(ALL), requests=80)
    per_list = listed.cpu / 1000
    return [
        Figure("List of 200 integrations", f"{per_list:.1f} ms CPU", "<= 12 ms", per_list <= 12),
        Figure("Start to ready, 200 manifests more", f"{vault.started_in:.2f} s", "<= 1.5 s", vault.started_in <= 1.5),
        Figure("Resident memory, idle", f"{idle:.0f} MB", "<= 120 MB", idle <= 120),
    ]


def _clients(costs: dict[str, float]) -> list[Figure]:
    own, plain = costs["openapi_client"], costs["urllib3"]
    generated = costs.get("generated client")
    told = f"{own:.0f} µs CPU a call, {own / plain:.2f}x urllib3's"
    if generated is None:
        return [Figure("openapi_client", f"{told}; no Java to generate another with", "< generated client", True)]
    told += f", {own / generated:.2f}x the generated client's"
    return [Figure("openapi_client", told, "< generated client", own < generated)]


def _print(figures: list[Figure]) -> None:
    console = Console()
    table = Table(title=f"Holdfast on {platform.machine()}, Python {platform.python_version()}")
    for heading in ("what", "measured", "budget", ""):
        table.add_column(heading)
    for figure in figures:
        table.add_row(figure.what, figure.measured, figure.budget, "kept" if figure.kept else "[red]missed[/red]")
    console.print(table)


if __name__ == "__main__":
    main()
