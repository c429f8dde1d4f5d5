"""Obtaining a credential: one protocol for a code, a password, client credentials and a refresh token.

The provider is asked in a task of its own, one at a time for each connection, and what it grants is kept before
anybody is told. Nobody's leaving stops that: a caller only waits. The result is an `Outcome`, a fact that each waiter
judges for itself: one may be content with the old token where another one asked for proof.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from holdfast.domain.door import Door, Limits
from holdfast.domain.exchange import Send
from holdfast.errors import HoldfastError
from holdfast.grants.flow import drive
from holdfast.grants.sent import Sent
from holdfast.grants.token import Granted as Answer
from holdfast.grants.token import TokenFlow
from holdfast.usecases.subject import Subject

# A token request cannot be repeated, so its answer is waited for long after whoever asked has been told to come back
# (seconds). Whoever asked waits `flight.PATIENCE`.
TOKEN_REQUEST = Limits(total=120.0, head=120.0)

Keep = Callable[[Answer], Awaitable[Subject]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a flight came to: the subject afterwards, and what went wrong."""

    subject: Subject
    error: HoldfastError | None = None

    def or_raise(self) -> Subject:
        """The subject, for whoever is content with nothing but success."""
        if self.error is not None:
            raise self.error
        return self.subject


def asking(door: Door) -> Send:
    """Sends a token request that can be made again, whose answer needs no keeping before it is read."""
    return partial(door.send, limits=TOKEN_REQUEST)


async def obtain(subject: Subject, flow: TokenFlow, send: Send, sent: Sent, keep: Keep) -> Outcome:
    """Asks the provider by `flow`, which spends what is `sent`, and keeps what it grants.

    Call it in flight (`Vault.flights`): it is not to stop between the two.
    """
    try:
        answer = await drive(flow, send, sent)
    except HoldfastError as error:
        return Outcome(subject, error=error)
    return Outcome(await keep(answer))
