"""Schemathesis on `/openapi.json` and the vault behind it, with valid keys: thousands of requests, good and bad.

No request makes a server error, and no answer is another than the document says. Bad requests are refused, undeclared
methods answer 405. What wrong keys are answered has tests of its own: an address that sends many is told to wait.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from holdfast.http.app import operations
from holdfast.http.operations import Operation
from holdfast.server import listening
from holdfast.testing.harness import ADMIN_TOKEN, RETURN_TO, Deployment, deployment

SEED = 20261123
# Their paths take the forms of our own pages too, by POST, which are no part of the API.
WITH_FORMS = ("connectionsAuthorize", "connectionsRevoke")
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method",
    "allow_header_conformance",
)  # fmt: skip


@pytest.fixture
async def vault(tmp_path: Path, database_url: str) -> AsyncIterator[Deployment]:
    """A vault on a real socket."""
    listener = listening.listen("127.0.0.1", 0)
    options: dict[str, Any] = {"database_url": database_url, "public_url": listening.address(listener)}
    async with deployment(tmp_path, **options) as vault, listening.in_background(vault.app, listener):
        yield vault


def is_lenient(operation: Operation) -> bool:
    """Whether the vault takes requests that the document would not: what it can do without, or ignores."""
    body = operation.body[2] if operation.body else None
    ignores = body is not None and (body.lenient or body.documented is not None)
    return ignores or not operation.consumer or any(p.param.lenient for p in operation.parameters)


async def configuration(vault: Deployment) -> str:
    """What Schemathesis is told: keys, ids of things that exist, and where leniency is meant."""
    existing, doomed = [await _application(vault) for _ in range(2)]
    connection = await vault.connection()
    states = {link: connection[f"{link}_url"].partition("state=")[2] for link in ("authorize", "revoke")}
    of_link = {"path.application_id": vault.application_id, "redirect_uri": RETURN_TO}
    known: dict[str, dict[str, str]] = {
        "connectionsAuthorize": {**of_link, "state": states["authorize"]},
        "connectionsRevoke": {**of_link, "state": states["revoke"]},
        "applicationsDelete": {"path.application_id": doomed},
    }
    ids = {
        "unified_api": "crm", "service_id": "sandbox-crm", "resource": "leads", "application_id": existing,
    }  # fmt: skip
    selectors = {"x-apideck-app-id": vault.application_id, "x-apideck-consumer-id": vault.consumer}
    lines = [f"seed = {SEED}", "continue-on-failure = true", "[generation]", "max-examples = 15", 'database = "none"']
    lines += ["[auth.openapi]", f"apiKey = {{api_key = {json.dumps(vault.api_key)}}}"]
    lines += [f"adminToken = {{bearer = {json.dumps(ADMIN_TOKEN)}}}"]
    lines += ["[checks]", "enabled = false", *_enabled(CHECKS, True)]
    lines += ["[dictionaries]", *(f"{name} = {{values = [{json.dumps(value)}]}}" for name, value in ids.items())]
    lines += ["[parameters]", *_pairs(selectors), *(_mostly(name) for name in ids)]
    for operation in operations():
        lines += ["[[operations]]", f"include-operation-id = {json.dumps(operation.operation_id)}"]
        if operation.streams:
            lines += ["[operations.generation]", "max-examples = 3"]
        lines += ["[operations.parameters]", *_pairs(known.get(operation.operation_id, {}))]
        lines += ["[operations.checks]"]
        if is_lenient(operation):
            lines += _enabled(("negative_data_rejection", "missing_required_header"), False)
        if operation.operation_id in WITH_FORMS:
            lines += _enabled(("unsupported_method", "allow_header_conformance"), False)
    return "\n".join(lines)


async def test_no_request_is_answered_otherwise_than_documented(vault: Deployment, tmp_path: Path) -> None:
    """Examples, edge cases and random data for every operation find nothing."""
    issue = vault.provider.issue()
    tokens = {"access_token": issue.access.value, "refresh_token": issue.refresh.value if issue.refresh else None}
    await vault.post("/vault/connections/crm/sandbox-crm/import", json={"credentials": tokens})
    file = tmp_path / "schemathesis.toml"
    file.write_text(await configuration(vault))

    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"), "--config-file", file, "--no-color", "run", "--warnings", "off",
        "--phases", "examples,coverage,fuzzing", f"{vault.settings.public_url}/openapi.json",
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    found = (await process.communicate())[0].decode()

    assert process.returncode == 0, found
    assert f"Tested: {len(operations())}" in found


async def _application(vault: Deployment) -> str:
    made = await vault.manage("POST", "/applications", json={"name": "Acme", "redirect_uris": [RETURN_TO]})
    return str(made.data["application_id"])


def _enabled(checks: Sequence[str], whether: bool) -> list[str]:
    return [f"{check}.enabled = {json.dumps(whether)}" for check in checks]


def _mostly(name: str) -> str:
    """Of each id, some that nothing has."""
    return f'"path.{name}" = {{dictionary = "{name}", probability = 0.7}}'


def _pairs(parameters: dict[str, str]) -> list[str]:
    return [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in parameters.items()]
