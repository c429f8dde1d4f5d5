"""The examples of the document that the client's names come from, for whoever has it.

HOLDFAST_SEED_DOCUMENT is its path; without it, there is nothing here to run. `os` and JSON's `true` are used in the
examples and not defined there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from examples import CRM, LEFT, OPENED, examples, left, prepare, put, run
from live import Live

SEEDS = examples(Path(os.environ["HOLDFAST_SEED_DOCUMENT"]).read_text("utf-8"))
# What these examples add and import is empty.
LEFT_EMPTY = {**LEFT, "connections_add": (*CRM, "added"), "connections_import": (*CRM, "added")}
PRELUDE = "import os\ntrue = True\n"


async def of_flow(vault: Live, operation: str) -> dict[str, str]:
    """The state, the code and the redirect URI that an operation of the browser is called with."""
    if operation == "connections_callback":
        sent = await vault.delegated()
        return {"state": sent["state"], "code": sent["code"]}
    link = re.match("connections_(authorize|revoke)", operation)
    if not link:
        return {}
    state = (await vault.connection())[f"{link[1]}_url"].partition("state=")[2]
    return {"state": state, "redirect_uri": vault.product}


@pytest.mark.parametrize("operation", LEFT)
async def test_an_example_runs_as_it_stands(live_vault: Live, operation: str) -> None:
    """With the vault's address, its ids and a flow of its own put in, it prints an answer and meets no error."""
    live_vault.consumer = "x_apideck_consumer_id_example"
    await prepare(live_vault, operation)
    api, service, state = LEFT_EMPTY[operation]
    ids = {"unified_api": api, "service_id": service, "application_id": live_vault.application_id}
    ids["x_apideck_app_id"] = live_vault.application_id

    program = SEEDS[operation].replace("https://unify.apideck.com", live_vault.url)
    program = put(program, {**ids, **await of_flow(live_vault, operation)})
    printed = await run(PRELUDE + program, {"API_KEY": live_vault.api_key})

    assert "Exception when calling" not in printed
    assert f"The response of ConnectionsApi->{operation}" in printed or operation == "connections_delete"
    assert await left(live_vault, api, service) == (state, operation in OPENED)
