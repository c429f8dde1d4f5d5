"""Settings, as they are read from an environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.config import Settings
from holdfast.errors import SettingsError


def test_nothing_has_to_be_set() -> None:
    """An empty environment means SQLite in ./holdfast-data, reached on this machine."""
    settings = Settings.from_env({})

    assert settings == Settings(database_url="sqlite:///holdfast-data/holdfast.db")
    assert settings.public_url == "http://127.0.0.1:8000"


def test_the_database_goes_with_the_data() -> None:
    """Another data directory holds another database, unless that is set too."""
    apart = {"HOLDFAST_DATABASE_URL": "postgresql://db.internal/holdfast"}

    assert Settings.from_env({"HOLDFAST_DATA_DIR": "/srv/vault"}).database_url == "sqlite:////srv/vault/holdfast.db"
    assert Settings.from_env(apart).database_url == apart["HOLDFAST_DATABASE_URL"]


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://vault.example.com/", "https://vault.example.com"),
        ("https://example.com/vault", "https://example.com/vault"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_public_url_is_an_address_without_a_final_slash(given: str, url: str) -> None:
    """https anywhere, http on this machine only; what is appended to it brings its own slash."""
    assert Settings.from_env({"HOLDFAST_PUBLIC_URL": given}).public_url == url


@pytest.mark.parametrize(
    "url",
    [
        "vault.example.com", "http://vault.example.com", "https://user@vault.example.com", "https://vault.example.com?a",
        "https://vault.example.com#a", "ftp://vault.example.com", "https://",
    ],
)  # fmt: skip
def test_a_public_url_that_no_browser_should_open_is_refused(url: str) -> None:
    """Links are made from it, so it has to be one: https, a host, and nothing that is private or in the way."""
    with pytest.raises(SettingsError, match="HOLDFAST_PUBLIC_URL"):
        Settings.from_env({"HOLDFAST_PUBLIC_URL": url})


def test_a_misspelt_setting_is_refused() -> None:
    """A name that nothing reads would leave a default in force that somebody thinks is changed."""
    with pytest.raises(SettingsError, match="HOLDFAST_DATBASE_URL: no such setting"):
        Settings.from_env({"HOLDFAST_DATBASE_URL": "postgresql://db.internal/holdfast"})


def test_a_secret_comes_from_a_file(tmp_path: Path) -> None:
    """The file's text without its line end; the secret shows in no representation."""
    file = tmp_path / "admin"
    file.write_text("hf_admin_4f8a21c07d93b6e5\n")

    settings = Settings.from_env({"HOLDFAST_ADMIN_TOKEN_FILE": str(file)})

    assert settings.admin_token == "hf_admin_4f8a21c07d93b6e5"
    assert "4f8a21c07d93b6e5" not in repr(settings)


@pytest.mark.parametrize("name", ["HOLDFAST_ADMIN_TOKEN", "HOLDFAST_MASTER_KEY"])
def test_a_secret_has_one_source(tmp_path: Path, name: str) -> None:
    """Which of two would count is not left to be guessed."""
    with pytest.raises(SettingsError, match="are both set"):
        Settings.from_env({name: "4f8a21c07d93b6e5", f"{name}_FILE": str(tmp_path / "secret")})


@pytest.mark.parametrize(("content", "says"), [(None, "cannot be read"), ("\n", "is empty")])
def test_a_secret_file_without_a_secret_is_refused(tmp_path: Path, content: str | None, says: str) -> None:
    """A mount that failed does not turn into a vault with another secret than the operator's."""
    file = tmp_path / "admin"
    if content is not None:
        file.write_text(content)

    with pytest.raises(SettingsError, match=says):
        Settings.from_env({"HOLDFAST_ADMIN_TOKEN_FILE": str(file)})
