"""The check that every answer in the API's tests goes through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from described import DOCUMENT, Undescribed, check

from holdfast.testing.harness import Deployment

ONE = "/vault/connections/crm/sandbox-crm"
ERROR = {
    "status_code": 404,
    "error": "Not Found",
    "type_name": "ConnectionNotFoundError",
    "message": "Unknown Connection",
    "detail": {"not_found": {"entity": "connection", "id": "crm+sandbox-crm"}},
    "ref": "https://developers.apideck.com/errors#connectionnotfounderror",
}


def answered(document: Any, status: int = 200, content_type: str = "application/json") -> None:
    check("GET", ONE, status, content_type, json.dumps(document).encode())


async def test_a_described_answer_passes(vault: Deployment) -> None:
    """A connection as the vault tells it, and an error of any declared status, are what the document says."""
    body = (await vault.get(ONE)).body

    answered(body)
    answered(ERROR, 404)
    answered({**ERROR, "status_code": 503}, 503)


@pytest.mark.parametrize(
    "change",
    [
        {"state": "connected"}, {"created_at": "2026-11-23T12:00:00Z"}, {"name": None}, {"owner": "user-1"},
        {"form_fields": [{"id": "region", "type": "password"}]}, {"form_fields": [{"id": "region", "colour": "red"}]},
        {"configuration": [{"resource": "leads", "defaults": {}}]},
    ],
)  # fmt: skip
async def test_a_member_that_is_not_described_fails(vault: Deployment, change: dict[str, Any]) -> None:
    """An unknown word, a wrong type, a null that clients refuse, a member of no schema: each is told."""
    body = (await vault.get(ONE)).body

    with pytest.raises(Undescribed, match=next(iter(change))):
        answered({**body, "data": {**body["data"], **change}})


@pytest.mark.parametrize("member", ["status_code", "status", "data"])
async def test_an_incomplete_envelope_fails(vault: Deployment, member: str) -> None:
    """Generated clients refuse an answer that lacks one of the three."""
    body = (await vault.get(ONE)).body

    with pytest.raises(Undescribed, match=member):
        answered({name: value for name, value in body.items() if name != member})


@pytest.mark.parametrize(("status", "content_type"), [(201, "application/json"), (302, ""), (200, "text/html")])
async def test_an_undeclared_status_or_type_fails(vault: Deployment, status: int, content_type: str) -> None:
    """The status and the content type are declared for each operation."""
    body = (await vault.get(ONE)).body

    with pytest.raises(Undescribed):
        answered(body, status, content_type)


@pytest.mark.parametrize("path", [ONE, "/vault/nothing-here"])
@pytest.mark.parametrize("change", [{"detail": ["state"]}, {"errors": []}, {"status_code": "404"}])
def test_an_error_has_its_envelope_everywhere(path: str, change: dict[str, Any]) -> None:
    """Six members, of which `detail` is a text or an object; also where nothing is declared."""
    with pytest.raises(Undescribed):
        check("GET", path, 404, "application/json", json.dumps({**ERROR, **change}).encode())


def test_the_check_knows_every_path() -> None:
    """A template of the document matches what is put into it, and an operation is found by its method.

    What a service answers through the proxy is its own.
    """
    for path, methods in DOCUMENT["paths"].items():
        if path == "/proxy":
            continue
        with pytest.raises(Undescribed):
            check(next(iter(methods)).upper(), path.replace("{", "").replace("}", ""), 299, "", b"")
