"""Connections that end soon: what only their consumers can renew."""

from __future__ import annotations

from typing import Final

import msgspec

from holdfast.domain.upkeep import DAY, ends_at
from holdfast.errors import ConnectorNotFoundError
from holdfast.store import expiring, tenants
from holdfast.store.expiring import Expiring
from holdfast.usecases.manage.scope import operator
from holdfast.usecases.vault import Vault

LIMIT: Final = 10_000


class ExpiringData(msgspec.Struct, kw_only=True):
    """A connection that ends, unless its consumer connects again. `ends_at` is milliseconds since the epoch."""

    consumer_id: str
    unified_api: str
    service_id: str
    connection_id: str
    ends_at: int


async def expiring_connections(vault: Vault, application_id: str, days: int) -> list[ExpiringData]:
    """Those of the application that end within so many days, the first of them first. EntityNotFoundError.

    One whose refresh token is kept alive is there too while its present one ends in that time.
    """
    scope = operator(application_id)
    await tenants.application(scope, vault.store)
    found = await expiring.soon(scope, vault.store, days * DAY, LIMIT)
    return [told for one in found if (told := _told(vault, one))]


def _told(vault: Vault, one: Expiring) -> ExpiringData | None:
    """None for a grant that can be had again without the consumer."""
    try:
        oauth = vault.catalog.get(one.unified_api, one.service_id).auth.oauth
    except ConnectorNotFoundError:
        return None
    end = ends_at(one.grant, oauth) if oauth else None
    if end is None:
        return None
    return ExpiringData(
        consumer_id=one.consumer_id,
        unified_api=one.unified_api,
        service_id=one.service_id,
        connection_id=one.id,
        ends_at=end,
    )
