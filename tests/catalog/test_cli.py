"""`holdfast connectors`: list, check, new."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from holdfast.cli.connectors import connectors

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `holdfast connectors` in an empty environment, with the tests' directory of connectors if it is there."""
    own = tmp_path / "connectors"

    def run(*arguments: str) -> Result:
        environment = {"HOLDFAST_CONNECTORS_DIR": str(own) if own.exists() else None}
        return CliRunner(env=environment).invoke(connectors, list(arguments))

    return run


def test_the_catalogue_is_listed_as_data(run: Run, write: Callable[..., Path]) -> None:
    """Scripts learn what there is, and what is theirs."""
    write()

    listed = {c["id"]: c for c in json.loads(run("list", "--json").output)}

    assert listed["acme"]["from"] == "yours"
    assert listed["pipedrive"] == {
        "id": "pipedrive",
        "name": "Pipedrive",
        "unified_apis": ["crm", "lead"],
        "auth_type": "oauth2",
        "oauth_grant_type": "authorization_code",
        "settings": [],
        "status": "live",
        "from": "holdfast",
    }


def test_the_catalogue_is_listed_for_people(run: Run) -> None:
    """A table, narrowed to one unified API."""
    output = run("list", "--unified-api", "file-storage").output

    assert "dropbox" in output
    assert "pipedrive" not in output


def test_a_right_catalogue_passes(run: Run) -> None:
    """Silence and exit status 0, for use in scripts."""
    result = run("check")

    assert (result.exit_code, result.stdout) == (0, "")


def test_mistakes_are_told_and_fail(run: Run, write: Callable[..., Path]) -> None:
    """Each mistake is one line that leads to its place, and the exit status is 1."""
    file = write(("    token:\n", "    tokn:\n"))

    whole, one = run("check"), run("check", str(file))

    assert whole.exit_code == one.exit_code == 1
    assert whole.stdout == one.stdout == f"{file}:35: auth.oauth.tokn: unknown word; did you mean 'token'?\n"


def test_mistakes_are_told_as_data(run: Run, write: Callable[..., Path]) -> None:
    """An editor can show them where they stand."""
    file = write(("name: Acme CRM", "name: 7"))

    result = run("check", "--json", str(file))

    assert json.loads(result.stdout) == [
        {"file": str(file), "line": 3, "word": "name", "message": 'expected a text, not 7; write "7"'}
    ]
    assert result.exit_code == 1


def test_a_new_manifest_goes_to_ones_own_directory(run: Run, write: Callable[..., Path]) -> None:
    """The path is printed, and the connector is in the catalogue at once."""
    directory = write().parent.parent

    result = run("new", "beta-erp", "--auth", "apiKey")

    assert result.stdout == f"{directory / 'beta-erp' / 'connector.yaml'}\n"
    listed = {c["id"]: c["name"] for c in json.loads(run("list", "--json").output)}
    assert listed["beta-erp"] == "Beta Erp"


def test_a_second_new_manifest_is_refused(run: Run, tmp_path: Path) -> None:
    """The reason is one line, without a traceback."""
    arguments = ("new", "beta", "--dir", str(tmp_path))

    assert run(*arguments).exit_code == 0
    again = run(*arguments)

    assert again.exit_code == 1
    assert again.stderr == f"Error: {tmp_path / 'beta' / 'connector.yaml'} is there already.\n"
