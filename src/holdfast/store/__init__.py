"""Rows, and secrets at rest: one SQL text for SQLite and PostgreSQL.

Every function of these modules takes a `Scope` first and limits its statements to it, then a `Store`. Three
kinds cannot have one yet and give it instead: the API key that a request brings (`tenants.by_key`), the state or
token that a browser brings (`flows.spend`, `flows.try_confirmation`), and the work that a worker takes
(`jobs.take`, `due.take`).

- `engine`    the databases: what they must do, SQLite, PostgreSQL, the schema
- `seal`      the envelope around everything secret
- `tenants`, `connections` (with `rows` and `attempts`), `flows`, `events`, `journal`, `revocations`   the tables
- `due`, `expiring`, `lifespan`, `circuits`   when a connection is looked after, when it ends, how long its tokens live,
  and OAuth clients that are refused
- `jobs`, `retention`   work to be done by whoever leases it, and how long what only grows is kept
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from holdfast.clock import Clock
from holdfast.domain.masking import Masks
from holdfast.domain.tenancy import Scope
from holdfast.store.engine.database import Database, Queries
from holdfast.store.journal import Journal
from holdfast.store.seal.box import Box
from holdfast.store.seal.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Store:
    """What the tables are read and written with. `q` is the database itself, or the transaction in progress."""

    database: Database
    keyring: Keyring
    clock: Clock
    q: Queries
    journal: Journal
    masks: Masks

    async def box(self, scope: Scope, *blobs: bytes) -> Box:
        """What seals and opens the values of the scope's application; give the `blobs` that it is to open."""
        # Through `q`: inside a transaction a second connection could be one that everybody waits for.
        return await self.keyring.box(scope.application_id, self.q, blobs)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Store]:
        """The same store inside one transaction: everything written through it is kept, or nothing is."""
        async with self.database.transaction() as q:
            yield replace(self, q=q)


def new_id() -> str:
    """A random identifier of 128 bits; never a secret."""
    return secrets.token_hex(16)
