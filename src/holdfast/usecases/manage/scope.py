"""The operator: whoever holds the admin token, or works on the machine itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from holdfast.domain.tenancy import Caller, Scope
from holdfast.errors import ConflictError, EntityNotFoundError
from holdfast.store import Store, tenants
from holdfast.usecases.vault import Vault

# Each lost race means that somebody else's change was kept, so many hands at once are served one after the other.
ATTEMPTS = 30

T = TypeVar("T")


def operator(application_id: str) -> Scope:
    """The operator's scope on one application."""
    return Scope(application_id, Caller.own("admin"))


async def not_found(vault: Vault, application_id: str, entity: str, id: str) -> EntityNotFoundError:
    """The error for something that the application does not have; raises the application's own if there is none."""
    await tenants.application(operator(application_id), vault.store)
    return EntityNotFoundError(entity, id)


async def change(vault: Vault, application_id: str, attempt: Callable[[Store], Awaitable[T]]) -> T:
    """What `attempt` gives in a transaction of its own, tried again for as long as somebody else's change came first.

    It reads, decides on what it read, and writes. ConflictError if what it changes never stands still.
    """
    for _ in range(ATTEMPTS):
        try:
            async with vault.store.transaction() as tx:
                changed = await attempt(tx)
        except ConflictError:
            continue
        vault.recent.forget(application_id)
        return changed
    raise ConflictError("The same thing is being changed by too many requests at once.")
