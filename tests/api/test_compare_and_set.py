"""A connection is written by compare-and-set: whoever was slower decides again, on what is true by then."""

from __future__ import annotations

import asyncio

import pytest
from accounts import open_account
from msgspec.structs import replace
from nodes import another_node

from holdfast.domain.connection import Connection
from holdfast.domain.tenancy import Caller, ConsumerScope
from holdfast.errors import ConflictError
from holdfast.store import Store, connections
from holdfast.store.connections import Change, Stored
from holdfast.testing.harness import SERVICE, Deployment

ONE = f"/vault/connections/crm/{SERVICE}"
ROUNDS = 30
QUICKER = "UPDATE connections SET version = version + 1"


class Race:
    """Somebody is quicker between the reading of a decision and its writing, for so many times."""

    def __init__(self, vault: Deployment, times: int) -> None:
        self._vault = vault
        self._times = times
        self.decided = 0

    async def change(self, after: Connection | None) -> tuple[Connection | None, Connection | None]:
        scope = ConsumerScope(self._vault.application_id, Caller.own("test"), self._vault.consumer)
        connector = self._vault.vault.catalog.get("crm", SERVICE)

        def decide(before: Connection | None) -> Change:
            self.decided += 1
            return Change(after)

        return await connections.change(scope, self._vault.vault.store, connector, "crm", decide, self._be_quicker)

    async def _be_quicker(self, tx: Store, held: Stored | None) -> None:
        if self.decided <= self._times:
            await tx.q.run(QUICKER)


async def stored(vault: Deployment) -> Connection | None:
    scope = ConsumerScope(vault.application_id, Caller.own("test"), vault.consumer)
    return await connections.one(scope, vault.vault.store, "crm", SERVICE)


@pytest.mark.parametrize("deletes", [False, True], ids=["change", "deletion"])
async def test_whoever_was_slower_decides_again(vault: Deployment, deletes: bool) -> None:
    """Nothing is written on a row that is not the one that was read; the second try is."""
    await vault.connect()
    before, race = await stored(vault), Race(vault, times=1)
    assert before is not None

    await race.change(None if deletes else replace(before, enabled=False))

    after = await stored(vault)
    assert race.decided == 2
    assert (after is None) if deletes else (after is not None and not after.enabled)


async def test_a_row_that_never_stands_still_is_a_conflict(vault: Deployment) -> None:
    """After so many tries it is told, and nothing of them is left."""
    await vault.connect()
    before, race = await stored(vault), Race(vault, times=1000)

    with pytest.raises(ConflictError):
        await race.change(None)

    assert race.decided == connections.ATTEMPTS
    assert await stored(vault) == before


async def test_two_changes_of_a_connection_are_both_kept(vault: Deployment) -> None:
    """Metadata from one node, the switch from the other, in every one of many rounds."""
    await vault.connect()
    lost = []

    async with another_node(vault) as other:
        for round in range(ROUNDS):
            enabled = bool(round % 2)
            replies = await asyncio.gather(
                vault.patch(ONE, json={"metadata": {"round": round}}), other.patch(ONE, json={"enabled": enabled})
            )
            told = await vault.connection()
            lost += [round] if (told["metadata"]["round"], told["enabled"]) != (round, enabled) else []
            assert [reply.status for reply in replies] == [200, 200]

    assert lost == []


async def test_what_is_sealed_anew_is_sealed_for_a_place_of_its_own(vault: Deployment) -> None:
    """No two blobs of one connection were ever written under the same generation: an older one does not fit in."""
    account = await open_account(vault, "activecampaign", "crm")
    seen: set[tuple[str, int, bytes]] = set()

    for key in ("first", "second", "third"):
        await account.fill_in(api_key=key)
        await account.patch(settings={"base_url": f"https://{key}.api-us1.com"})
        for column in ("settings", "secrets"):
            row = await vault.vault.store.q.one(f"SELECT {column}, {column}_generation FROM connections")  # noqa: S608
            assert row is not None
            seen.add((column, row[f"{column}_generation"], bytes(row[column])))

    assert len({(column, generation) for column, generation, _ in seen}) == len(seen) == 6
