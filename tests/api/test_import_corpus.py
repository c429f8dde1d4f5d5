"""Connections from elsewhere: what cannot be a credential is refused whole, what can is used with care."""

from __future__ import annotations

from typing import Any

import pytest
from import_corpus import GOOD, NO_CREDENTIALS
from traces import traces

from holdfast.testing.harness import SERVICE, Deployment, Reply

PATH = f"/vault/connections/crm/{SERVICE}"
FIELDS = f"{PATH}/leads/custom-fields"


async def import_(vault: Deployment, **members: Any) -> Reply:
    return await vault.post(f"{PATH}/import", json=members)


def granted(vault: Deployment) -> dict[str, str]:
    """Tokens as another vault holds them: the provider knows them."""
    issue = vault.provider.issue()
    assert issue.refresh is not None
    return {"access_token": issue.access.value, "refresh_token": issue.refresh.value}


async def test_what_cannot_be_a_credential_is_refused(vault: Deployment) -> None:
    """The whole corpus: 400, no connection, no consumer, and the answer does not repeat what was sent."""
    before = await traces(vault)

    replies = {name: await import_(vault, credentials=sent) for name, sent in NO_CREDENTIALS.items()}

    assert {name: reply.status for name, reply in replies.items() if reply.status != 400} == {}
    assert [name for name, reply in replies.items() if "X-Injected" in reply.text or len(reply.text) > 500] == []
    assert await traces(vault) == before


async def test_a_refused_import_leaves_an_existing_connection_alone(vault: Deployment) -> None:
    """Nothing of it is taken, settings and metadata included."""
    await vault.connect()
    before = await vault.connection()

    for sent in ({**GOOD, "expires_in": -1}, {**GOOD, "refresh_token": "\n"}):
        await import_(vault, credentials=sent, settings={"owner_id": "1"}, metadata={"from": "elsewhere"})

    after = await vault.connection()
    assert {name: after[name] for name in after if not name.endswith("_url")} == {
        name: before[name] for name in before if not name.endswith("_url")
    }


@pytest.mark.parametrize("body", [[], "x", 1, True, {"settings": []}, {"settings": "x"}, {"metadata": [1]}])
async def test_a_body_of_another_form_is_refused(vault: Deployment, body: Any) -> None:
    """400, and nothing is stored."""
    before = await traces(vault)

    reply = await vault.post(f"{PATH}/import", json=body)

    assert reply.status == 400
    assert await traces(vault) == before


async def test_members_that_nobody_knows_are_ignored(vault: Deployment) -> None:
    """A published guide sends `consumer_id` in the body: it must not decide whose connection this is."""
    tokens = {**granted(vault), "token_type": "mac", "scope": "admin"}

    reply = await import_(vault, credentials=tokens, consumer_id="user-2", state="invalid", enabled=False, id="crm+x")

    assert (reply.status, reply.data["state"], reply.data["enabled"]) == (200, "callable", True)
    assert reply.data["id"] == f"crm+{SERVICE}"
    assert (await vault.connection(consumer="user-2"))["state"] == "available"


@pytest.mark.parametrize("omitted", [("issued_at",), ("expires_in",), ("issued_at", "expires_in")])
async def test_a_token_of_unknown_age_is_refreshed_before_its_first_use(
    vault: Deployment, omitted: tuple[str, ...]
) -> None:
    """It may have expired long ago."""
    tokens: dict[str, Any] = {**granted(vault), "issued_at": GOOD["issued_at"], "expires_in": 3600}
    await import_(vault, credentials={name: value for name, value in tokens.items() if name not in omitted})

    reply = await vault.get(FIELDS)

    assert reply.status == 200
    assert vault.provider.calls["token:refresh_token"] == 1


async def test_a_token_that_is_said_to_live_is_used_as_it_is(vault: Deployment) -> None:
    """And refreshed when its time is over."""
    await import_(vault, credentials={**granted(vault), "issued_at": "2026-01-01T01:00:00+01:00", "expires_in": 3600})

    await vault.get(FIELDS)
    early = vault.provider.calls["token:refresh_token"]
    vault.clock.advance(3600)
    await vault.get(FIELDS)

    assert (early, vault.provider.calls["token:refresh_token"]) == (0, 1)


async def test_a_refresh_token_alone_is_enough(vault: Deployment) -> None:
    """The access token is fetched when it is first needed."""
    reply = await import_(vault, credentials={"refresh_token": granted(vault)["refresh_token"]})

    assert reply.data["state"] == "callable"
    assert (await vault.get(FIELDS)).status == 200


async def test_a_dead_refresh_token_is_found_out_once(vault: Deployment) -> None:
    """The first use shows it; after that the provider is left alone for a while, and the connection says so."""
    await import_(vault, credentials={"refresh_token": "rt-of-another-life"})

    replies = [await vault.get(FIELDS) for _ in range(5)]

    assert [reply.status for reply in replies] == [401] * 5
    assert vault.provider.calls["token:refresh_token"] == 1
    assert (await vault.connection())["health"] == "pending_refresh"
    assert (await vault.events()).count("token_refresh.pending") == 1


async def test_an_import_brings_no_token_to_a_connector_that_has_none(vault: Deployment) -> None:
    """A key goes into the settings; a token there would never be used, and never be noticed."""
    path = f"/applications/{vault.application_id}/integrations/crm/activecampaign"
    assert (await vault.manage("PUT", path, json={})).status == 200

    reply = await vault.post("/vault/connections/crm/activecampaign/import", json={"credentials": GOOD})

    assert (reply.status, reply.body["type_name"]) == (422, "InvalidStateError")


async def test_an_import_holds_no_more_settings_than_a_form(vault: Deployment) -> None:
    """A hundred; the whole import is refused."""
    before = await traces(vault)

    reply = await import_(vault, credentials=GOOD, settings={f"setting-{number}": "x" for number in range(101)})

    assert reply.status == 400
    assert await traces(vault) == before
