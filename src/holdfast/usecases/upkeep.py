"""Looking after connections that nobody may be using at the moment: what is due of one, and what comes of it.

A refresh here is the same as any other, so it joins whatever is under way and is kept by the same rules. What differs
is why: nobody waits. So a token is replaced ahead only where it was used, a provider that asks for a pause gets it,
and a failure costs nothing while the old token serves.
"""

from __future__ import annotations

from typing import Final, Literal

import structlog
from prometheus_client import Counter

from holdfast.domain.upkeep import DAY, Reason, ends_at, next_due, reasons
from holdfast.errors import GrantDeferred, HoldfastError, IntegrityError, Unavailable
from holdfast.store import connections, due, journal
from holdfast.store.due import Due
from holdfast.usecases.credential.refresh import refresh
from holdfast.usecases.subject import Held, find_enabled
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

Outcome = Literal["refreshed", "failed", "unused", "off", "gone", "told"]

# The pause of a provider that answers 429 and does not say how long (seconds).
PAUSE: Final = 30

LOOKED_AFTER = Counter("holdfast_upkeep", "Connections that were due to be looked after.", ["outcome"])
ENDING = Counter("holdfast_grants_ending", "Grants that were told to be ending.")


async def keep_up(vault: Vault, claimed: Due) -> None:
    """Does what is due of a claimed connection. Unavailable; what it raises leaves it due when the claim runs out."""
    outcome = await _keep_up(vault, claimed)
    LOOKED_AFTER.labels(outcome).inc()
    log.debug("looked_after", connection=claimed.id, service=claimed.service_id, outcome=outcome)


async def _keep_up(vault: Vault, claimed: Due) -> Outcome:
    now = vault.clock.now()
    try:
        held = await _held(vault, claimed)
    except Unavailable:
        raise
    except HoldfastError:  # the integration is switched off, or was taken away with its connector
        await due.put_off(claimed.scope, vault.store, claimed, now + DAY)
        return "off"
    if held is None:
        await due.put_off(claimed.scope, vault.store, claimed, None)
        return "gone"
    why = reasons(held.connection, held.connector, claimed.since, now)
    if "ending" in why:
        _tell_ending(held, now)
    if why - {"ending"} and await _is_wanted(vault, claimed, held, why):
        return await _refresh(vault, claimed, held)
    await due.put_off(claimed.scope, vault.store, claimed, next_due(held.connection, held.connector, now))
    return "told" if why == {"ending"} else "unused"


async def _held(vault: Vault, claimed: Due) -> Held | None:
    """None if the connection, or its grant, is not there any more."""
    subject = await find_enabled(claimed.scope, vault, claimed.unified_api, claimed.service_id)
    found = await connections.one(claimed.scope, vault.store, claimed.unified_api, claimed.service_id)
    if found is None or found.id != claimed.id or found.grant is None:
        return None
    return subject.holding(found)


async def _is_wanted(vault: Vault, claimed: Due, held: Held, why: set[Reason]) -> bool:
    """Whether it is worth a request. A token that nobody used is replaced when somebody needs it, not before."""
    if why & {"keep_alive", "retry"}:
        return True
    issued_at = held.granted().grant.issued_at
    return await journal.used_since(claimed.scope, vault.store, held.connection.id, issued_at)


async def _refresh(vault: Vault, claimed: Due, held: Held) -> Outcome:
    try:
        await refresh(claimed.scope, vault, held.granted(), force=True)
    except IntegrityError:
        await due.put_off(
            claimed.scope, vault.store, claimed, vault.clock.now() + DAY
        )  # a use tells that it cannot be read
        return "failed"
    except Unavailable:
        raise
    except HoldfastError as error:
        if isinstance(error, GrantDeferred) and (error.retry_after or error.status == 429):
            vault.pauses.ask(held.connector.id, error.retry_after or PAUSE)
        return "failed"
    return "refreshed"


def _tell_ending(held: Held, now: int) -> None:
    """What nobody but the consumer can prevent is told in time."""
    grant, oauth = held.granted().grant, held.connector.auth.oauth
    assert oauth is not None  # whoever has a grant has one
    end = ends_at(grant, oauth)
    ENDING.inc()
    log.warning(
        "grant_ends_soon", connection=held.connection.id, service=held.connector.id,
        days=round(((end or now) - now) / DAY, 1),
    )  # fmt: skip
