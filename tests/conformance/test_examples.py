"""The examples of the Python client's documentation run as they stand, against a vault on a real socket.

Each runs in a process of its own. Only what belongs to a deployment is put in: the vault's address, the application's
id, a state and a code of this vault, and where the product's page is.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from live import Live, live

CLIENT = Path(__file__).parents[2] / "docs" / "reference" / "client.md"
# The document from which the client's names come, for who has it: its examples are run, too.
SEED = os.environ.get("HOLDFAST_SEED_DOCUMENT")

# Which connection an example is tried with, and the state in which it leaves that one.
CRM, HRIS = ("crm", "pipedrive"), ("hris", "personio")
LEFT = {
    "connection_settings_all": (*CRM, "callable"),
    "connection_settings_update": (*CRM, "callable"),
    "connections_add": ("crm", "activecampaign", "callable"),
    "connections_all": (*CRM, "callable"),
    "connections_authorize": (*CRM, "available"),
    "connections_callback": (*CRM, "callable"),
    "connections_delete": (*CRM, "available"),
    "connections_import": (*CRM, "callable"),
    "connections_one": (*CRM, "callable"),
    "connections_revoke": (*CRM, "added"),
    "connections_token": (*HRIS, "callable"),
    "connections_update": (*CRM, "callable"),
    "custom_fields_all": (*CRM, "callable"),
}
# What the seed adds and imports is empty.
LEFT_BY_SEED = {**LEFT, "connections_add": (*CRM, "added"), "connections_import": (*CRM, "added")}
OPENED = {"connections_authorize", "connections_callback"}
NOT_CONNECTED = {"connections_add", "connections_import", *OPENED}


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as vault:
        yield vault


def examples(page: str) -> dict[str, str]:
    """The Python examples of a page by the operation that they call."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    called = ((re.search(r"api_instance\.(\w+)\((?!\"test-consumer)", block), block) for block in blocks)
    return {call[1]: block for call, block in called if call}


OURS = examples(CLIENT.read_text("utf-8"))
SEEDS = examples(Path(SEED).read_text("utf-8")) if SEED else {}


async def run(program: str, environment: Mapping[str, str]) -> str:
    """What `program` prints. It must end well and complain of nothing."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", program,
        env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, complaints = await process.communicate()
    assert (process.returncode, complaints.decode()) == (0, "")
    return printed.decode()


async def prepare(vault: Live, operation: str) -> None:
    """Brings the customer's connection to where the operation applies."""
    if operation == "connections_token":
        secrets = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
        await vault.call("PATCH", "/hris/personio", {"settings": secrets})
    elif operation not in NOT_CONNECTED:
        await vault.connect()


def put(program: str, values: Mapping[str, str]) -> str:
    """`program` with each of these variables set to something else."""
    for name, value in values.items():
        program = re.sub(rf"\b{name} = (['\"]).*?\1", lambda _, text=f"{name} = {value!r}": text, program)  # type: ignore[misc]
    return program


@pytest.mark.parametrize("operation", LEFT)
async def test_an_example_of_the_reference_does_what_it_says(vault: Live, operation: str) -> None:
    """It prints an answer, meets no error, and the connection is as the operation leaves it."""
    await prepare(vault, operation)
    api, service, state = LEFT[operation]
    environment = {"API_KEY": vault.api_key, "APP_ID": vault.application_id, "ACTIVECAMPAIGN_KEY": "ac_5d1f"}
    if operation == "connections_import":
        environment["REFRESH_TOKEN"] = vault.refresh_token()
    if operation == "connections_callback":
        sent, environment["FLOW_COOKIE"] = await vault.consented()
        environment["CALLBACK_URL"] = f"{vault.url}/vault/callback?state={sent['state']}&code={sent['code']}"

    program = OURS[operation].replace("http://127.0.0.1:8000", vault.url)
    printed = await run(put(program, {"unified_api": api, "service_id": service}), environment)

    assert " failed: " not in printed
    assert f"{operation} answers:" in printed or operation == "connections_delete"
    assert await left(vault, api, service) == (state, operation in OPENED)


@pytest.mark.parametrize("operation", SEEDS)
async def test_an_example_of_the_seed_does_what_it_says(vault: Live, operation: str) -> None:
    """The same for the examples that published software was written from."""
    vault.consumer = "x_apideck_consumer_id_example"
    await prepare(vault, operation)
    api, service, state = LEFT_BY_SEED[operation]
    ids = {"unified_api": api, "service_id": service, "application_id": vault.application_id}
    of_flow: dict[str, str] = {}
    if operation in ("connections_authorize", "connections_revoke"):
        link = (await vault.connection())[operation.removeprefix("connections_") + "_url"]
        of_flow = {"state": link.partition("state=")[2], "redirect_uri": vault.product}
    if operation == "connections_callback":
        sent = await vault.delegated()
        of_flow = {"state": sent["state"], "code": sent["code"]}

    program = SEEDS[operation].replace("https://unify.apideck.com", vault.url)
    program = put(program, {**ids, "x_apideck_app_id": vault.application_id, **of_flow})
    # The document's own example of a boolean is JSON's.
    printed = await run(f"import os\ntrue = True\n{program}", {"API_KEY": vault.api_key})

    assert "Exception when calling" not in printed
    assert f"The response of ConnectionsApi->{operation}" in printed or operation == "connections_delete"
    assert await left(vault, api, service) == (state, operation in OPENED)


async def left(vault: Live, api: str, service: str) -> tuple[str, bool]:
    """The state of a connection, and whether anybody came to the provider's consent page."""
    return (await vault.connection(api, service))["state"], vault.provider.calls["authorize"] == 1


def test_every_operation_has_an_example() -> None:
    """The reference shows each of the thirteen; so does the document that they come from."""
    assert OURS.keys() == LEFT.keys()
    assert not SEEDS or SEEDS.keys() == LEFT.keys()
