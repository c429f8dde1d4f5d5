"""`holdfast apps`: the products that use this vault, and their API keys."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec
from msgspec import UNSET, UnsetType

from holdfast.cli.output import agree, as_json, counted, instant, note, print_json, print_members, print_table
from holdfast.cli.vault import with_vault
from holdfast.domain.tenancy import ACTIONS, DEFAULT_ACTIONS, Action, Confirmation
from holdfast.usecases import manage
from holdfast.usecases.manage import ApplicationData, BoundConnection, CreatedApplication, EndingData, KeyBounds

application = click.argument("application_id", metavar="APPLICATION")
redirect_uri = click.option(
    "--redirect-uri", "redirect_uris", multiple=True, metavar="URI",
    help="Where a customer's browser may return to, compared exactly; the first one is the default. Repeatable.",
)  # fmt: skip
CONFIRMATION = click.Choice(["auto", "always", "off"])
CONFIRMATION_HELP = (
    "Whether an authorization waits until the page that began it confirms it: always is what production wants, "
    "auto does so wherever a link has a nonce."
)


@click.group()
def apps() -> None:
    """Applications: the products whose customers connect accounts.

    \b
    holdfast apps create --name "Acme" --redirect-uri https://app.example.com/integrations
    holdfast apps list
    holdfast apps keys create APPLICATION --scope credentials:read
    """


@apps.command()
@click.option("--name", required=True, help="What the operator calls it.")
@redirect_uri
@click.option("--confirmation", type=CONFIRMATION, default="auto", show_default=True, help=CONFIRMATION_HELP)
@as_json
def create(name: str, redirect_uris: tuple[str, ...], confirmation: Confirmation, as_json: bool) -> None:
    """Create an application and its first API key.

    The key is printed here and kept nowhere: put it where the product finds it.
    """
    made, key = with_vault(
        lambda vault: manage.create_application(vault, name, redirect_uris, confirmation), creates=True
    )
    if as_json:
        print_json(CreatedApplication(application_id=made.id, api_key=key))
    else:
        print_members([("application", made.id), ("API key", key)])
        note("This is the only time that the key is shown.")


@apps.command("list")
@as_json
def list_applications(as_json: bool) -> None:
    """List the applications."""
    found = with_vault(manage.every_application)
    if as_json:
        print_json(found)
    else:
        print_table(
            ["application", "name", "confirmation", "created"],
            [(a.application_id, a.name, a.confirmation, instant(a.created_at)) for a in found],
        )


@apps.command()
@application
@as_json
def show(application_id: str, as_json: bool) -> None:
    """Show an application."""
    _print(with_vault(lambda vault: manage.one_application(vault, application_id)), as_json)


@apps.command()
@application
@click.option("--name", help="What the operator calls it.")
@redirect_uri
@click.option("--no-redirect-uris", is_flag=True, help="Take every redirect URI away.")
@click.option("--confirmation", type=CONFIRMATION, help=CONFIRMATION_HELP)
@as_json
def update(
    application_id: str,
    name: str | None,
    redirect_uris: tuple[str, ...],
    no_redirect_uris: bool,
    confirmation: Confirmation | None,
    as_json: bool,
) -> None:
    """Change an application. Redirect URIs that are given replace those that it has."""
    if redirect_uris and no_redirect_uris:
        raise click.UsageError("--redirect-uri and --no-redirect-uris contradict each other.")
    given = manage.ApplicationChange(
        name=UNSET if name is None else name,
        redirect_uris=redirect_uris if redirect_uris or no_redirect_uris else UNSET,
        confirmation=confirmation or UNSET,
    )
    _print(with_vault(lambda vault: manage.update_application(vault, application_id, given)), as_json)


@apps.command()
@application
@click.option("--dry-run", is_flag=True, help="Delete nothing; tell how many connections and grants would end.")
@click.option("--keep-grants", is_flag=True, help="Delete at once, and leave the grants alive at their services.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def delete(application_id: str, dry_run: bool, keep_grants: bool, yes: bool, as_json: bool) -> None:
    """Delete an application with everything it owns. No backup opens its secrets again.

    It is gone for everybody at once. Its grants are ended at their services by a running server, which tries for
    about a day; then the data goes.
    """
    ending = with_vault(lambda vault: manage.endings(vault, application_id))
    if dry_run:
        _print_endings(ending, as_json)
        return
    if not yes:
        agree(f"Delete the application with its keys, integrations and every connection ({_sum(ending)})?")
    gone = with_vault(lambda vault: manage.delete_application(vault, application_id, keep_grants=keep_grants))
    note(f"Deleted {application_id}.")
    if not gone:
        note("A running server ends its grants at the services; until then its sealed data stays.")


@apps.group()
def keys() -> None:
    """API keys of an application."""


@keys.command("create")
@application
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(ACTIONS), default=DEFAULT_ACTIONS, show_default=True,
    help="What the key may do. Repeatable.",
)  # fmt: skip
@click.option("--consumer", "consumers", multiple=True, metavar="ID", help="Only this consumer. Repeatable.")
@click.option(
    "--service", "services", multiple=True, metavar="API+SERVICE",
    help="Only this service, as crm+acme-crm. Repeatable.",
)  # fmt: skip
@click.option(
    "--connection", "connections", multiple=True, metavar="API+SERVICE:ID",
    help="Only the connection of consumer ID to this service. Repeatable.",
)  # fmt: skip
@as_json
def create_key(
    application_id: str,
    scopes: tuple[Action, ...],
    consumers: tuple[str, ...],
    services: tuple[str, ...],
    connections: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make another API key. It is printed here and kept nowhere.

    A key reaches every connection of the application unless it is bound; what it is bound to cannot be changed.
    """
    bounds = KeyBounds(
        consumers=list(consumers) or UNSET,
        services=list(services) or UNSET,
        connections=[_connection(text) for text in connections] or UNSET,
    )
    key = with_vault(lambda vault: manage.create_key(vault, application_id, scopes, bounds))
    if as_json:
        print_json(key)
    else:
        told = [("id", key.id), ("scopes", " ".join(key.scopes)), ("reaches", _reach(key.bounds))]
        print_members([*told, ("API key", str(key.api_key))])
        note("This is the only time that the key is shown.")


@keys.command("list")
@application
@as_json
def list_keys(application_id: str, as_json: bool) -> None:
    """List the API keys of an application, without their texts."""
    found = with_vault(lambda vault: manage.every_key(vault, application_id))
    if as_json:
        print_json(found)
    else:
        rows = [(k.id, f"…{k.last_four}", " ".join(k.scopes), _reach(k.bounds), instant(k.created_at)) for k in found]
        print_table(["id", "ends in", "scopes", "reaches", "created"], rows)


@keys.command("delete")
@application
@click.argument("key_id", metavar="KEY_ID")
def delete_key(application_id: str, key_id: str) -> None:
    """Take an API key away. Running servers refuse it within a second."""
    with_vault(lambda vault: manage.delete_key(vault, application_id, key_id))
    note(f"Deleted {key_id}.")


def _connection(text: str) -> BoundConnection:
    service, colon, consumer_id = text.partition(":")
    unified_api, plus, service_id = service.partition("+")
    if not colon or not plus:
        raise click.UsageError(f"--connection {text}: write API+SERVICE:ID, such as crm+acme-crm:customer-1.")
    return BoundConnection(consumer_id=consumer_id, unified_api=unified_api, service_id=service_id)


def _reach(bounds: KeyBounds | UnsetType) -> str:
    """Where a key reaches, in one cell: the kinds of its bounds, with how many there are of each."""
    if bounds is UNSET:
        return "everything"
    given = msgspec.structs.asdict(bounds).items()
    return ", ".join(f"{len(listed)} {kind}" for kind, listed in given if listed is not UNSET)


def _print_endings(ending: Sequence[EndingData], as_json: bool) -> None:
    if as_json:
        print_json(ending)
        return
    rows = [(f"{e.unified_api}+{e.service_id}", str(e.connections), str(e.grants)) for e in ending]
    print_table(["service", "connections", "grants that end"], rows)
    note(f"Nothing was deleted. It would end {_sum(ending)}.")


def _sum(ending: Sequence[EndingData]) -> str:
    connections, grants = sum(e.connections for e in ending), sum(e.grants for e in ending)
    return f"{counted(connections, 'connection')}, {counted(grants, 'grant')}"


def _print(found: ApplicationData, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    uris = list(found.redirect_uris) or ["none"]
    print_members(
        [
            ("application", found.application_id),
            ("name", found.name),
            ("confirmation", found.confirmation),
            ("redirect URIs", uris[0]),
            *(("", uri) for uri in uris[1:]),
            ("created", instant(found.created_at)),
        ]
    )
