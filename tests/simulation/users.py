"""What people and programs do with the connection, by the real use cases."""

from __future__ import annotations

import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.errors import ConnectorCredentialsError, HoldfastError, InvalidStateError, RefreshRejected
from holdfast.store import flows, jobs, revocations
from holdfast.store.flows import Flow, Pending
from holdfast.usecases import connections
from holdfast.usecases import revocations as ending
from holdfast.usecases.credential.redeem import redeem
from holdfast.usecases.credential.use import VALIDATE, use
from holdfast.usecases.subject import find_enabled, with_connection

if TYPE_CHECKING:
    from tests.simulation.machines import Running
    from tests.simulation.world import World

API = "crm"


@dataclass(eq=False)
class Op:
    """One consent. `spent_at`: the step at which its state was spent; `numbered_at`: when it got its number."""

    code: str
    spent_at: int = 0
    numbered_at: int = 0
    result: str = ""


OP: ContextVar[Op | None] = ContextVar("op", default=None)


async def use_it(world: World, by: Running, *, force: bool = False) -> str:
    """Uses the connection: what the caller is told."""
    vault = by.vault
    try:
        subject = await find_enabled(world.scope, vault, API, world.case.service)
        await use(world.scope, vault, subject, VALIDATE, force=force)
    except HoldfastError as error:
        world.laws.tells(by, error)
        return type(error).__name__
    return "ok"


async def come_back(world: World, by: Running, code: str) -> str:
    """The customer has consented, and the browser brings the code."""
    vault, scope, service = by.vault, world.scope, world.case.service
    op = Op(code)
    OP.set(op)
    mac = secrets.token_bytes(16)
    flow = Flow(API, service, "", None, binding_mac=b"cookie")
    try:
        async with vault.store.transaction() as tx:
            await flows.begin(scope, tx, mac, flow)
        subject = await with_connection(scope, vault, await find_enabled(scope, vault, API, service))
        if (await flows.spend(vault.store, mac, b"cookie"))[1].ended:
            raise InvalidStateError(flows.ENDED)  # as the callback does
        op.spent_at = world.laws.begins(op)
        await redeem(scope, vault, subject, Pending(API, service, code, None, "", {}, ("flow", mac)))
    except HoldfastError as error:
        op.result = type(error).__name__
    else:
        op.result = "ok"
    return op.result


async def delete(world: World, by: Running) -> None:
    """The connection is deleted, and its grant is ended at the provider."""
    try:
        await connections.delete(world.scope, by.vault, API, world.case.service)
    except HoldfastError:
        return


async def revoke_due(by: Running) -> None:
    """As the worker does, one at a time."""
    try:
        while (job := await jobs.take(by.vault.store, revocations.KIND)) is not None:
            await ending.work(by.vault, job)
    except HoldfastError:
        return


def asks_to_reconnect(error: HoldfastError) -> bool:
    return isinstance(error, ConnectorCredentialsError | RefreshRejected)
