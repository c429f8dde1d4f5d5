"""`holdfast nodes`: nodes that have given a refresh token to its provider and not said what came of it."""

from __future__ import annotations

import click

from holdfast.cli.output import as_json, instant, note, print_json, print_table
from holdfast.cli.vault import with_vault
from holdfast.usecases import manage


@click.group()
def nodes() -> None:
    """Nodes that died in the middle of a refresh.

    \b
    holdfast nodes list
    holdfast nodes forget 5f0c…     # it is gone with its disk and will not come back
    """


@nodes.command("list")
@as_json
def show(as_json: bool) -> None:
    """List the nodes with refresh tokens out of which nobody knows what became. None is the rule."""
    found = with_vault(manage.silent_nodes)
    if as_json:
        print_json(found)
        return
    print_table(["node", "refreshes", "since"], [(n.node, str(n.silent), instant(n.since)) for n in found])


@nodes.command()
@click.argument("node")
def forget(node: str) -> None:
    """Say that NODE will not come back with answers on its disk, so that nobody waits for it any longer.

    A node that does come back afterwards may find that its answers are outlived. Nothing else is forgotten.
    """
    concerned = with_vault(lambda vault: manage.forget_node(vault, node))
    note(f"{concerned} refresh{'' if concerned == 1 else 'es'} of {node} can be tried again in half a minute.")
