"""What published clients throw: each error in the client's own type, and none of them tried again for minutes."""

from __future__ import annotations

from typing import Any

import pytest
from published_client import ClientError, PublishedClient
from sandbox import AT_CRM, AT_ROBOT, Sandbox
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from holdfast.server import listening
from holdfast.testing.provider import fail

# The types that two of the clients have for a status; @apideck/node throws the answer itself.
TYPES = {400: "BadRequestResponse", 401: "UnauthorizedResponse", 404: "NotFoundResponse", 422: "UnprocessableResponse"}
UNREACHABLE = {"apideck-unify": "ConnectError", "@apideck/unify": "ConnectionError", "@apideck/node": "FetchError"}
LATE = {"apideck-unify": "ReadTimeout", "@apideck/unify": "RequestTimeoutError", "@apideck/node": "AbortError"}


async def refused(client: PublishedClient, call: str, **given: Any) -> tuple[int | None, str]:
    """The status and the message of the error that a call throws, in the type that the client has for it."""
    with pytest.raises(ClientError) as thrown:
        await client.call(call, **given)
    error = thrown.value
    assert error.type == ("Response" if client.name == "@apideck/node" else TYPES[error.status or 0])
    return error.status, error.message


async def test_whoever_is_not_known_is_refused(client: PublishedClient) -> None:
    """A wrong key, the key of another application, or no consumer where there must be one."""
    assert await refused(client.having(key="hf_wrong"), "list") == (401, "Unauthorized Request")
    assert await refused(client.having(application="0" * 32), "list") == (401, "Unauthorized Request")
    assert await refused(client.having(consumer=""), "get", **AT_CRM) == (400, "Invalid Params")


async def test_what_is_not_there_is_not_found(client: PublishedClient) -> None:
    """A connector that does not exist, one that is not set up, a connection that was never made, no such resource."""
    nowhere, unset = ({"unified_api": "crm", "service_id": service} for service in ("no-such-crm", "pipedrive"))

    assert await refused(client, "get", **nowhere) == (404, "Unknown Connector")
    assert await refused(client, "get", **unset) == (404, "Unknown Integration")
    assert await refused(client, "delete", **AT_CRM) == (404, "Unknown Connection")
    assert await refused(client, "settings", **AT_CRM, resource="invoices") == (404, "Not Found")


async def test_what_the_connection_does_not_allow_is_unprocessable(client: PublishedClient) -> None:
    """Reading an account that is not connected, exchanging where a browser is needed or where the secret is missing."""
    await client.call("update", **AT_CRM, connection={"enabled": True})
    await client.call("update", **AT_ROBOT, connection={"settings": {"client_id": "sandbox-client"}})

    assert await refused(client, "custom_fields", **AT_CRM, resource="leads") == (422, "Invalid State")
    assert await refused(client, "token", **AT_CRM) == (422, "Invalid State")
    assert (await refused(client, "token", **AT_ROBOT))[0] == 422


async def test_what_will_not_change_is_not_tried_again(client: PublishedClient, sandbox: Sandbox) -> None:
    """Two of the clients repeat every 5xx for a quarter of an hour: what a provider does wrong is never one."""
    await client.call("import", **AT_CRM, connection={"credentials": sandbox.elsewhere()})
    await client.call("update", **AT_ROBOT, connection={"settings": {"client_id": "x", "client_secret": "y"}})
    answered = len(sandbox.vault.statuses)

    with sandbox.provider.behave("token", fail(503)):
        assert (await refused(client, "token", **AT_ROBOT))[0] == 422
    assert (await refused(client, "token", **AT_ROBOT))[0] == 422
    sandbox.provider.withdraw()
    assert (await refused(client, "validate", **AT_CRM))[0] == 401
    assert (await refused(client, "validate", **AT_CRM))[0] == 401

    assert sandbox.vault.statuses[answered:] == [422, 422, 401, 401]


@pytest.mark.parametrize("status", [200, 502])
async def test_a_proxy_that_answers_with_a_page_is_an_error(client: PublishedClient, status: int) -> None:
    """A sign-in page, or a page that says sorry, instead of the vault: an error, and the next call is well again."""
    page = HTMLResponse("<!doctype html><title>Sign in to continue</title>", status)

    async with listening.in_background(page, listener := listening.listen("127.0.0.1", 0)):
        with pytest.raises(ClientError):
            await client.having(url=listening.address(listener), retries=False).call("list")

    assert len(await client.call("list")) == 2


async def test_a_vault_that_does_not_answer_in_time_is_given_up(client: PublishedClient) -> None:
    """The client's own time-out ends the call."""
    async with listening.in_background(silent, listener := listening.listen("127.0.0.1", 0)):
        with pytest.raises(ClientError) as thrown:
            await client.having(url=listening.address(listener), retries=False, patience=200).call("list")

    assert (thrown.value.type, thrown.value.status) == (LATE[client.name], None)


async def test_a_vault_that_is_not_there_is_told(client: PublishedClient) -> None:
    """Nobody listens at the port."""
    with listening.listen("127.0.0.1", 0) as listener:
        nowhere = listening.address(listener)

    with pytest.raises(ClientError) as thrown:
        await client.having(url=nowhere, retries=False).call("list")

    assert (thrown.value.type, thrown.value.status) == (UNREACHABLE[client.name], None)


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes a request and says nothing until the caller has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
