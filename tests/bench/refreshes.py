"""`make refreshes`: many connections whose access tokens have expired, and everybody wants theirs at once."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from tests.bench import load, many, servers
from tests.bench.load import Slice
from tests.bench.report import Figure, show
from tests.bench.seed import SANDBOX, seed
from tests.bench.servers import Server

from holdfast.domain.credential import OAuthToken
from holdfast.server import logs
from holdfast.usecases.connections import imported_token

CREDENTIAL = f"/vault/connections/crm/{SANDBOX}/credentials"
HOUR = 3_600_000


@click.command()
@click.option("--connections", default=10_000, help="How many have expired.")
@click.option("--clients", default=16, help="How many ask at once, each over a connection of its own.")
@click.option("--database", "chosen", type=click.Choice(["sqlite", "postgresql"]), help="Only this one.")
def main(connections: int, clients: int, chosen: str | None) -> None:
    """Refreshes expired connections through `holdfast serve`, against the sandbox provider on the same machine.

    The provider and whoever asks share the processors that the vault does not use, so the rate is the machine's.
    """
    logs.configure("warning")  # the vaults are filled in this process
    figures: list[Figure] = []
    for name in [chosen] if chosen else ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as place:
            figures += _measured(name, Path(place), connections, clients)
    show(figures)


def _measured(database: str, place: Path, count: int, clients: int) -> list[Figure]:
    tokens = place / "tokens"
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(servers.postgresql()) if database == "postgresql" else None
        with servers.provider(count, tokens) as provider:
            seeded = seed(place, url, f"http://127.0.0.1:{provider.port}")
            many.fill(seeded, SANDBOX, _expired(tokens.read_text().split()))
            with servers.holdfast(seeded.environ, place / "log") as vault:
                asked = [seeded.request(CREDENTIAL, many.consumer(number)) for number in range(count)]
                began = time.perf_counter()
                done, most = _watched(vault, asked, clients)
                took = time.perf_counter() - began
    return _figures(f"{database}, {clients} clients", done, took, most, int(tokens.read_text()))


def _expired(refresh_tokens: Sequence[str]) -> Iterator[OAuthToken]:
    now = time.time_ns() // 1_000_000
    for value in refresh_tokens:
        token = imported_token(secrets.token_urlsafe(32), value, now - 2 * HOUR, now - HOUR)
        assert token is not None
        yield token


def _watched(vault: Server, asked: Sequence[bytes], clients: int) -> tuple[Slice, float]:
    """The load, and the most memory that the vault had meanwhile."""
    most, over = [load.resident_mb(vault.pid)], threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            most.append(load.resident_mb(vault.pid))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        return load.run(vault.pid, vault.port, asked, requests=len(asked), connections=clients), max(most)
    finally:
        over.set()
        watching.join()


def _figures(name: str, done: Slice, took: float, most: float, asked: int) -> list[Figure]:
    cpu, p50, p99 = (value / 1000 for value in (done.cpu, done.p50, done.p99))
    told = f"{done.requests / took:.0f}; {cpu:.2f} ms CPU each, p50 {p50:.0f} ms, p99 {p99:.0f} ms"
    return [
        Figure(f"Refreshes a second, {name}", told, "told only", True),
        Figure(f"Token requests, {name}", f"{asked:,} for {done.requests:,}", "one each", asked == done.requests),
        Figure(f"Resident memory meanwhile, {name}", f"{most:.0f} MB", "<= 200 MB", most <= 200),
    ]


if __name__ == "__main__":
    main()
