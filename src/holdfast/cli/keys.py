"""`holdfast keys`: the master keys, which everything secret is sealed under in the end."""

from __future__ import annotations

import click

from holdfast.cli.output import as_json, print_json, print_table
from holdfast.cli.vault import with_vault
from holdfast.store.seal.masterkey import new_master_key


@click.group()
def keys() -> None:
    """Master keys.

    \b
    (umask 077; holdfast keys new > /run/secrets/holdfast-master)
    HOLDFAST_MASTER_KEY_FILE=/run/secrets/holdfast-master holdfast keys check
    """


@keys.command()
def new() -> None:
    """Print a fresh master key, for HOLDFAST_MASTER_KEY or a file that HOLDFAST_MASTER_KEY_FILE names."""
    click.echo(new_master_key())


@keys.command()
@as_json
def check(as_json: bool) -> None:
    """Check that the master keys that are given open everything in the database. Shows ids, never a key."""
    found = with_vault(lambda vault: vault.store.keyring.check())
    if as_json:
        print_json([{"id": id, "primary": n == 0, "data_keys": count} for n, (id, count) in enumerate(found.items())])
        return
    rows = [(id, "new and old data keys" if n == 0 else "old data keys", str(count))
            for n, (id, count) in enumerate(found.items())]  # fmt: skip
    print_table(["master key", "wraps", "data keys"], rows)
