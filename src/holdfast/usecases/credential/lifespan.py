"""What a service's word that a token is dead teaches, where the provider has told no lifetime."""

from __future__ import annotations

import contextlib
from typing import Final

import structlog
from msgspec.structs import replace

from holdfast.domain.tenancy import ConsumerScope
from holdfast.domain.upkeep import next_due
from holdfast.errors import ConflictError, Unavailable
from holdfast.store import lifespan
from holdfast.usecases.subject import Held
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# A token that dies sooner was ended by somebody: that says nothing about how long the next one lives (ms).
LEAST: Final = 300_000


async def tell_dead(scope: ConsumerScope, vault: Vault, held: Held) -> None:
    """The service refused the token of `held`. Where its expiry was not known, it has expired by now.

    Without that, a connection whose refresh nobody knows the end of would wait for an expiry that never comes.
    """
    grant = held.connection.grant
    if grant is not None and grant.expires_at is None:
        with contextlib.suppress(Unavailable):  # the service says it again
            await lifespan.died(scope, vault.store, held.connection)


async def learn(scope: ConsumerScope, vault: Vault, dead: Held, renewed: Held, died_at: int) -> None:
    """The token of `dead` was refused at `died_at` (ms), and the one of `renewed` serves: so much did it live at most.

    Only the two together are a proof; a service may refuse a token for other reasons. A local fault costs the lesson,
    never the answer.
    """
    before, after = dead.connection.grant, renewed.connection.grant
    if before is None or after is None or before.expires_at is not None or after.expires_at is not None:
        return
    life = died_at - before.issued_at
    if life < LEAST or (before.learned_life and life >= before.learned_life):
        return
    lesson = replace(renewed.connection, grant=replace(after, learned_life=life))
    due_at = next_due(lesson, renewed.connector, vault.clock.now())
    with contextlib.suppress(Unavailable, ConflictError):
        await lifespan.learn(scope, vault.store, renewed.connection, life, due_at)
        log.info("life_learned", connection=lesson.id, service=lesson.service_id, seconds=life // 1000)
