"""Secret settings: they go in and never come out; what stands for them may be sent back, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nodes import Deploy
from own_manifests import DESK, put_integration, write_manifests

from holdfast.domain.masking import PREFIX
from holdfast.testing.harness import SERVICE, Deployment, Reply

PATH = f"/vault/connections/issue-tracking/{DESK}"
SECRET = "dk_live_8c1e5f"
COMPLETE = {"subdomain": "northwind", "email": "ops@northwind.example", "api_key": SECRET}


@pytest.fixture
async def vault(deploy: Deploy, tmp_path: Path) -> AsyncIterator[Deployment]:
    """A vault with a complete connection to Acme Desk."""
    write_manifests(tmp_path)
    async with deploy() as vault:
        await put_integration(vault, "issue-tracking", DESK)
        assert (await set_settings(vault, **COMPLETE)).data["state"] == "callable"
        yield vault


async def set_settings(vault: Deployment, **settings: Any) -> Reply:
    return await vault.patch(PATH, json={"settings": settings})


async def form(vault: Deployment, **options: Any) -> dict[str, Any]:
    """The values that a form shows, by field."""
    return {f["id"]: f["value"] for f in (await vault.connection(DESK, "issue-tracking", **options))["form_fields"]}


async def key_in_use(vault: Deployment) -> str:
    """The API key with which the service is called."""
    await vault.post(f"{PATH}/validate")
    return vault.network.requests[-1].headers["Authorization"]


async def test_a_secret_setting_is_in_no_answer(vault: Deployment) -> None:
    """Neither in the form nor beside it, in the list or alone; the form shows that there is one."""
    replies = [
        await vault.get("/vault/connections"),
        await vault.get(PATH),
        await vault.patch(PATH, json={}),
        await set_settings(vault, api_key="dk_live_another"),
        await vault.post(PATH, json={"settings": {"api_key": "dk_live_a_third"}}),
        await vault.post(f"{PATH}/import", json={"settings": {"api_key": "dk_live_a_fourth"}}),
    ]

    assert [reply.text for reply in replies if "dk_live_" in reply.text] == []
    assert (await form(vault))["api_key"].startswith(PREFIX)
    assert "api_key" not in replies[1].data["settings"]


@pytest.mark.parametrize("secret", [90210123, 90210.123, True])
async def test_a_secret_that_is_no_text_is_masked_all_the_same(vault: Deployment, secret: object) -> None:
    """Some keys are numbers, and some clients send them as such."""
    reply = await set_settings(vault, api_key=secret)

    assert "90210" not in reply.text
    assert (await form(vault))["api_key"].startswith(PREFIX)
    assert (await set_settings(vault, **await form(vault))).status == 200


async def test_a_form_that_is_sent_back_changes_nothing(vault: Deployment) -> None:
    """Components send every value that they were given, hidden ones and masks included."""
    before, shown = await key_in_use(vault), await form(vault)

    reply = await set_settings(vault, **shown)

    assert reply.status == 200
    assert await form(vault) == shown
    assert await key_in_use(vault) == before


async def test_another_field_can_be_changed_beside_a_mask(vault: Deployment) -> None:
    """The usual edit of a form."""
    before = await key_in_use(vault)

    await set_settings(vault, **{**await form(vault), "signature": "Kind regards,\nNorthwind"})

    assert (await form(vault))["signature"] == "Kind regards,\nNorthwind"
    assert await key_in_use(vault) == before


async def test_an_edited_mask_is_refused(vault: Deployment) -> None:
    """It is neither the old secret nor a new one; what is stored stays."""
    before, mask = await key_in_use(vault), (await form(vault))["api_key"]
    edited = [f"{mask}x", mask[:-1], mask[:-1] + ("0" if mask[-1] != "0" else "1"), PREFIX, PREFIX + SECRET]

    replies = [await set_settings(vault, api_key=value) for value in edited]

    assert [reply.status for reply in replies] == [422] * len(edited)
    assert await key_in_use(vault) == before


async def test_a_mask_stands_for_its_own_secret_only(vault: Deployment) -> None:
    """That of another consumer, of an older secret, or of a connection that was deleted meanwhile is refused."""
    mask = (await form(vault))["api_key"]

    elsewhere = await vault.patch(PATH, json={"settings": {**COMPLETE, "api_key": mask}}, consumer="user-2")
    await set_settings(vault, api_key="dk_live_another")
    outdated = await set_settings(vault, api_key=mask)
    await set_settings(vault, api_key=SECRET)
    await vault.delete(PATH)
    resurrected = await set_settings(vault, **{**COMPLETE, "api_key": mask})

    assert [reply.status for reply in (elsewhere, outdated, resurrected)] == [422, 422, 422]


async def test_equal_secrets_do_not_show(vault: Deployment) -> None:
    """Two consumers with one key have two masks, so nobody learns that they have the same."""
    await vault.patch(PATH, json={"settings": COMPLETE}, consumer="user-2")

    assert (await form(vault))["api_key"] != (await form(vault, consumer="user-2"))["api_key"]


@pytest.mark.parametrize("value", [None, ""], ids=["null", "empty"])
async def test_a_secret_can_be_taken_away(vault: Deployment, value: str | None) -> None:
    """The connection then needs it again."""
    reply = await set_settings(vault, api_key=value)

    assert (reply.data["state"], (await form(vault))["api_key"]) == ("added", "")


@pytest.mark.parametrize(
    "members",
    [
        {"id": "crm+evil", "state": "callable", "health": "ok", "integration_state": "configured"},
        {"created_at": 1, "updated_at": 1, "credentials_expire_at": 1, "last_refresh_failed_at": 1},
        {"consent_state": "granted", "consents": [{"granted": True}], "auth_type": "none", "status": "upcoming"},
        {"authorize_url": "https://evil.example", "revoke_url": None, "form_fields": [], "name": "Evil", "icon": "x"},
        {"consumer_id": "user-2", "application_id": "x", "unified_api": "crm", "service_id": "evil", "version": 9},
    ],
    ids=lambda members: next(iter(members)),
)
async def test_what_only_the_vault_decides_is_ignored(vault: Deployment, members: dict[str, Any]) -> None:
    """Clients send a whole connection back; its read-only members, and invented ones, change nothing."""
    before = await vault.connection(DESK, "issue-tracking")

    reply = await vault.patch(PATH, json=members)

    after = await vault.connection(DESK, "issue-tracking")
    assert reply.status == 200
    assert after == before


async def test_a_connection_without_credentials_cannot_be_declared_callable(vault: Deployment) -> None:
    """Whatever a body says of itself."""
    path = f"/vault/connections/crm/{SERVICE}"

    await vault.patch(
        path, json={"enabled": True, "state": "callable", "grant": {}, "credentials": {"access_token": "x"}}
    )

    assert (await vault.connection())["state"] == "added"
