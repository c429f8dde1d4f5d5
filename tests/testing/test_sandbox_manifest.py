"""The sandbox CRM's manifest, and the sandbox as a program."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from oauth_app import App, body

from holdfast.catalog import reading
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.manifest.path import read, read_text
from holdfast.testing.browser import Browser
from holdfast.testing.connectors import sandbox_manifest
from holdfast.testing.provider import Shape
from holdfast.testing.provider.__main__ import main

ReadManifest = Callable[[str], Connector]


@pytest.fixture
def read_manifest(tmp_path: Path) -> ReadManifest:
    """Reads the text of a manifest as the catalogue does, by all its rules."""

    def read(text: str) -> Connector:
        (tmp_path / "connector.yaml").write_text(text, encoding="utf-8")
        return reading.read(tmp_path / "connector.yaml", "sandbox-crm")

    return read


@pytest.fixture
def manifest(read_manifest: ReadManifest) -> Connector:
    return read_manifest(sandbox_manifest("https://crm.example"))


def test_the_manifest_leads_to_the_provider_it_was_made_for(read_manifest: ReadManifest) -> None:
    """Every URL and the list of hosts name the address that was given, port included."""
    text = sandbox_manifest("http://127.0.0.1:9000/")

    manifest = read_manifest(text)
    assert "sandbox.invalid" not in text
    assert manifest.hosts == ("127.0.0.1:9000",)
    assert manifest.request.base_url == "http://127.0.0.1:9000/api/v1"


def test_the_manifest_says_what_the_provider_does(manifest: Connector) -> None:
    """Client authentication, PKCE, rotation and paths of the manifest are those of the default shape."""
    oauth, shape = manifest.auth.oauth, Shape()

    assert oauth is not None
    assert oauth.authorize is not None
    assert oauth.revoke is not None
    assert shape.revocation is not None
    assert oauth.client.auth == shape.token.client_auth
    assert oauth.pkce == shape.authorization.pkce
    assert oauth.refresh.rotation == shape.lifetimes.rotation
    paths = shape.authorization.url, shape.token.url, shape.revocation.url
    assert (oauth.authorize.url, oauth.token.url, oauth.revoke.url) == tuple(f"https://crm.example{p}" for p in paths)


async def test_the_manifest_finds_what_it_looks_for(manifest: Connector, app: App) -> None:
    """After-connect, options and custom fields read real answers of the sandbox's API."""
    token = app.provider.issue().access.value

    async def get(path: str | None) -> object:
        return body(await app.get(f"/api/v1{path}", token))

    step, owner = manifest.after_connect[0], manifest.setting("owner_id")
    fields = manifest.fields_of("leads")
    assert owner is not None
    assert owner.options_from is not None
    assert fields is not None
    found = read(await get(fields.request.path), fields.items)
    owners = read(await get(owner.options_from.request.path), owner.options_from.items)
    assert read_text(await get(step.request.path), step.capture["company_id"]) == "7713204"
    assert read_text(owners[0], owner.options_from.label) == "Marta Kowalczyk"
    assert {read(item, fields.map.name or "") for item in found if read(item, fields.map.custom or "")} > {"Fleet size"}


def test_help_teaches() -> None:
    """Whoever writes a connector learns from --help what the sandbox can pretend."""
    shown = CliRunner().invoke(main, ["--help"])

    assert shown.exit_code == 0
    assert "family ends the whole grant" in " ".join(shown.output.split())


def test_the_printed_manifest_follows_the_options(read_manifest: ReadManifest) -> None:
    """A manifest that contradicts the running sandbox would waste an evening."""
    shown = CliRunner().invoke(
        main, ["--manifest", "--port", "9001", "--rotation", "grace", "--grace", "60", "--client-auth", "body"]
    )

    manifest = read_manifest(shown.output)
    assert manifest.auth.oauth is not None
    assert (manifest.auth.oauth.refresh.rotation, manifest.auth.oauth.refresh.grace) == ("grace", 60)
    assert manifest.auth.oauth.client.auth == "body"
    assert manifest.auth.oauth.token.url == "http://127.0.0.1:9001/oauth/token"


async def test_the_program_serves_until_it_is_told_to_stop() -> None:
    """It prints where it is and what to use, answers, tells what it was asked without secrets, and ends cleanly."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "holdfast.testing.provider", "--port", "0", stdout=PIPE, stderr=PIPE
    )
    assert program.stdout is not None
    url = (await program.stdout.readline()).decode().split()[-1]
    page = await Browser().visit(f"{url}/oauth/authorize?client_id=unknown&state=s3cret")

    program.terminate()
    out, err = await program.communicate()

    assert (program.returncode, err) == (0, b"")
    assert page.status == 400
    assert b"400  GET    /oauth/authorize" in out
    assert b"s3cret" not in out
