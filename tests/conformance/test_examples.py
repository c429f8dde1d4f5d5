"""The examples of the Python client's reference do what the page says, against a vault on a real socket.

Only what belongs to a deployment is put in: the vault's address, the ids of its application and of a service of its
catalogue.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from examples import CRM, LEFT, OPENED, examples, left, prepare, put, run
from live import Live

OURS = examples((Path(__file__).parents[2] / "docs" / "reference" / "client.md").read_text("utf-8"))
ALL = {**LEFT, "credentials_one": (*CRM, "callable")}


@pytest.mark.parametrize("operation", ALL)
async def test_an_example_does_what_it_says(live_vault: Live, operation: str) -> None:
    """It prints an answer, meets no error, and the connection is as the operation leaves it."""
    await prepare(live_vault, operation)
    api, service, state = ALL[operation]
    environment = {"API_KEY": live_vault.api_key, "APP_ID": live_vault.application_id, "ACTIVECAMPAIGN_KEY": "ac_5d1f"}
    if operation == "credentials_one":
        path = f"/applications/{live_vault.application_id}/api-keys"
        environment["API_KEY"] = (await live_vault.manage("POST", path, {"scopes": ["credentials:read"]}))["api_key"]
    if operation == "connections_import":
        environment["REFRESH_TOKEN"] = live_vault.refresh_token()
    if operation == "connections_callback":
        sent, environment["FLOW_COOKIE"] = await live_vault.consented()
        environment["CALLBACK_URL"] = f"{live_vault.url}/vault/callback?state={sent['state']}&code={sent['code']}"

    program = OURS[operation].replace("http://127.0.0.1:8000", live_vault.url)
    printed = await run(put(program, {"unified_api": api, "service_id": service}), environment)

    assert " failed: " not in printed
    assert f"{operation} answers:" in printed or operation == "connections_delete"
    assert await left(live_vault, api, service) == (state, operation in OPENED)


def test_every_operation_has_an_example() -> None:
    """The reference shows each of the thirteen, and each of ours."""
    assert OURS.keys() == ALL.keys()
