"""A link is made once a minute: shown again it is the same, and nobody is ever shown somebody else's."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.domain.connection import Connection, Grant
from holdfast.domain.tenancy import Caller, ConsumerScope, Integration
from holdfast.testing.harness import SERVICE, Deployment
from holdfast.usecases import links
from holdfast.usecases.links import Links, Urls
from holdfast.usecases.subject import Subject


def shown(
    memory: Links, vault: Deployment, consumer: str = "user-1", application: str = "app", granted: int = 1
) -> Urls:
    scope = ConsumerScope(application, Caller.own("test"), consumer)
    connector = vault.vault.catalog.get("crm", SERVICE)
    held = Connection("id", consumer, "crm", SERVICE, grant=Grant(granted_at=granted))
    return memory.of(scope, Subject("crm", connector, Integration(application, "crm", SERVICE), held))


async def test_a_link_is_the_same_for_a_minute(vault: Deployment) -> None:
    """Whichever process makes it: a link counts from the beginning of its minute, and so ends within the hour."""
    memory = Links(vault.vault)
    first = shown(memory, vault)
    vault.clock.advance(59)

    assert shown(memory, vault) == first == shown(Links(vault.vault), vault)
    vault.clock.advance(1)
    assert shown(memory, vault) != first


async def test_a_remembered_link_is_its_own_connections(vault: Deployment) -> None:
    """Another consumer, another application, another grant: each has its own link, however alike they are."""
    memory = Links(vault.vault)
    asked: list[dict[str, Any]] = [{}, {"consumer": "user-2"}, {"application": "app2"}, {"granted": 2}]

    made = [shown(memory, vault, **who) for who in asked]

    assert len({one.revoke for one in made}) == len(asked)
    assert [shown(memory, vault, **who) for who in asked] == made
    assert made == [shown(Links(vault.vault), vault, **who) for who in asked]


async def test_links_are_forgotten(vault: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of an earlier minute go with the next link that is asked for, and there are never more than a few."""
    memory = Links(vault.vault)
    shown(memory, vault)
    vault.clock.advance(60)
    shown(memory, vault, consumer="user-2")
    assert len(memory) == 1

    monkeypatch.setattr(links, "REMEMBERED", 10)
    for number in range(50):
        shown(memory, vault, consumer=f"user-{number}")
        assert len(memory) <= 10


async def test_links_are_not_shown_by_accident(vault: Deployment) -> None:
    """In a log or a traceback there is no link that somebody could open."""
    assert "state=" not in repr(shown(Links(vault.vault), vault))
