"""Writing a manifest: a first version that is right, and checking what became of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.catalog import Catalog
from holdfast.catalog.authoring import AUTH_TYPES, check, new
from holdfast.domain.manifest.connector import AuthType
from holdfast.errors import SettingsError


@pytest.mark.parametrize("auth", AUTH_TYPES)
def test_a_first_manifest_is_right(tmp_path: Path, auth: AuthType) -> None:
    """Whatever the kind of credential, the author begins with something that works."""
    file = new(tmp_path, "acme-crm", "Acme CRM", auth)

    assert check(file) == []
    connector = Catalog.load(tmp_path).get("crm", "acme-crm")
    assert (connector.name, connector.auth.type) == ("Acme CRM", auth)


@pytest.mark.parametrize("name", ["O'Neil & Söhne: CRM", "null", "#1 CRM", "{acme}", "7", "$name", "- x", "a\\b"])
def test_a_name_is_written_as_it_is(tmp_path: Path, name: str) -> None:
    """Names hold characters that mean something to YAML or to templates."""
    new(tmp_path, "7", name, "oauth2")

    assert Catalog.load(tmp_path).get("crm", "7").name == name


@pytest.mark.parametrize("id", ["Acme", "acme crm", "../acme", "", "-acme", "a" * 65])
def test_a_first_manifest_needs_a_service_id(tmp_path: Path, id: str) -> None:
    """Nothing is written outside the directory, nor where no connector can be found."""
    with pytest.raises(SettingsError, match="is not a service id"):
        new(tmp_path, id, "Acme", "oauth2")

    assert list(tmp_path.iterdir()) == []


def test_an_existing_manifest_is_kept(tmp_path: Path) -> None:
    """Nobody loses work to a second `new`."""
    file = new(tmp_path, "acme", "Acme", "oauth2")
    file.write_text("mine")

    with pytest.raises(SettingsError, match="is there already"):
        new(tmp_path, "acme", "Acme", "oauth2")

    assert file.read_text() == "mine"


def test_a_file_a_folder_or_a_folder_of_folders_is_checked(write: Callable[..., Path]) -> None:
    """Whatever of the three the author names, the same mistake is found."""
    file = write(("name: Acme CRM", "name: 7"))

    found = [check(path) for path in (file, file.parent, file.parent.parent)]

    assert [[problem.word for problem in problems] for problems in found] == [["name"]] * 3


def test_a_path_without_a_manifest_is_told(tmp_path: Path) -> None:
    """Nothing to check is not the same as nothing wrong."""
    with pytest.raises(SettingsError, match=r"There is no connector\.yaml"):
        check(tmp_path)
