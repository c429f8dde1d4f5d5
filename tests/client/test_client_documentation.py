"""docs/…/client pages: every Python example runs, and the reference names every operation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from recorded_vault import ANSWERS, API_KEY, Asked, RecordedVault, http, recorded

from openapi_client import ConnectionsApi, CredentialsApi

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = DOCS / "reference" / "client.md"
HOW_TO = DOCS / "how-to" / "use-the-python-client.md"

ENVIRONMENT = {
    "API_KEY": API_KEY,
    "APP_ID": "app_8FJm2q",
    "ACTIVECAMPAIGN_KEY": "ac_5d1f",
    "REFRESH_TOKEN": "rt_77aa",
    "CALLBACK_URL": "http://127.0.0.1:8000/vault/callback?state=f1&code=g0ZGZmNjVmOWI",
    "FLOW_COOKIE": "__Host-vf_1a2b3c4d=wJ9",
    "SESSION_TOKEN": "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
}


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def answer(asked: Asked) -> bytes:
    """As recorded, and 404 for the misspelled service of the page on failures."""
    return http(404, ANSWERS["not_found"]) if "pipedrvie" in asked.path else recorded(asked)


@pytest.mark.parametrize("example", [*blocks(REFERENCE), *blocks(HOW_TO)])
def test_an_example_runs_as_it_stands(
    example: str, vault: RecordedVault, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A block copied out of the page, with its environment set, does its call and meets no error."""
    vault.answer = answer
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    exec(compile(example.replace("http://127.0.0.1:8000", vault.url), "example", "exec"), {})  # noqa: S102

    printed = capsys.readouterr().out
    assert " failed: " not in printed
    assert API_KEY not in printed
    assert vault.asked or "Configuration" not in example


def test_each_operation_has_its_example() -> None:
    """The reference shows each of them under its name, the thirteen and ours."""
    declared = [*vars(ConnectionsApi), *vars(CredentialsApi)]
    operations = {name for name in declared if not name.startswith("_") and not name.endswith("_info")}
    page = REFERENCE.read_text(encoding="utf-8")
    shown = {match for block in blocks(REFERENCE) for match in re.findall(r"api_instance\.(\w+)\(", block)}

    assert operations == shown
    assert set(re.findall(r"^### (\w+_\w+)$", page, re.MULTILINE)) == operations
