"""Many connections at once: rows as the vault makes them, laid into its database by the shortest way."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

import apsw
import asyncpg
from msgspec.structs import replace
from tests.bench.seed import Seeded

from holdfast import wiring
from holdfast.config import Settings
from holdfast.domain.connection import Connection, connected
from holdfast.domain.credential import OAuthToken
from holdfast.store import connections, new_id, rows
from holdfast.store.seal.box import Box
from holdfast.usecases import manage

# Rows of one transaction.
BATCH = 50_000


def consumer(number: int) -> str:
    """The consumer of a connection. Ids that follow each other do not lie beside each other, as no product's do."""
    return f"customer-{hashlib.sha256(str(number).encode()).hexdigest()[:16]}"


def fill(seeded: Seeded, service_id: str, tokens: Iterator[OAuthToken]) -> None:
    """Gives a connection like the seeded one to a new consumer for each of `tokens`, sealed like any other."""
    asyncio.run(_fill(Settings.from_env(seeded.environ), seeded.application_id, service_id, tokens))


async def _fill(settings: Settings, application_id: str, service_id: str, tokens: Iterator[OAuthToken]) -> None:
    async with wiring.open_vault(settings) as vault:
        scope = manage.operator(application_id).of("test-consumer")
        like = await connections.one(scope, vault.store, "crm", service_id)
        assert like is not None
        made = _rows(application_id, like, await vault.store.box(scope), tokens)
        first = next(made)
        values = (tuple(row.values()) for row in chain([first], made))
        if settings.database_url.startswith("sqlite:"):
            _into_sqlite(settings.database_url.removeprefix("sqlite:///"), list(first), values)
        else:
            await _into_postgresql(settings.database_url, list(first), values)


def _rows(application_id: str, like: Connection, box: Box, tokens: Iterator[OAuthToken]) -> Iterator[dict[str, Any]]:
    for number, token in enumerate(tokens):
        scope = manage.operator(application_id).of(consumer(number))
        told = replace(like, id=new_id(), consumer_id=scope.consumer_id)
        told = connected(told, token, token.issued_at, like.consent)
        yield {
            **rows.key_of(scope, told.unified_api, told.service_id),
            "id": told.id,
            "created_at": told.created_at,
            "version": 1,
            "credential": rows.seal_token(scope, told, token, box),
            **rows.facts(scope, told, box),
        }


def _into_sqlite(path: str, columns: Sequence[str], values: Iterator[tuple[Any, ...]]) -> None:
    database = apsw.Connection(path)
    database.pragma("synchronous", "OFF")
    database.pragma("cache_size", -500_000)
    insert = f"INSERT INTO connections ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    while batch := list(islice(values, BATCH)):
        with database:
            database.executemany(insert, batch)
    database.execute("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


async def _into_postgresql(url: str, columns: Sequence[str], values: Iterator[tuple[Any, ...]]) -> None:
    database = await asyncpg.connect(url)
    while batch := list(islice(values, BATCH)):
        await database.copy_records_to_table("connections", records=batch, columns=columns)
    await database.execute("VACUUM ANALYZE connections")
    await database.close()


def stored(seeded: Seeded) -> int:
    """Bytes that the connections take on disk, with their indexes."""
    return asyncio.run(_stored(Settings.from_env(seeded.environ).database_url))


async def _stored(url: str) -> int:
    if url.startswith("sqlite:"):
        with apsw.Connection(url.removeprefix("sqlite:///"), flags=apsw.SQLITE_OPEN_READONLY) as database:
            asked = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%connections%'"
            return int(next(database.execute(asked))[0])
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT pg_total_relation_size('connections')"))
    finally:
        await connection.close()
