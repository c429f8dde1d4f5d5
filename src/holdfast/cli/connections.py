"""`holdfast connections`: what the operator should know of connections."""

from __future__ import annotations

import click

from holdfast.cli.output import as_json, instant, print_json, print_table
from holdfast.cli.vault import with_vault
from holdfast.usecases import manage


@click.group()
def connections() -> None:
    """Connections: which of them need their customers.

    \b
    holdfast connections expiring APPLICATION --within 14
    """


@connections.command()
@click.argument("application_id", metavar="APPLICATION")
@click.option("--within", type=click.IntRange(1, 3650), default=14, show_default=True, metavar="DAYS", help="Days.")
@as_json
def expiring(application_id: str, within: int, as_json: bool) -> None:
    """List the connections that end soon, unless their customers connect again."""
    found = with_vault(lambda vault: manage.expiring_connections(vault, application_id, within))
    if as_json:
        print_json(found)
    else:
        rows = [(instant(c.ends_at), c.unified_api, c.service_id, c.consumer_id) for c in found]
        print_table(["ends", "unified API", "service", "consumer"], rows)
