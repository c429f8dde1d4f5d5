"""Brings a database to the schema of this release.

The steps are `migrations/NNNN_name.sql`, one SQL text for both engines; each is applied once, in order, in a
transaction of its own, and written down in `schema_migrations`. Any number of processes may start at once: a lock
lets one of them work and the others find the work done.

To change the schema, add the next file. A statement ends with a `;` at the end of its line; a comment is a line that
starts with `--`. A released file is never edited, and a step never takes away what the release before it still uses:
while nodes are replaced one by one, that release runs on the new schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from holdfast.clock import SystemClock
from holdfast.errors import SettingsError
from holdfast.store.engine.database import Database, Queries

# Seconds that one statement of a step may take, or that another process's step is waited for: building an index over
# millions of rows is no reason to give up.
PATIENCE = 3600.0
# Any number that nothing else in the database locks: "holdfast" in ASCII.
LOCK = int.from_bytes(b"holdfast", "big")

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL
)"""
_APPLIED = "SELECT version, name FROM schema_migrations"
_RECORD = "INSERT INTO schema_migrations (version, name, applied_at) VALUES (:version, :name, :now)"


@dataclass(frozen=True, slots=True)
class Step:
    version: int
    name: str
    statements: tuple[str, ...]


async def migrate(db: Database, release: Sequence[Step] | None = None) -> list[str]:
    """Applies what is missing and gives the names of the steps applied here, in order.

    SettingsError if the database has a step that this release does not know: it belongs to a newer one.
    `release` is the steps of this release unless a test stands in for another one.
    """
    release = steps() if release is None else release
    async with db.transaction(patience=PATIENCE) as q:
        await _lock(db, q)
        await q.run(_TABLE)
        applied = {row["version"]: row["name"] for row in await q.all(_APPLIED)}
    _refuse_newer(applied, release)
    missing = [step for step in release if step.version not in applied]
    return [step.name for step in missing if await _apply(db, step)]


@cache
def steps() -> tuple[Step, ...]:
    """Every step of this release, in order."""
    folder = resources.files("holdfast.store.engine") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return tuple(
        Step(int(file.name[:4]), file.name.removesuffix(".sql"), statements(file.read_text("utf-8"))) for file in files
    )


def statements(text: str) -> tuple[str, ...]:
    """The statements of a file."""
    code = re.sub(r"^\s*--.*$", "", text, flags=re.MULTILINE)
    return tuple(part for part in map(str.strip, re.split(r";[ \t]*$", code, flags=re.MULTILINE)) if part)


async def _apply(db: Database, step: Step) -> bool:
    """Whether it was applied here: another process may have been quicker."""
    async with db.transaction(patience=PATIENCE) as q:
        await _lock(db, q)
        if any(row["version"] == step.version for row in await q.all(_APPLIED)):
            return False
        for statement in step.statements:
            await q.run(statement)
        await q.run(_RECORD, version=step.version, name=step.name, now=SystemClock().now())
        return True


async def _lock(db: Database, q: Queries) -> None:
    """One migrating process at a time. SQLite's transaction is that lock already."""
    if db.kind == "postgresql":
        await q.run("SELECT pg_advisory_xact_lock(:key)", key=LOCK)


def _refuse_newer(applied: Mapping[int, str], release: Sequence[Step]) -> None:
    unknown = sorted(set(applied.values()) - {step.name for step in release})
    if unknown:
        raise SettingsError(
            f"The database has been migrated by another release of Holdfast ({', '.join(unknown)}); "
            "start that release or a newer one."
        )
