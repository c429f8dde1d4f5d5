"""The door to the network as the rest of Holdfast asks for it: two verbs, and what one call may cost.

`holdfast.outbound` is the door, `holdfast.testing.network` one for tests. It is described here because use cases and
grants stand above or beside it and need its words, not its sockets. A request's own words are in `domain.exchange`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from holdfast.domain.exchange import Request, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one call may cost, in seconds and bytes. None is no limit.

    They bound how long the line is held, not how long somebody waits for it: who must answer a caller earlier than
    `total` makes the call in a task of its own and leaves that task alone, so that what comes late still arrives.
    """

    total: float | None = 10.0
    """From the call to the last byte of its answer."""
    connect: float = 5.0
    """Until the connection stands: a place in the pool, the name, TCP and TLS."""
    head: float | None = None
    """From the last byte of the request to the head of the answer."""
    silence: float | None = None
    """Between two pieces of the answer's body, or until the server takes the next piece of an upload."""
    body: int | None = 1 << 20
    """Of the answer's body: unpacked for `send`, as it travels for `open`."""


Ready = Callable[[], Awaitable[None]]

WHOLE = Limits()
STREAM = Limits(total=3600.0, head=60.0, silence=60.0, body=None)


@dataclass(frozen=True, slots=True, repr=False)
class Upload:
    """A request's body, taken piece by piece as fast as the server does. It can be taken once.

    `length` is in bytes. Without it the body travels in chunks (RFC 9112 section 7.1), which some services refuse.
    """

    pieces: AsyncIterable[bytes]
    length: int | None = None


class Answer(Protocol):
    """The head of an answer, and its body on the way."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Name and value as they came, in their order; repeated ones apart, those of the connection included."""

    def stream(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive, in the coding in which it travels.

        The server is held up while the last piece is being dealt with. NoAnswer if the rest does not come.
        """


class Door(Protocol):
    """Calls other machines. Both verbs send a request once or not at all and follow nowhere."""

    async def send(self, request: Request, *, limits: Limits = WHOLE, ready: Ready | None = None) -> Response:
        """The whole answer, unpacked, whatever its status.

        `ready` is called when the connection stands, right before the request is written; what it raises is raised,
        and nothing is written.

        Raises EgressRefused, before anything leaves, if the destination is not allowed; RequestValidationError if
        the request cannot be written in HTTP; NoAnswer if no answer came, or not a whole one within `limits`.
        """

    def open(
        self, request: Request, upload: Upload | None = None, *, limits: Limits = STREAM
    ) -> AbstractAsyncContextManager[Answer]:
        """The answer as soon as its head is there. An `upload` takes the place of the request's body.

        Leaving the context before the end hangs up at once. Raises what `send` does, and whatever the upload's own
        pieces raise: the request then ends in the middle, so that no server takes it for a whole one.
        """
