"""`make sizes`: what a read costs in a large vault, beside the same read in a small one, and what a row takes."""

from __future__ import annotations

import contextlib
import random
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from tests.bench import load, many, servers
from tests.bench.load import Slice
from tests.bench.report import Figure, show, spread
from tests.bench.seed import Seeded, seed
from tests.bench.servers import Server

from holdfast.domain.credential import OAuthToken
from holdfast.server import logs
from holdfast.usecases.connections import imported_token

SMALL = 1_000
# Connections that are read, each in its turn: more than either database keeps at hand for one client.
READ = 1_000
ONE = "/vault/connections/crm/pipedrive"
READS = {"GET one connection": ONE, "Credential read": f"{ONE}/credentials"}
HOUR = 3_600_000

Pairs = list[tuple[Slice, Slice]]


@click.command()
@click.option("--connections", default=1_000_000, help="How many there are in the large vault.")
@click.option("--database", "chosen", type=click.Choice(["sqlite", "postgresql"]), help="Only this one.")
@click.option("--rounds", default=9, help="How many pairs of slices are measured.")
@click.option("--requests", default=2000, help="Requests in each slice.")
def main(connections: int, chosen: str | None, rounds: int, requests: int) -> None:
    """Measures reads of a vault with many connections beside the same reads of one with a thousand.

    A million take a gigabyte of disk and a minute or two for each database, ten million ten times that.
    """
    logs.configure("warning")  # the vaults are filled in this process
    figures: list[Figure] = []
    for name in [chosen] if chosen else ["sqlite", "postgresql"]:
        with _vault(name, SMALL) as small, _vault(name, connections) as large:
            figures += _compared(name, connections, small, large, rounds, requests)
    show(figures)


@contextlib.contextmanager
def _vault(database: str, size: int) -> Iterator[tuple[Seeded, Server]]:
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-bench-")))
        url = stack.enter_context(servers.postgresql()) if database == "postgresql" else None
        seeded = seed(place, url)
        many.fill(seeded, "pipedrive", _tokens(size))
        yield seeded, stack.enter_context(servers.holdfast(seeded.environ, place / "log"))


def _tokens(count: int) -> Iterator[OAuthToken]:
    """Tokens of the lengths of Pipedrive's, good for an hour."""
    now = time.time_ns() // 1_000_000
    for _ in range(count):
        token = imported_token(secrets.token_urlsafe(90), secrets.token_urlsafe(60), now, now + HOUR)
        assert token is not None
        yield token


def _compared(
    database: str,
    size: int,
    small: tuple[Seeded, Server],
    large: tuple[Seeded, Server],
    rounds: int,
    requests: int,
) -> list[Figure]:
    name = f"{database}, {size:,} connections"
    figures = []
    for what, path in READS.items():
        pairs = _pairs(path, (*small, SMALL), (*large, size), rounds, requests)
        waits, cpu = [b.p50 / a.p50 for a, b in pairs], [b.cpu / a.cpu for a, b in pairs]
        times = statistics.median(waits)
        told = f"{times:.2f}x ({spread(waits, 2)}) the p50 at {SMALL:,}, {statistics.median(cpu):.2f}x the CPU"
        figures.append(Figure(f"{what}, {name}", told, "<= 1.3x", times <= 1.3))
    row = many.stored(large[0]) / size
    grown = load.resident_mb(large[1].pid) - load.resident_mb(small[1].pid)
    return [
        *figures,
        Figure(f"Bytes a connection, {name}", f"{row:,.0f}", "<= 2,500", row <= 2500),
        Figure(f"Resident memory, {name}", f"{grown:+.0f} MB beside {SMALL:,}", "<= +10 MB", grown <= 10),
    ]


def _pairs(
    path: str, small: tuple[Seeded, Server, int], large: tuple[Seeded, Server, int], rounds: int, requests: int
) -> Pairs:
    def one(vault: tuple[Seeded, Server, int]) -> Slice:
        seeded, server, size = vault
        return load.run(server.pid, server.port, _asked(seeded, path, size), requests=requests, connections=1)

    one(small), one(large)  # nothing is measured that happens only once
    return [(one(small), one(large)) for _ in range(rounds)]


def _asked(seeded: Seeded, path: str, size: int) -> Sequence[bytes]:
    """Requests for connections from everywhere in the vault, other ones each time."""
    return [seeded.request(path, many.consumer(random.randrange(size))) for _ in range(READ)]


if __name__ == "__main__":
    main()
