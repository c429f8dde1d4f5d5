"""Sentences of the API's page that are about a boundary, or about an order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from accounts import open_account
from structlog.testing import capture_logs
from watched_database import watched

from holdfast.domain.masking import PREFIX
from holdfast.errors import ConflictError, Unavailable
from holdfast.testing.clock import TestClock
from holdfast.testing.harness import SERVICE, Deployment, deployment
from holdfast.testing.provider import Lifetimes, SandboxProvider, Shape
from holdfast.testing.provider.crm import SCOPES

PATH = f"/vault/connections/crm/{SERVICE}"
FIELDS = f"{PATH}/leads/custom-fields"
NO_KEY = {"authorization": None}
NO_APPLICATION = {"x-apideck-app-id": None}
NO_CONSUMER = {"x-apideck-consumer-id": None}


@pytest.mark.parametrize(("length", "status"), [(255, 200), (256, 400)])
async def test_an_id_has_255_characters(vault: Deployment, length: int, status: int) -> None:
    """A longer id of a consumer is refused, and a write of the longest is read again."""
    reply = await vault.post(PATH, json={}, consumer="c" * length)

    assert reply.status == status


async def test_the_first_check_that_fails_is_the_answer(vault: Deployment) -> None:
    """Each request is wrong in one thing less than the one before; what is said first goes away first."""
    nowhere = "/vault/connections/crm/no-such-service"
    other = (
        await vault.manage("POST", f"/applications/{vault.application_id}/api-keys", json={"scopes": ["proxy"]})
    ).data
    wrong: list[dict[str, Any]] = [
        {**NO_KEY, **NO_APPLICATION, **NO_CONSUMER},
        {"authorization": f"Bearer {other['api_key']}", **NO_APPLICATION, **NO_CONSUMER},
        {**NO_APPLICATION, **NO_CONSUMER},
        {**NO_CONSUMER},
        {},
    ]
    answers = [
        await vault.patch(nowhere, body=b"{", headers={**headers, "content-type": "application/json"})
        for headers in wrong
    ]
    missing = await vault.patch(nowhere, json={})
    state = await vault.get(FIELDS)

    told = [(reply.status, reply.body["type_name"]) for reply in [*answers, missing, state]]
    assert told == [
        (401, "UnauthorizedError"), (401, "UnauthorizedError"), (400, "RequestHeadersValidationError"),
        (400, "RequestHeadersValidationError"), (400, "RequestValidationError"), (404, "ConnectorNotFoundError"),
        (422, "InvalidStateError"),
    ]  # fmt: skip


@pytest.mark.parametrize(("size", "status"), [(16_384, 200), (16_385, 400)])
async def test_a_query_has_sixteen_kibibytes(vault: Deployment, size: int, status: int) -> None:
    """What is longer is refused before anything of it is read."""
    query = "api=crm&more="

    reply = await vault.get(f"/vault/connections?{query}{'x' * (size - len(query))}")

    assert reply.status == status


@pytest.mark.parametrize(("number", "status"), [(50, 200), (51, 400)])
async def test_fifty_addresses_can_be_registered(vault: Deployment, number: int, status: int) -> None:
    """One more is refused."""
    uris = [f"https://app.example.com/{n}" for n in range(number)]

    reply = await vault.manage("PATCH", f"/applications/{vault.application_id}", json={"redirect_uris": uris})

    assert reply.status == status


async def test_custom_fields_are_asked_for_each_time(vault: Deployment) -> None:
    """No answer of the service is kept for the next call."""
    await vault.connect()
    before = len(vault.network.requests)

    for _ in range(3):
        await vault.get(FIELDS)

    assert len(vault.network.requests) == before + 3


async def test_imported_credentials_need_no_confirmation(vault: Deployment) -> None:
    """Also where the application has every authorization confirmed: whoever imports has the key."""
    await vault.manage("PATCH", f"/applications/{vault.application_id}", json={"confirmation": "always"})
    issued_at = datetime.fromtimestamp(vault.clock.now() / 1000, UTC).isoformat()
    tokens = {"access_token": vault.provider.issue().access.value, "issued_at": issued_at, "expires_in": 3600}

    reply = await vault.post(f"{PATH}/import", json={"credentials": tokens})

    assert (reply.data["state"], reply.data["health"]) == ("callable", "ok")


async def test_an_import_reads_a_mask_as_an_update_does(vault: Deployment) -> None:
    """The mask of the stored secret keeps it; any other one is refused, and is not taken for a key."""
    account = await open_account(vault, "activecampaign", "crm")
    await account.fill_in()
    name = next(s.id for s in account.connector.at("connection") if s.sensitive)
    mask = next(field["value"] for field in (await account.told())["form_fields"] if field["id"] == name)

    async def imported(value: str) -> int:
        body = {"settings": {**account.typed, name: value}}
        return (await vault.post(f"{account.path}/import", json=body)).status

    assert [await imported(mask), await imported(f"{PREFIX}12345678")] == [200, 422]
    assert (await vault.post(f"{account.path}/validate")).data["state"] == "callable"


@pytest.mark.parametrize(("left", "refreshes"), [(11, 0), (9, 1)])
async def test_a_short_life_is_refreshed_in_its_last_tenth(tmp_path: Any, left: int, refreshes: int) -> None:
    """A token that lives for 100 seconds is used until 10 are left of it."""
    clock, shape = TestClock(), Shape(scopes=SCOPES, lifetimes=Lifetimes(access=100))
    async with deployment(tmp_path, clock=clock, provider=SandboxProvider(clock=clock, shape=shape)) as vault:
        await vault.connect()
        clock.advance(100 - left)

        await vault.get(FIELDS)

        assert vault.provider.calls["token:refresh_token"] == refreshes


def nested(levels: int) -> bytes:
    return b'{"more": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def members(number: int) -> bytes:
    return b'{"more": {' + b",".join(b'"k%d":1' % n for n in range(number - 1)) + b"}}"


def commas(number: int) -> bytes:
    return b'{"more": [' + b",".join([b"1"] * (number + 1)) + b"]}"


def text(characters: int) -> bytes:
    return b'{"more": "' + b"a" * characters + b'"}'


BODIES = {"levels": (nested, 32), "members": (members, 10_000), "commas": (commas, 50_000), "text": (text, 65_536)}


@pytest.mark.parametrize(("body", "most"), BODIES.values(), ids=BODIES.keys())
async def test_a_body_has_its_limits(vault: Deployment, body: Callable[[int], bytes], most: int) -> None:
    """The last size that fits is read, and one more is refused."""
    sent = {"headers": {"content-type": "application/json"}}

    replies = [await vault.patch(PATH, body=body(size), **sent) for size in (most, most + 1)]

    assert [reply.status for reply in replies] == [200, 400]


@pytest.mark.parametrize(("number", "status"), [(100, 200), (101, 400)])
async def test_a_connection_holds_a_hundred_settings(vault: Deployment, number: int, status: int) -> None:
    """Those that the form does not have are counted, too."""
    reply = await vault.patch(PATH, json={"settings": {f"s{n}": "x" for n in range(number)}})

    assert reply.status == status


FAULTS: dict[str, tuple[Exception, int, str]] = {
    "somebody was quicker": (ConflictError(), 409, "ConflictError"),
    "a local fault": (Unavailable(), 503, "Unavailable"),
    "a mistake of ours": (RuntimeError("sandbox-secret"), 500, "UnexpectedError"),
}


@pytest.mark.parametrize(("fault", "status", "name"), FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_within_has_a_name(vault: Deployment, fault: Exception, status: int, name: str) -> None:
    """The log says where an unexpected one came from, and neither log nor answer says with what in hand."""
    faulty, database = watched(vault)

    async def before(sql: str) -> None:
        raise fault

    database.before = before
    with capture_logs() as logs:
        reply = await faulty.patch(PATH, json={})

    assert (reply.status, reply.body["type_name"]) == (status, name)
    assert [line["event"] for line in logs if "where" in line] == (["unexpected_error"] if status == 500 else [])
    assert "sandbox-secret" not in f"{reply.text}{logs}"
