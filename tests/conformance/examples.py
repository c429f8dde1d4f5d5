"""The examples of a page, run as a reader runs them: each in a process of its own, against a vault on a socket."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Mapping

from live import Live

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
OPENED = {"connections_authorize", "connections_callback"}
NOT_CONNECTED = {"connections_add", "connections_import", *OPENED}


def examples(page: str) -> dict[str, str]:
    """The Python examples of a page, by the operation that each is about: the last one that it calls."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    called = [(re.findall(r"api_instance\.(\w+)\(", block), block) for block in blocks]
    return {operations[-1]: block for operations, block in called if operations}


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
        assignment = f"{name} = {value!r}"
        program = re.sub(rf"\b{name} = (['\"]).*?\1", assignment.replace("\\", r"\\"), program)
    return program


async def run(program: str, environment: Mapping[str, str]) -> str:
    """What `program` prints. It must end well and complain of nothing."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", program,
        env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, complaints = await process.communicate()
    assert (process.returncode, complaints.decode()) == (0, "")
    return printed.decode()


async def left(vault: Live, api: str, service: str) -> tuple[str, bool]:
    """The state of a connection, and whether anybody came to the provider's consent page."""
    return (await vault.connection(api, service))["state"], vault.provider.calls["authorize"] == 1
