"""`python -m tests.bench.partitions`: what hash partitions of the connections by application cost and save.

The same rows in one table and in tables of so many partitions, on one PostgreSQL; each operation on each of them in
turn. A cost is the processor time of the backend for one operation, so what else the machine does counts little.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import click
from rich.console import Console
from rich.table import Table
from tests.bench import servers

from holdfast.store.engine.migrate import migrate
from holdfast.store.engine.opening import open_database

APPLICATIONS = 1000
CONSUMERS = 1000  # of an application, at least one connection each
TICKS = os.sysconf("SC_CLK_TCK")
KEY = "application_id = $1 AND consumer_id = $2 AND unified_api = 'crm' AND service_id = $3"
ROWS = """
INSERT INTO {table} (application_id, consumer_id, unified_api, service_id, id, enabled, settings, settings_generation,
  secrets_generation, metadata, credential, credential_generation, granted_at, issued_at, expires_at, refreshable,
  consent_state, unreadable_at, revoked_at, pending_until, retained_until, last_downstream_error_at, created_at,
  version)
SELECT 'app-' || n % {applications}, 'consumer-' || n / {applications} % {consumers}, 'crm',
  'service-' || n / {applications} / {consumers}, md5(n::text), true, sha512(n::text::bytea), 1, 1, '{{}}',
  {credential}, 1, 1764000000000, 1764000000000, 1764000000000 + hashint8(n)::bigint / 1000, true,
  'implicit', 0, 0, 0, 0, 0, 1764000000000, 1
FROM generate_series({first}::bigint, {last}::bigint) n"""
CREDENTIAL = " || ".join(f"sha512(('{part}' || n)::bytea)" for part in range(9))

Operation = Callable[[asyncpg.Connection, str, int, int], Awaitable[object]]


@click.command()
@click.option("--rows", default=4_000_000, help="Connections in each table.")
@click.option("--partitions", default="16,128", help="How many partitions, for each table beside the plain one.")
@click.option("--times", default=2000, help="Operations of a kind in a round.")
@click.option("--rounds", default=5)
def main(rows: int, partitions: str, times: int, rounds: int) -> None:
    """Fills the tables, measures, and prints what each operation costs on each."""
    layouts = {"plain": 0, **{f"hash_{count}": int(count) for count in partitions.split(",")}}
    with servers.postgresql() as url:
        asyncio.run(_measure(url, layouts, rows, times, rounds))


async def _measure(url: str, layouts: dict[str, int], rows: int, times: int, rounds: int) -> None:
    database = await open_database(url)
    await migrate(database)
    await database.close()
    connection = await asyncpg.connect(url)
    for setting in ("max_wal_size = '4GB'", "maintenance_work_mem = '1GB'"):
        await connection.execute(f"ALTER SYSTEM SET {setting}")
    await connection.execute("SELECT pg_reload_conf()")
    report: dict[str, dict[str, str]] = {}
    for table, count in layouts.items():
        await _make(connection, table, count)
        report[table] = await _fill(connection, table, rows)
        click.echo(f"{table}: {report[table]}", err=True)
    for name, operation, share in OPERATIONS:
        costs: dict[str, list[float]] = {table: [] for table in layouts}
        for round_ in range(rounds + 1):  # the first one fills caches
            for table in layouts:
                costs[table].append(await _cost(connection, operation, table, rows, max(1, times // share), round_))
        for table, measured in costs.items():
            report[table][name] = f"{statistics.median(measured[1:]):.0f} µs"
    for table in layouts:
        began = time.perf_counter()
        await connection.execute(f"VACUUM {table}", timeout=3600)
        report[table]["vacuum"] = f"{time.perf_counter() - began:.0f} s"
    await connection.close()
    _print(report, rows)


async def _make(connection: asyncpg.Connection, table: str, partitions: int) -> None:
    by = "PARTITION BY HASH (application_id)" if partitions else ""
    await connection.execute(f"CREATE TABLE {table} (LIKE connections INCLUDING DEFAULTS) {by}")
    for part in range(partitions):
        of = f"PARTITION OF {table} FOR VALUES WITH (MODULUS {partitions}, REMAINDER {part})"
        await connection.execute(f"CREATE TABLE {table}_{part} {of}")


async def _fill(connection: asyncpg.Connection, table: str, rows: int) -> dict[str, str]:
    began = time.perf_counter()
    words = {"table": table, "applications": APPLICATIONS, "consumers": CONSUMERS, "credential": CREDENTIAL}
    for first in range(0, rows, 500_000):
        last = min(first + 500_000, rows) - 1
        await connection.execute(ROWS.format(first=first, last=last, **words), timeout=3600)
    for index in (
        f"ALTER TABLE {table} ADD PRIMARY KEY (application_id, consumer_id, unified_api, service_id)",
        f"ALTER TABLE {table} ADD UNIQUE (id{', application_id' if table != 'plain' else ''})",
        f"CREATE INDEX {table}_by_expiry ON {table} (expires_at) WHERE refreshable",
        f"ANALYZE {table}",
    ):
        await connection.execute(index, timeout=3600)
    size = await connection.fetchval(
        f"SELECT pg_total_relation_size('{table}') + coalesce(sum(pg_total_relation_size(relid)), 0)"
        f" FROM pg_partition_tree('{table}')"
    )
    return {"fill": f"{time.perf_counter() - began:.0f} s", "bytes a row": f"{float(size) / rows:.0f}"}


async def _cost(
    connection: asyncpg.Connection, operation: Operation, table: str, rows: int, times: int, round_: int
) -> float:
    """Processor time of the backend for one operation, in microseconds."""
    pid = await connection.fetchval("SELECT pg_backend_pid()")
    chosen = random.Random(round_)
    numbers = [chosen.randrange(rows) for _ in range(times)]
    began = _processor_time(pid)
    for number in numbers:
        await operation(connection, table, number, round_)
    return (_processor_time(pid) - began) / times * 1e6


def _processor_time(pid: int) -> float:
    """Seconds that a process has used, in user and kernel mode; finer than ticks where the kernel tells."""
    schedule = Path(f"/proc/{pid}/schedstat")
    if schedule.exists():
        return int(schedule.read_text().split()[0]) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _named(number: int) -> tuple[str, str, str]:
    rest, application = divmod(number, APPLICATIONS)
    return f"app-{application}", f"consumer-{rest % CONSUMERS}", f"service-{rest // CONSUMERS}"


async def _read(connection: asyncpg.Connection, table: str, number: int, round_: int) -> None:
    found = await connection.fetchrow(f"SELECT * FROM {table} WHERE {KEY}", *_named(number))
    assert found


async def _claim(connection: asyncpg.Connection, table: str, number: int, round_: int) -> None:
    sql = f"UPDATE {table} SET attempt = attempt + 1, lease_until = $4 WHERE {KEY} RETURNING attempt"
    assert await connection.fetchval(sql, *_named(number), round_) is not None


async def _store(connection: asyncpg.Connection, table: str, number: int, round_: int) -> None:
    sql = f"UPDATE {table} SET expires_at = expires_at + 1, version = version + 1 WHERE {KEY} RETURNING version"
    assert await connection.fetchval(sql, *_named(number)) is not None


async def _of_consumer(connection: asyncpg.Connection, table: str, number: int, round_: int) -> None:
    application, consumer, _ = _named(number)
    sql = f"SELECT * FROM {table} WHERE application_id = $1 AND consumer_id = $2"
    assert await connection.fetch(sql, application, consumer)


async def _by_id(connection: asyncpg.Connection, table: str, number: int, round_: int) -> None:
    assert await connection.fetchrow(f"SELECT * FROM {table} WHERE id = md5($1::text)", str(number))


async def _due(connection: asyncpg.Connection, table: str, number: int, round_: int) -> None:
    sql = f"SELECT id FROM {table} WHERE refreshable AND expires_at >= $1 ORDER BY expires_at LIMIT 100"
    await connection.fetch(sql, 1764000000000 + number % 1_000_000)


async def _forget(connection: asyncpg.Connection, table: str, number: int, round_: int) -> None:
    await connection.execute(f"DELETE FROM {table} WHERE application_id = $1", f"app-{APPLICATIONS - 1 - round_}")


# What is done, by which function, and how many times less often than `--times`.
OPERATIONS: list[tuple[str, Operation, int]] = [
    ("read one", _read, 1),
    ("read all of a consumer", _of_consumer, 1),
    ("claim it (no index changes)", _claim, 1),
    ("store it (an index changes)", _store, 1),
    ("read one by its id alone", _by_id, 4),
    ("the next 100 that are due", _due, 20),
    ("delete an application", _forget, 10**9),
]


def _print(report: dict[str, dict[str, str]], rows: int) -> None:
    table = Table(title=f"{rows:,} connections of {APPLICATIONS} applications")
    for heading in ("what", *report):
        table.add_column(heading)
    for what in next(iter(report.values())):
        table.add_row(what, *(figures[what] for figures in report.values()))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
