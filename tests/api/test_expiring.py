"""The list of connections that end soon: what only their customers can renew, in time to ask them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from nodes import Deploy

from holdfast.errors import EntityNotFoundError
from holdfast.testing.clock import TestClock
from holdfast.testing.harness import Deployment
from holdfast.testing.provider import Lifetimes, SandboxProvider
from holdfast.testing.provider.sandbox import CRM
from holdfast.usecases.manage import ExpiringData, create_application, expiring_connections

DAY = 24 * 3600


async def listed(vault: Deployment, days: int) -> list[ExpiringData]:
    return await expiring_connections(vault.vault, vault.application_id, days)


def granted(vault: Deployment, days: int) -> dict[str, object]:
    """An access token that was issued just now."""
    now = datetime.fromtimestamp(vault.clock.now() / 1000, UTC).isoformat()
    return {"access_token": "AQXdSP_W41", "issued_at": now, "expires_in": days * DAY}


async def test_a_grant_that_cannot_be_renewed_is_listed_while_it_lasts(deploy: Deploy) -> None:
    """An access token of 60 days without a refresh token, as LinkedIn gives most of its partners: it is listed in its
    last two weeks, with its end, and no longer than that."""
    clock = TestClock()
    shape = replace(CRM, lifetimes=Lifetimes(access=60 * DAY))
    async with deploy(clock=clock, provider=SandboxProvider(clock=clock, shape=shape)) as vault:
        path = "/vault/connections/crm/sandbox-crm/import"
        await vault.post(path, json={"credentials": granted(vault, 60)})
        end = clock.now() + 60 * DAY * 1000
        early = await listed(vault, 14)
        clock.advance(46 * DAY)
        (told,) = await listed(vault, 14)
        clock.advance(14 * DAY)

        assert early == []
        assert (told.consumer_id, told.service_id, told.ends_at) == ("user-1", "sandbox-crm", end)
        assert await listed(vault, 14) == []


async def test_one_that_is_refreshed_for_ever_is_not_listed(vault: Deployment) -> None:
    """Its access token ends within the hour, and nobody need do anything."""
    await vault.connect()

    assert await listed(vault, 3650) == []


async def test_one_application_sees_only_its_own(vault: Deployment) -> None:
    """And one that does not exist is told so."""
    path = "/vault/connections/crm/sandbox-crm/import"
    await vault.post(path, json={"credentials": granted(vault, 1)})
    other, _ = await create_application(vault.vault, "Contoso")

    assert len(await listed(vault, 2)) == 1
    assert await expiring_connections(vault.vault, other.id, 2) == []
    with pytest.raises(EntityNotFoundError):
        await expiring_connections(vault.vault, "nobody", 2)
