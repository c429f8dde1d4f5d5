"""A connection with a token that can be refreshed, as a consent leaves it."""

from __future__ import annotations

from functools import lru_cache

from holdfast.catalog import Catalog
from holdfast.domain.connection import Connection, connected
from holdfast.domain.credential import OAuthToken, Secret
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.tenancy import ConsumerScope
from holdfast.store import Store, connections
from holdfast.store.connections import Change

API, SERVICE = "crm", "pipedrive"
TOKEN = OAuthToken(Secret("at-1"), Secret("rt-1"))


async def granted(scope: ConsumerScope, store: Store, token: OAuthToken = TOKEN, consent: int = 1) -> Connection:
    """Stores `token` on the scope's connection, by the consent of that number."""

    def decide(before: Connection | None) -> Change:
        connection = before or connections.blank(scope, API, SERVICE)
        return Change(connected(connection, token, store.clock.now(), consent), token)

    _, after = await connections.change(scope, store, connector_of(), API, decide)
    assert after is not None
    return after


@lru_cache
def connector_of() -> Connector:
    """The connector that the connection is of."""
    return Catalog.load().get(API, SERVICE)
