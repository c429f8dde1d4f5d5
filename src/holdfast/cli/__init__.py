"""The command line: what an operator types.

Owns words, options and the spelling of answers; what is done is done by `usecases`. Nothing here talks to a running
server: the commands open the database themselves, so they work whether one is running or not.

- `serve`, `worker`              the vault as a process that serves, and as one that only works
- `applications`, `integrations`, `connections`, `rules`, `keys`, `nodes`, `connectors`   one module for each group of
  commands
- `demo`                        the story that `holdfast demo` tells
- `vault`, `output`, `logs`     the open vault, the two streams, the log

With `--json`, standard output is exactly one JSON document, spelled as the management API spells it; everything for
people goes to standard error. To add a command: its module, and its line in `COMMANDS`. A module is imported when
its command runs, so that `holdfast keys new` does not wait for a web server to load.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import click

from holdfast import __version__
from holdfast.config import Settings
from holdfast.errors import HoldfastError, SettingsError
from holdfast.server import logs

COMMANDS = {
    "serve": "holdfast.cli.serve:serve",
    "worker": "holdfast.cli.worker:worker",
    "demo": "holdfast.demo:demo",
    "apps": "holdfast.cli.applications:apps",
    "integrations": "holdfast.cli.integrations:integrations",
    "rules": "holdfast.cli.rules:rules",
    "connections": "holdfast.cli.connections:connections",
    "connectors": "holdfast.cli.connectors:connectors",
    "keys": "holdfast.cli.keys:keys",
    "nodes": "holdfast.cli.nodes:nodes",
}


class Commands(click.Group):
    """Imports a command when it is asked for, and tells every failure in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HoldfastError as error:
            if _debugging(ctx):
                raise
            raise click.ClickException(told(error)) from error
        except OSError as error:
            if _debugging(ctx) or isinstance(error, BrokenPipeError):
                raise
            raise click.ClickException(f"{error.filename or 'The system'}: {error.strerror or error}.") from error


@click.group(cls=Commands, context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="holdfast %(version)s")
@click.option("--debug", is_flag=True, help="Show where a failure comes from, as HOLDFAST_LOG_LEVEL=debug does too.")
def main(debug: bool) -> None:
    """Holdfast keeps the connections of your customers: OAuth flows, credentials sealed, refreshed and revocable.

    \b
    See it work:      holdfast demo
    Start a vault:    holdfast serve
    Set it up:        holdfast apps create --name "Acme" --redirect-uri https://app.example.com/integrations
                      holdfast integrations set APPLICATION crm pipedrive --client-id … --client-secret-prompt

    Settings come from the environment only (HOLDFAST_DATA_DIR and others: docs/reference/settings.md). Commands open
    the database themselves and work beside a running server.
    """
    logs.configure("debug" if debug else "warning")


def _debugging(ctx: click.Context) -> bool:
    try:
        return bool(ctx.params["debug"]) or Settings.from_env().log_level == "debug"
    except SettingsError:
        return False


def told(error: HoldfastError) -> str:
    """An error in one sentence."""
    detail = error.detail
    if isinstance(detail, str):
        return detail
    missing = detail.get("not_found")
    if isinstance(missing, dict):
        return f"There is no {missing['entity'].replace('_', ' ')} {missing['id']}."
    return json.dumps(detail)
