"""docs/reference/cli.md: every command and every option, and none that does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
from documents import ROOT

from holdfast.cli import main

PAGE = (ROOT / "docs/reference/cli.md").read_text("utf-8")


def commands(group: click.Group, path: str = "holdfast") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def test_every_command_is_documented() -> None:
    """The page has a line with the words that call it."""
    missing = [words for words, _ in commands(main) if not re.search(rf"{words}\b", PAGE)]

    assert missing == []


def test_every_option_is_documented() -> None:
    """The page names each option of each command, and no option that none has."""
    options = {
        option
        for _, command in [*commands(main), ("holdfast", main)]
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }

    assert options ^ set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", PAGE)) == {"--help"}
