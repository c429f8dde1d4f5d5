"""`holdfast integrations`: the connectors that an application offers, each with the application's own OAuth client."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec import UNSET
from msgspec.structs import replace

from holdfast.cli.output import agree, as_json, instant, note, print_json, print_members, print_table
from holdfast.cli.vault import with_vault
from holdfast.domain.credential import Secret
from holdfast.domain.manifest.connector import Connector
from holdfast.usecases import manage
from holdfast.usecases.manage import IntegrationChange, IntegrationData
from holdfast.usecases.vault import Vault

application = click.argument("application_id", metavar="APPLICATION")
unified_api = click.argument("unified_api", metavar="UNIFIED_API")
service = click.argument("service_id", metavar="SERVICE")
existing_file = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
STANDARD_INPUT = Path("-")


@click.group()
def integrations() -> None:
    """Integrations: which services an application's customers can connect.

    \b
    holdfast integrations set APPLICATION crm pipedrive --client-id 4f8a… --client-secret-prompt
    holdfast integrations show APPLICATION crm pipedrive
    """


@integrations.command("set")
@application
@unified_api
@service
@click.option("--client-id", help="The id of the OAuth client that the service gave you.")
@click.option("--client-secret-prompt", "prompted", is_flag=True, help="Ask for the client's secret, without echo.")
@click.option("--client-secret-stdin", "from_stdin", is_flag=True, help="Read the client's secret from standard input.")
@click.option("--client-secret-file", "file", type=existing_file, help="Read the client's secret from a file.")
@click.option("--scope", "scopes", multiple=True, help="Ask for this scope instead of the connector's. Repeatable.")
@click.option("--default-scopes", is_flag=True, help="Ask for the connector's scopes again.")
@click.option(
    "--setting", "settings", multiple=True, metavar="ID=VALUE|ID=@FILE|ID=-",
    help="A setting that the connector asks of the application; ID= clears it. A secret one comes from a file or, "
    "with -, from standard input. Repeatable.",
)  # fmt: skip
@click.option("--enable/--disable", "enabled", default=None, help="Offer it to customers, or stop offering it.")
@as_json
def set_integration(
    application_id: str,
    unified_api: str,
    service_id: str,
    client_id: str | None,
    prompted: bool,
    from_stdin: bool,
    file: Path | None,
    scopes: tuple[str, ...],
    default_scopes: bool,
    settings: tuple[str, ...],
    enabled: bool | None,
    as_json: bool,
) -> None:
    """Offer a service to an application's customers, or change how. What is not given stays as it is.

    Secrets are never arguments: everybody on a machine can read those. The answer names the redirect URI that has
    to be registered with the OAuth client at the service.
    """
    if scopes and default_scopes:
        raise click.UsageError("--scope and --default-scopes contradict each other.")
    if prompted + from_stdin + (file is not None) > 1:
        raise click.UsageError("The client's secret has more than one source.")
    file = STANDARD_INPUT if from_stdin else file
    if (file == STANDARD_INPUT) + sum(text.endswith("=-") for text in settings) > 1:
        raise click.UsageError("Only one secret can come from standard input.")
    secret = _asked() if prompted else _read(file) if file else None
    given = IntegrationChange(
        enabled=UNSET if enabled is None else enabled,
        client_id=UNSET if client_id is None else client_id,
        client_secret=UNSET if secret is None else Secret(secret),
        scopes=(scopes or None) if scopes or default_scopes else UNSET,
    )
    _print(with_vault(lambda vault: _put(vault, (application_id, unified_api, service_id), given, settings)), as_json)


@integrations.command("list")
@application
@as_json
def list_integrations(application_id: str, as_json: bool) -> None:
    """List the integrations of an application."""
    found = with_vault(lambda vault: manage.every_integration(vault, application_id))
    if as_json:
        print_json(found)
    else:
        rows = [(i.unified_api, i.service_id, _state(i), i.client_id or "") for i in found]
        print_table(["unified API", "service", "state", "client id"], rows)


@integrations.command()
@application
@unified_api
@service
@as_json
def show(application_id: str, unified_api: str, service_id: str, as_json: bool) -> None:
    """Show an integration, with the redirect URI to register at the service."""
    found = with_vault(lambda vault: manage.one_integration(vault, application_id, unified_api, service_id))
    _print(found, as_json)


@integrations.command()
@application
@unified_api
@service
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(application_id: str, unified_api: str, service_id: str, yes: bool) -> None:
    """Stop offering a service and forget the OAuth client. Connections stay, unseen, until it is set again."""
    if not yes:
        agree("Take the integration out of the application's list?")
    with_vault(lambda vault: manage.delete_integration(vault, application_id, unified_api, service_id))
    note(f"Removed {unified_api}+{service_id}.")


async def _put(
    vault: Vault, place: tuple[str, str, str], given: IntegrationChange, settings: tuple[str, ...]
) -> IntegrationData:
    connector = vault.catalog.get(place[1], place[2])
    if settings:
        given = replace(given, settings=dict(_setting(text, connector) for text in settings))
    return await manage.put_integration(vault, *place, given)


def _setting(text: str, connector: Connector) -> tuple[str, Secret | None]:
    id, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--setting {id}: write {id}=VALUE, {id}=@FILE or {id}=-.")
    if value == "-" or value.startswith("@"):
        return id, Secret(_read(Path(value.removeprefix("@"))))
    known = connector.setting(id)
    if known is not None and known.sensitive and value:
        raise click.UsageError(f"--setting {id} is a secret; give it as {id}=@FILE or {id}=-.")
    return id, Secret(value) if value else None


def _asked() -> str:
    answer: str = click.prompt("Client secret", hide_input=True, err=True)
    return answer


def _read(file: Path) -> str:
    with click.open_file(str(file), encoding="utf-8") as stream:
        text: str = stream.read().strip("\r\n")
    if not text.strip():
        raise click.UsageError(f"{'Standard input' if file == STANDARD_INPUT else file} holds no secret.")
    return text


def _state(found: IntegrationData) -> str:
    if found.client_refused is UNSET:
        return found.integration_state
    code = f" ({found.client_refused.code})" if found.client_refused.code else ""
    return f"client refused since {instant(found.client_refused.since)}{code}"


def _print(found: IntegrationData, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_members(
        [
            ("integration", f"{found.unified_api}+{found.service_id}"),
            ("state", _state(found)),
            ("client id", found.client_id or "none"),
            ("client secret", "set" if found.has_client_secret else "none"),
            ("scopes", " ".join(found.scopes) if found.scopes is not None else "the connector's"),
            ("settings", " ".join(found.settings_set) or "none"),
            *([("redirect URI", found.redirect_uri)] if found.redirect_uri else []),
        ]
    )
    if found.redirect_uri and found.integration_state != "disabled":
        note("Register the redirect URI, exactly as it stands here, with the OAuth client at the service.")
