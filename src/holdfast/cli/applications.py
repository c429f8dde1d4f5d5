"""`holdfast apps`: the products that use this vault, and their API keys."""

from __future__ import annotations

import click

from holdfast.cli.output import as_json, instant, note, print_json, print_members, print_table
from holdfast.cli.vault import with_vault
from holdfast.domain.tenancy import ACTIONS, DEFAULT_ACTIONS, ApiKey, Application, Confirmation
from holdfast.http.manage import CreatedApplication, application_data, key_data
from holdfast.store import tenants
from holdfast.usecases import manage
from holdfast.usecases.vault import Vault

application = click.argument("application_id", metavar="APPLICATION")
redirect_uri = click.option(
    "--redirect-uri", "redirect_uris", multiple=True, metavar="URI",
    help="Where a customer's browser may return to, compared exactly; the first one is the default. Repeatable.",
)  # fmt: skip
CONFIRMATION = click.Choice(["auto", "always", "off"])
CONFIRMATION_HELP = (
    "Whether an authorization waits until the page that began it confirms it: always is what production wants, "
    "auto does so for Holdfast's own callback page."
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
    found = with_vault(lambda vault: tenants.applications(vault.store))
    if as_json:
        print_json([application_data(a) for a in found])
    else:
        print_table(
            ["application", "name", "confirmation", "created"],
            [(a.id, a.name, a.confirmation, instant(a.created_at)) for a in found],
        )


@apps.command()
@application
@as_json
def show(application_id: str, as_json: bool) -> None:
    """Show an application."""
    _print(with_vault(lambda vault: tenants.application(manage.operator(application_id), vault.store)), as_json)


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
    replaced = redirect_uris if redirect_uris or no_redirect_uris else None
    changed = with_vault(
        lambda vault: manage.update_application(
            vault, application_id, name=name, redirect_uris=replaced, confirmation=confirmation
        )
    )
    _print(changed, as_json)


@apps.command()
@application
@click.confirmation_option(prompt="Delete the application with its keys, integrations and every connection?")
def delete(application_id: str) -> None:
    """Delete an application with everything it owns. No backup opens its secrets again."""
    with_vault(lambda vault: manage.delete_application(vault, application_id))
    note(f"Deleted {application_id}.")


@apps.group()
def keys() -> None:
    """API keys of an application."""


@keys.command("create")
@application
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(ACTIONS), default=DEFAULT_ACTIONS, show_default=True,
    help="What the key may do. Repeatable.",
)  # fmt: skip
@as_json
def create_key(application_id: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Make another API key. It is printed here and kept nowhere."""
    key, text = with_vault(lambda vault: manage.create_key(vault, application_id, scopes))
    if as_json:
        print_json(key_data(key, text))
    else:
        print_members([("id", key.id), ("scopes", " ".join(key.scopes)), ("API key", text)])
        note("This is the only time that the key is shown.")


@keys.command("list")
@application
@as_json
def list_keys(application_id: str, as_json: bool) -> None:
    """List the API keys of an application, without their texts."""

    async def read(vault: Vault) -> list[ApiKey]:
        scope = manage.operator(application_id)
        await tenants.application(scope, vault.store)
        return await tenants.keys(scope, vault.store)

    found = with_vault(read)
    if as_json:
        print_json([key_data(k) for k in found])
    else:
        rows = [(k.id, f"…{k.last_four}", " ".join(k.scopes), instant(k.created_at)) for k in found]
        print_table(["id", "ends in", "scopes", "created"], rows)


@keys.command("delete")
@application
@click.argument("key_id", metavar="KEY_ID")
def delete_key(application_id: str, key_id: str) -> None:
    """Take an API key away. Running servers refuse it within a second."""
    with_vault(lambda vault: manage.delete_key(vault, application_id, key_id))
    note(f"Deleted {key_id}.")


def _print(found: Application, as_json: bool) -> None:
    if as_json:
        print_json(application_data(found))
        return
    uris = list(found.redirect_uris) or ["none"]
    print_members(
        [
            ("application", found.id),
            ("name", found.name),
            ("confirmation", found.confirmation),
            ("redirect URIs", uris[0]),
            *(("", uri) for uri in uris[1:]),
            ("created", instant(found.created_at)),
        ]
    )
