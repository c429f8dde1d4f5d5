"""Events as the vault announces them: each with what its connection was when it happened."""

from __future__ import annotations

import asyncio

from holdfast.domain.tenancy import Caller, Scope
from holdfast.store import events
from holdfast.store.events import Event
from holdfast.testing.harness import SERVICE, Deployment
from holdfast.testing.provider import RawAnswer, say

REFUSED = RawAnswer(400, {"Content-Type": "application/json"}, b'{"error": "invalid_grant"}')
PATH = f"/vault/connections/crm/{SERVICE}"


async def announced(vault: Deployment) -> list[Event]:
    return await events.undelivered(Scope(vault.application_id, Caller.own("test")), vault.vault.store)


async def test_each_event_tells_the_state_of_its_moment(vault: Deployment) -> None:
    """A connection that was made, connected, switched off and deleted has been in as many states."""
    await vault.patch(PATH, json={"metadata": {"plan": "gold"}})
    await vault.connect()
    await vault.patch(PATH, json={"enabled": False})
    await vault.delete(PATH)

    found = await announced(vault)

    told = [(e.event_type.rpartition(".")[2], e.facts.state, e.facts.enabled) for e in found]
    switched_off = [("updated", "authorized", False), ("disabled", "authorized", False)]
    assert told[0] == ("created", "added", True)
    assert ("callable", "callable", True) in told
    assert told[-3:] == [*switched_off, ("deleted", "available", False)]
    assert [e.number for e in found] == list(range(1, len(found) + 1))
    last = found[-1]
    assert (last.settings["company_id"], last.facts.metadata) == ("7713204", {"plan": "gold"})
    assert last.facts.auth_type == "oauth2"
    assert last.facts.updated_at is not None


async def test_an_event_of_a_failed_refresh_tells_until_when(vault: Deployment) -> None:
    """The same as the connection tells of itself: since when it waits, and when it is given up."""
    await vault.connect()
    vault.clock.advance(7200)
    with vault.provider.behave("token:refresh_token", say(REFUSED)):
        await vault.get(f"{PATH}/leads/custom-fields")

    *_, pending = await announced(vault)

    connection = await vault.connection()
    assert pending.event_type == "vault.connection.token_refresh.pending"
    for member in ("health", "last_refresh_failed_at", "credentials_expire_at", "created_at", "updated_at"):
        assert getattr(pending.facts, member) == connection[member], member
    assert pending.facts.credentials_expire_at > vault.clock.now()


async def test_events_of_one_connection_are_in_the_order_of_its_changes(vault: Deployment) -> None:
    """However many change it at once: the last event tells what the connection is now, and no state is told twice."""
    await vault.patch(PATH, json={"metadata": {"step": "0"}})
    await asyncio.gather(*(vault.patch(PATH, json={"metadata": {f"step-{n}": "done"}}) for n in range(4)))

    updated = [e for e in await announced(vault) if e.event_type == "vault.connection.updated"]

    told = [len(e.facts.metadata) for e in updated]
    assert told == sorted(set(told))
    assert updated[-1].facts.metadata == (await vault.connection())["metadata"]
    assert updated[-1].facts.updated_at == (await vault.connection())["updated_at"]
