"""`make bench`: each budget that exists so far, its reference, and what was measured in this run."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from tests.bench import clients, load, proxied, servers
from tests.bench.load import Slice
from tests.bench.report import Figure, show, spread
from tests.bench.seed import SANDBOX, Seeded, seed
from tests.bench.servers import Server

from holdfast.server import logs

ONE = "/vault/connections/crm/pipedrive"
CREDENTIAL = f"{ONE}/credentials"
ALL = "/vault/connections"
FIELDS = f"/vault/connections/crm/{SANDBOX}/leads/custom-fields"


Tick = Callable[[], None]


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    requests: int


@click.command()
@click.option("--rounds", default=7, help="How many pairs of slices are measured.")
@click.option("--requests", default=2000, help="Requests in each slice.")
def main(rounds: int, requests: int) -> None:
    """Measures `holdfast serve` against bare ASGI on the same server, in pairs, and prints the ratios."""
    logs.configure("warning")  # the vaults are filled in this process
    effort = Effort(rounds, requests)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as place, _progress("SQLite", rounds) as tick:
        figures += _sqlite(Path(place), effort, tick)
    with tempfile.TemporaryDirectory() as place:
        figures += _uses(Path(place), effort)
    with tempfile.TemporaryDirectory() as place:
        figures += _proxied(Path(place), effort)
    with tempfile.TemporaryDirectory() as place:
        figures += _streamed(Path(place))
    with tempfile.TemporaryDirectory() as place, _progress("PostgreSQL", rounds) as tick:
        figures += _postgresql(Path(place), effort, tick)
    show(figures)


def _sqlite(place: Path, effort: Effort, tick: Tick) -> list[Figure]:
    seeded = seed(place)
    with servers.holdfast(seeded.environ, place / "log") as vault:
        idle = load.resident_mb(vault.pid)
        figures = _both("SQLite", 0.30, vault, seeded, place, effort, tick)
        figures += [*_reads(vault, seeded, effort), *_process(vault, idle)]
        document = place / "openapi.json"
        document.write_bytes(load.fetch(vault.port, seeded.request("/openapi.json")))
        costs = clients.costs(vault.port, seeded, document, rounds=effort.rounds, calls=effort.requests // 10)
        return [*figures, *_clients(costs)]


def _postgresql(place: Path, effort: Effort, tick: Tick) -> list[Figure]:
    with servers.postgresql() as url:
        seeded = seed(place, url)
        with servers.holdfast(seeded.environ, place / "log") as vault:
            return _both("PostgreSQL", 0.20, vault, seeded, place, effort, tick)


def _both(
    name: str, budget: float, vault: Server, seeded: Seeded, place: Path, effort: Effort, tick: Tick
) -> list[Figure]:
    one, credential = (_beside_bare(vault, seeded.request(path), place, effort, tick) for path in (ONE, CREDENTIAL))
    return [
        *_compared(f"GET one connection, {name}", one, budget),
        *_compared(f"Credential read, fresh token, {name}", credential, budget),
        _alone(f"The same, p50 of one client, {name}", vault, seeded.request(CREDENTIAL), effort),
    ]


def _beside_bare(vault: Server, request: bytes, place: Path, effort: Effort, tick: Tick) -> list[tuple[Slice, Slice]]:
    body = place / "body"
    body.write_bytes(load.fetch(vault.port, request))
    with servers.bare(body) as bare:
        return _pairs(vault, bare, request, effort, tick)


def _alone(what: str, vault: Server, request: bytes, effort: Effort) -> Figure:
    """A wait for the disk would show: a synced commit takes a millisecond and more."""
    waits = [
        load.run(vault.pid, vault.port, request, requests=effort.requests // 4, connections=1).p50 / 1000
        for _ in range(effort.rounds)
    ]
    median = statistics.median(waits)
    return Figure(what, f"{median:.2f} ms ({spread(waits, 2)})", "<= 1 ms", median <= 1)


def _pairs(vault: Server, bare: Server, request: bytes, effort: Effort, tick: Tick) -> list[tuple[Slice, Slice]]:
    def one(server: Server) -> Slice:
        return load.run(server.pid, server.port, request, requests=effort.requests)

    one(bare), one(vault)  # nothing is measured that happens only once
    pairs = []
    for _ in range(effort.rounds):
        pairs.append((one(bare), one(vault)))
        tick()
    return pairs


def _compared(what: str, pairs: list[tuple[Slice, Slice]], budget: float) -> list[Figure]:
    ratios = [reference.cpu / candidate.cpu for reference, candidate in pairs]
    tails = [candidate.p99 / reference.p99 for reference, candidate in pairs]
    ratio, tail = statistics.median(ratios), statistics.median(tails)
    against, cpu = (statistics.median(pair[i].cpu for pair in pairs) for i in (0, 1))
    told = f"{ratio:.2f} of bare ASGI ({spread(ratios, 2)}); {cpu:.0f} µs CPU, bare {against:.0f} µs"
    return [
        Figure(what, told, f">= {budget:.2f}", ratio >= budget),
        Figure(f"{what}, p99", f"{tail:.1f}x bare ASGI's ({spread(tails, 1)})", "<= 3x", tail <= 3),
    ]


def _uses(place: Path, effort: Effort) -> list[Figure]:
    """One use of a credential: a call of the service with it, which answers at once, on this machine.

    The service's own time is not in the processor time, but it is in the wait, as are both servers' turns. A use
    that waited for the disk would show there: a synced commit takes a millisecond and more.
    """
    body = place / "fields"
    body.write_bytes(b'{"data":[{"key":"one","name":"One","edit_flag":true}]}')
    with servers.bare(body) as service:
        seeded = seed(place, service=f"http://127.0.0.1:{service.port}")
        with servers.holdfast(seeded.environ, place / "log") as vault:
            fields, read = seeded.request(FIELDS), seeded.request(ONE)
            pairs = []
            for _ in range(effort.rounds + 1):
                asked = [load.run(vault.pid, vault.port, r, requests=400, connections=1) for r in (read, fields)]
                pairs.append((asked[0], asked[1]))
    return _used(pairs[1:])


def _used(pairs: list[tuple[Slice, Slice]]) -> list[Figure]:
    cpu, waits = [use.cpu for _, use in pairs], [use.p50 for _, use in pairs]
    times = statistics.median(use.cpu / read.cpu for read, use in pairs)
    told = f"{statistics.median(cpu):.0f} µs CPU ({spread(cpu, 0)}), {times:.1f} of a GET beside it"
    wait = statistics.median(waits) / 1000
    return [
        Figure("One use of a credential: a call of the service", told, "told only", True),
        Figure("The same, p50 of one client", f"{wait:.2f} ms, the service's time in it", "told only", True),
    ]


def _proxied(place: Path, effort: Effort) -> list[Figure]:
    """A call through the proxy, beside what it is made of."""
    found = proxied.costs(place, rounds=effort.rounds, requests=effort.requests)
    of_bare, calls = [c.bare / c.proxied for c in found], [c.proxied / c.aiohttp for c in found]
    ratio, times = statistics.median(of_bare), statistics.median(calls)
    cpu = statistics.median(c.proxied for c in found)
    told = f"{times:.1f}x one aiohttp call ({spread(calls, 1)}); {cpu:.0f} µs CPU"
    return [
        Figure("Proxied GET of 1.5 KB", told, "<= 3x", times <= 3),
        Figure("The same, beside bare ASGI", f"{ratio:.2f} ({spread(of_bare, 2)})", ">= 0.06", ratio >= 0.06),
    ]


def _streamed(place: Path) -> list[Figure]:
    """A GiB through the proxy, each way, in whatever memory."""
    figures = []
    for way, found in proxied.speeds(place, rounds=3, size=1 << 30).items():
        told = f"{proxied.spread([s.vault for s in found], 0)} MiB/s"
        beside = [s.vault / s.nginx for s in found if s.nginx]
        told += f", {proxied.spread(beside, 2)} of nginx's proxy_pass" if beside else "; no nginx to compare with"
        memory = max(s.memory for s in found)
        figures.append(
            Figure(f"1 GiB through the proxy, {way}", f"{told}; {memory:.0f} MB", "<= 120 MB", memory <= 120)
        )
    return figures


def _reads(vault: Server, seeded: Seeded, effort: Effort) -> list[Figure]:
    """Reads that have no reference: the list, and the first read after everything remembered is too old."""
    lists = [load.run(vault.pid, vault.port, seeded.request(ALL), requests=40).cpu / 1000 for _ in range(effort.rounds)]
    slices = load.alone(vault.pid, vault.port, seeded.request(ONE), times=effort.rounds, pause=1.1)
    cold = [one.cpu / 1000 for one in slices]
    return [
        _milliseconds("List of 200 integrations", lists, 3),
        _milliseconds("First read in a second, one of 200 integrations", cold, 1),
    ]


def _milliseconds(what: str, found: list[float], budget: float) -> Figure:
    median = statistics.median(found)
    return Figure(what, f"{median:.2f} ms CPU ({spread(found, 2)})", f"<= {budget} ms", median <= budget)


def _process(vault: Server, idle: float) -> list[Figure]:
    started, loaded = vault.started_in, load.resident_mb(vault.pid)
    return [
        Figure("Start to ready, 200 manifests more", f"{started:.2f} s", "<= 1.5 s", started <= 1.5),
        Figure("Resident memory, idle", f"{idle:.0f} MB", "<= 120 MB", idle <= 120),
        Figure("Resident memory, loaded", f"{loaded:.0f} MB", "<= 200 MB", loaded <= 200),
    ]


@contextlib.contextmanager
def _progress(name: str, rounds: int) -> Iterator[Tick]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"Reads, {name}", total=2 * rounds)
        yield partial(progress.advance, task)


def _clients(costs: dict[str, float]) -> list[Figure]:
    own, plain = costs["openapi_client"], costs["urllib3"]
    generated = costs.get("generated client")
    told = f"{own:.0f} µs CPU a call, {own / plain:.2f}x urllib3's"
    if generated is None:
        return [Figure("openapi_client", f"{told}; no Java to generate another with", "< generated client", True)]
    told += f", {own / generated:.2f}x the generated client's"
    return [Figure("openapi_client", told, "< generated client", own < generated)]


if __name__ == "__main__":
    main()
