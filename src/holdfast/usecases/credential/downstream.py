"""Whether the service itself can be reached, as the calls that are made to it show.

It is a fact about the connection (`degraded`), because one account may live on a server that is down while others do
not. Only what says nothing of the credential counts: no answer, or a gateway's word that it has none. Each change of
the fact is written and announced once, however many calls see it at once; a call that sees what is known already
writes nothing.
"""

from __future__ import annotations

import contextlib
from typing import Final

import structlog
from prometheus_client import Counter

from holdfast.domain.connection import Connection, reachable, unreachable
from holdfast.domain.door import Door
from holdfast.domain.exchange import Request, Response
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import ConflictError, NoAnswer, Unavailable
from holdfast.store import connections
from holdfast.store.connections import Change
from holdfast.usecases.subject import Held
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# RFC 9110 section 15.6: a gateway got no answer, none in time, or knows that there is nobody behind it at the moment.
UNREACHABLE: Final = frozenset({502, 503, 504})
REQUESTS = Counter("holdfast_service_requests", "Requests to services, by what they showed of them.", ["outcome"])


class Watch:
    """Sends a flow's requests. `down` is what the last of them showed of the service; None if nothing."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.down: bool | None = None

    async def send(self, request: Request) -> Response:
        """As the door does."""
        try:
            response = await self._door.send(request)
        except NoAnswer as error:
            if error.retryable:  # an answer that is larger than we take did come from the service
                self._saw(down=True)
            raise
        self._saw(down=response.status in UNREACHABLE)
        return response

    def _saw(self, *, down: bool) -> None:
        self.down = down
        REQUESTS.labels("unreachable" if down else "answered").inc()


async def note(scope: ConsumerScope, vault: Vault, held: Held, *, down: bool | None) -> None:
    """Writes down what a call of `held` showed, if that is news. A local fault costs the fact, never the answer.

    What somebody else has seen meanwhile changes nothing, and `connections.change` tells nothing of it.
    """
    if down is None or down == bool(held.connection.last_downstream_error_at):
        return
    asked = held.connection

    def decide(before: Connection | None) -> Change | None:
        if before is None or before.id != asked.id:
            return None
        if down:
            return Change(unreachable(before, vault.clock.now()), announce=("vault.connection.downstream.degraded",))
        return Change(reachable(before), announce=("vault.connection.downstream.recovered",))

    with contextlib.suppress(Unavailable, ConflictError):
        before, after = await connections.change(scope, vault.store, held.connector, held.unified_api, decide)
        if after is not before:
            log.warning(
                "service_unreachable" if down else "service_recovered", connection=asked.id, service=asked.service_id
            )
