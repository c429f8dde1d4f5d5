"""What only grows has an end."""

from __future__ import annotations

import pytest
from small_connectors import connector

from holdfast.domain.connection import Connection
from holdfast.domain.credential import Credential, OAuthToken, Secret
from holdfast.domain.tenancy import ConsumerScope
from holdfast.store import Store, events, flows, jobs, new_id, retention, revocations
from holdfast.store.flows import Flow
from holdfast.testing.clock import TestClock

HELD = Connection("c-1", "user-1", "crm", "acme")
DAY = 24 * 3600
DAYS = {"events": 30, "journal": 365, "revocations": 365, "flows": 1}


async def rows(store: Store) -> dict[str, int]:
    tables = ("events", "journal", "revocations", "jobs", "flows")
    found = [await store.q.one(f"SELECT COUNT(*) AS number FROM {table}") for table in tables]  # noqa: S608 - ours
    return {table: row["number"] for table, row in zip(tables, found, strict=True) if row}


async def something_of_everything(scope: ConsumerScope, store: Store) -> None:
    token = OAuthToken(Secret("at-1"), Secret("rt-1"))
    async with store.transaction() as tx:
        await events.announce(scope, tx, connector("basic"), None, HELD, ["vault.connection.created"], tx.clock.now())
        await revocations.owe(scope, tx, HELD, Credential(token))
        await flows.begin(scope, tx, b"state", Flow("crm", "acme", "", None, binding_mac=b"cookie"))
    store.journal.append(scope, connection_id="c-1", reason="call", generation=1)
    await store.journal.drain()


@pytest.mark.parametrize("table", DAYS)
async def test_a_row_is_kept_for_its_time_and_no_longer(
    store: Store, scope: ConsumerScope, clock: TestClock, table: str
) -> None:
    """Of every table that only grows: the day before it is there, the day after it is gone."""
    await something_of_everything(scope, store)
    clock.advance(DAYS[table] * DAY)
    await retention.purge(store)
    before = (await rows(store))[table]
    clock.advance(DAY)

    gone = await retention.purge(store)

    assert (before, gone[table], (await rows(store))[table]) == (1, 1, 0)


@pytest.mark.parametrize(("end", "days"), [("finish", 7), ("set_aside", 90)])
async def test_a_job_is_kept_for_a_while_after_its_end(
    store: Store, scope: ConsumerScope, clock: TestClock, end: str, days: int
) -> None:
    """A week if it was done, a season if somebody should look at it; one that waits stays however long that takes."""
    for kind in ("waits", "ends"):
        await jobs.queue(scope, store, kind, id=new_id(), lane="crm")
    job = await jobs.take(store, "ends")
    assert job is not None
    await (jobs.finish(store, job, "done") if end == "finish" else jobs.set_aside(store, job, "unreadable"))
    clock.advance(days * DAY)
    before = await retention.purge(store)
    clock.advance(1)
    after = await retention.purge(store)
    clock.advance(1000 * DAY)
    await retention.purge(store)

    assert (before["jobs"], after["jobs"], (await rows(store))["jobs"]) == (0, 1, 1)


async def test_more_rows_than_a_portion_go_in_several(store: Store, scope: ConsumerScope, clock: TestClock) -> None:
    """One purge deletes them all, a portion at a time."""
    for _ in range(retention.PORTION + 1):
        store.journal.append(scope, connection_id="c-1", reason="call", generation=1)
    await store.journal.drain()
    clock.advance(366 * DAY)

    assert (await retention.purge(store))["journal"] == retention.PORTION + 1
