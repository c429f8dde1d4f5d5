"""Two operators at two nodes change different members of the same thing at the same moment: nothing is lost."""

from __future__ import annotations

import asyncio

from nodes import another_node

from holdfast.domain.tenancy import IntegrationSecrets
from holdfast.store import integrations
from holdfast.testing.harness import CLIENT_SECRET, SERVICE, Deployment
from holdfast.usecases import manage
from holdfast.usecases.subject import find_subject

ROUNDS = 50


async def test_two_changes_of_an_application_are_both_kept(vault: Deployment) -> None:
    """The name from one node, the redirect URIs from the other, in every one of many rounds."""
    where, lost = f"/applications/{vault.application_id}", []

    async with another_node(vault) as other:
        for round in range(ROUNDS):
            name, uris = f"Acme {round}", [f"https://app.example.com/{round}"]
            replies = await asyncio.gather(
                vault.manage("PATCH", where, json={"name": name}),
                other.manage("PATCH", where, json={"redirect_uris": uris}),
            )
            told = (await vault.manage("GET", where)).data
            lost += [round] if (told["name"], told["redirect_uris"]) != (name, uris) else []
            assert [reply.status for reply in replies] == [200, 200]

    assert lost == []


async def test_two_changes_of_an_integration_are_both_kept(vault: Deployment) -> None:
    """A new secret from one node, the switch from the other; what is sealed opens and is the new one."""
    where, lost = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}", []

    async with another_node(vault) as other:
        for round in range(ROUNDS):
            secret, enabled = f"secret-{round}", bool(round % 2)
            replies = await asyncio.gather(
                vault.manage("PUT", where, json={"client_secret": secret}),
                other.manage("PUT", where, json={"enabled": enabled, "client_id": f"client-{round}"}),
            )
            told = (await vault.manage("GET", where)).data
            opened = await secrets(vault)
            assert opened.client is not None
            kept = (told["enabled"], told["client_id"], opened.client.client_secret)
            lost += [round] if kept[:2] != (enabled, f"client-{round}") or secret_of(opened) != secret else []
            assert [reply.status for reply in replies] == [200, 200]

    assert lost == []


async def test_two_who_set_up_the_same_integration_first_are_both_heard(vault: Deployment) -> None:
    """One makes the row, and the other changes it."""
    where = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"

    async with another_node(vault) as other:
        for _ in range(ROUNDS // 5):
            await vault.manage("DELETE", where)
            await asyncio.gather(
                vault.manage("PUT", where, json={"client_id": "one"}),
                other.manage("PUT", where, json={"scopes": ["leads:read"]}),
            )
            told = (await vault.manage("GET", where)).data
            assert (told["client_id"], told["scopes"]) == ("one", ["leads:read"])


async def test_each_writer_seals_under_a_generation_of_its_own(vault: Deployment) -> None:
    """No two blobs of one integration were ever written for the same place, not even after it was made anew."""
    where = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
    seen = []

    for step in ("PUT", "PUT", "DELETE", "PUT"):
        vault.clock.advance(1)
        body = {"client_id": "acme", "client_secret": "s3"} if step == "PUT" else None
        await vault.manage(step, where, json=body)
        row = await vault.vault.store.q.one("SELECT generation FROM integrations")
        seen += [row["generation"]] if row else []

    assert len(set(seen)) == len(seen) == 3


async def test_an_integration_that_does_not_open_is_told_and_mended(vault: Deployment) -> None:
    """Showing it opens nothing; whoever would use it gets an error; a new secret makes it whole."""
    where = f"/applications/{vault.application_id}/integrations/crm/{SERVICE}"
    url = await vault.authorize_url()
    await vault.vault.store.q.run("UPDATE integrations SET sealed = :junk", junk=b"HF\x01" + bytes(200))
    vault.clock.advance(2)

    shown, listed = await vault.manage("GET", where), await vault.get("/vault/connections")
    used = await vault.open(url)
    await vault.manage("PUT", where, json={"client_secret": CLIENT_SECRET})

    assert (shown.data["integration_state"], listed.status, len(listed.data)) == ("configured", 200, 1)
    assert used.parameters["error_type"] == "IntegrityError"
    await vault.connect()
    assert (await vault.connection())["state"] == "callable"


async def test_a_change_is_seen_at_once_and_leaves_other_applications_alone(vault: Deployment) -> None:
    """What is remembered of one application is not forgotten because another one changed."""
    made, _ = await manage.create_application(vault.vault, "Other")
    mine, theirs = manage.operator(vault.application_id), manage.operator(made.id)
    await find_subject(mine, vault.vault, "crm", SERVICE)
    await vault.vault.store.q.run("UPDATE integrations SET enabled = :no", no=False)

    await manage.put_integration(vault.vault, theirs.application_id, "crm", SERVICE, manage.IntegrationChange())
    remembered = await find_subject(mine, vault.vault, "crm", SERVICE)
    await manage.put_integration(
        vault.vault, mine.application_id, "crm", SERVICE, manage.IntegrationChange(scopes=("leads:read",))
    )
    read = await find_subject(mine, vault.vault, "crm", SERVICE)

    assert (remembered.integration.enabled, read.integration.enabled) == (True, False)
    assert read.integration.scopes == ("leads:read",)


async def secrets(vault: Deployment) -> IntegrationSecrets:
    opened = await integrations.unseal(manage.operator(vault.application_id), vault.vault.store, "crm", SERVICE)
    assert opened is not None
    return opened


def secret_of(opened: IntegrationSecrets) -> str | None:
    return opened.client.client_secret.reveal() if opened.client and opened.client.client_secret else None
