"""PgBouncer between a node and PostgreSQL: in session mode, as it is shipped, and in no other."""

from __future__ import annotations

from pathlib import Path

from cluster import Pool, command, shared_settings

TRANSACTION_MODE = {"pool_mode = session": "pool_mode = transaction"}


def test_a_pooler_in_transaction_mode_is_refused(pooled: Pool, tmp_path: Path) -> None:
    """Locks would wander from session to session: the start ends with one sentence that names session mode.

    The same node starts where the configuration is as it is shipped.
    """
    with pooled(TRANSACTION_MODE) as url:
        node = command(tmp_path, "node", shared_settings(tmp_path, url))
        refused = node.run("serve", "--port", "0")
    with pooled({}) as url:
        served = node.serve(settings={"HOLDFAST_DATABASE_URL": url}).stop()
        node.end()

    assert (refused.status, refused.out) == (1, "")
    assert "session mode (PgBouncer: pool_mode = session)" in refused.err.splitlines()[-1]
    assert served == 0
