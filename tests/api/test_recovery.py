"""What dead processes have left, where something stands in the way of telling it."""

from __future__ import annotations

from watched_database import with_vault

from holdfast.catalog import Catalog
from holdfast.testing.harness import Deployment
from holdfast.usecases.credential.recovery import recover

SETTLED = """
INSERT INTO presentations (connection_id, attempt, generation, node, process, presented_at, settles_at)
SELECT id, 1, credential_generation, 'gone', '1-gone', :at, :at FROM connections"""


async def test_a_connector_that_left_the_catalogue_holds_nothing_up(vault: Deployment) -> None:
    """A refresh of its connection was never answered: that is told without an event, and once."""
    await vault.connect()
    await vault.vault.store.q.run(SETTLED, at=vault.clock.now() - 1)
    without = with_vault(vault, catalog=Catalog.load())

    await recover(without.vault)

    row = await vault.vault.store.q.one("SELECT told_at FROM presentations")
    assert row is not None
    assert row["told_at"] == vault.clock.now()
    assert "token_refresh.pending" not in await vault.events()


async def test_a_refresh_that_nobody_answered_is_told_once(vault: Deployment) -> None:
    """By the first process that finds it, with the event that a failed refresh has too."""
    await vault.connect()
    await vault.vault.store.q.run(SETTLED, at=vault.clock.now() - 1)

    await recover(vault.vault)
    await recover(vault.vault)

    assert (await vault.events()).count("token_refresh.pending") == 1
    assert (await vault.connection())["health"] == "pending_refresh"
