"""`holdfast connectors`: what is in the catalogue, whether a manifest is right, and a first manifest to change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from holdfast.catalog import Catalog, ManifestError, Problem, authoring
from holdfast.config import Settings
from holdfast.domain.manifest.connector import AuthType, Connector
from holdfast.errors import SettingsError

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
existing = click.Path(exists=True, path_type=Path)
folder = click.Path(file_okay=False, path_type=Path)


@click.group("connectors")
def connectors() -> None:
    """The catalogue of services that accounts can be connected at.

    Connectors come with Holdfast; HOLDFAST_CONNECTORS_DIR names a directory of your own, whose connectors replace
    those of the same id.
    """


@connectors.command("list")
@click.option("--unified-api", help="Only connectors that offer this unified API, such as crm.")
@as_json
def list_connectors(unified_api: str | None, as_json: bool) -> None:
    """List the connectors of this vault."""
    catalog = _catalog()
    found = [c for c in catalog.all() if unified_api is None or unified_api in c.unified_apis]
    if as_json:
        click.echo(json.dumps([_members(catalog, connector) for connector in found], indent=2))
    else:
        Console().print(_table(catalog, found))


@connectors.command("check")
@click.argument("paths", nargs=-1, type=existing)
@as_json
def check(paths: tuple[Path, ...], as_json: bool) -> None:
    """Check manifests, and tell every mistake with its file, line and word.

    PATHS are manifests, folders of one connector, or folders of connectors; without any, the whole catalogue of
    this vault is checked. The exit status is 1 if anything is wrong.
    """
    problems = _problems(paths)
    if as_json:
        click.echo(json.dumps([_told(problem) for problem in problems], indent=2))
    else:
        for problem in problems:
            click.echo(str(problem))
        click.echo(f"Mistakes: {len(problems)}", err=True)
    raise SystemExit(1 if problems else 0)


@connectors.command("new")
@click.argument("id")
@click.option("--name", help="What people call the service. [default: from the id]")
@click.option("--auth", type=click.Choice(authoring.AUTH_TYPES), default="oauth2", show_default=True)
@click.option(
    "--dir", "directory", type=folder, help="Where it goes. [default: HOLDFAST_CONNECTORS_DIR or ./connectors]"
)
def new(id: str, name: str | None, auth: AuthType, directory: Path | None) -> None:
    """Write a first manifest for the service ID, with comments, ready to be changed."""
    target = directory or Settings.from_env().connectors_dir or Path("connectors")
    try:
        file = authoring.new(target, id, name or id.replace("-", " ").title(), auth)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    click.echo(str(file))


def _catalog() -> Catalog:
    own = Settings.from_env().connectors_dir
    try:
        return Catalog.load(*[own] if own else [])
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


def _problems(paths: tuple[Path, ...]) -> list[Problem]:
    try:
        if paths:
            return [problem for path in paths for problem in authoring.check(path)]
        own = Settings.from_env().connectors_dir
        Catalog.load(*[own] if own else [])
    except ManifestError as error:
        return list(error.problems)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    return []


def _table(catalog: Catalog, found: list[Connector]) -> Table:
    table = Table("ID", "NAME", "UNIFIED APIS", "AUTH", "FROM", box=None, pad_edge=False)
    for connector in found:
        members = _members(catalog, connector)
        apis = ", ".join(members["unified_apis"])
        table.add_row(members["id"], members["name"], apis, members["auth_type"], members["from"])
    return table


def _members(catalog: Catalog, connector: Connector) -> dict[str, Any]:
    oauth = connector.auth.oauth
    return {
        "id": connector.id,
        "name": connector.name,
        "unified_apis": list(connector.unified_apis),
        "auth_type": connector.auth.type,
        "oauth_grant_type": oauth.grant if oauth else None,
        "settings": [setting.id for setting in connector.settings if not setting.hidden],
        "status": connector.status,
        "from": "holdfast" if catalog.is_shipped(connector.id) else "yours",
    }


def _told(problem: Problem) -> dict[str, Any]:
    return {"file": problem.file, "line": problem.line, "word": problem.word, "message": problem.message}
