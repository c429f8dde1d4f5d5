"""A token request that cannot be made again: its answer is on disk before anybody looks at it."""

from __future__ import annotations

from holdfast import failpoints
from holdfast.domain.door import Ready
from holdfast.domain.exchange import Request, Response
from holdfast.store.seal.box import Box
from holdfast.store.spool import About, Callback, Entry
from holdfast.usecases.credential.obtain import TOKEN_REQUEST
from holdfast.usecases.vault import Vault


class Once:
    """Sends the request of a token flow, as a door does, and keeps what it brings until `drop`.

    `box` seals the answer; it is taken beforehand, because the database may be away when the answer comes. `ready` is
    the door's.
    """

    def __init__(
        self, vault: Vault, box: Box, about: About, *, ready: Ready | None = None, callback: Callback | None = None
    ) -> None:
        self._vault = vault
        self._box = box
        self._about = about
        self._ready = ready
        self._callback = callback
        self._entry: Entry | None = None

    async def send(self, request: Request) -> Response:
        """The answer. Where the disk takes nothing it is kept in memory alone, which is told (`Spool.put`)."""
        response = await self._vault.door.send(request, limits=TOKEN_REQUEST, ready=self._ready)
        await failpoints.at(f"{self._about.kind}.answered")
        self._entry = await self._vault.spool.put(self._box, self._about, response, self._callback)
        await failpoints.at(f"{self._about.kind}.spooled")
        return response

    def drop(self) -> None:
        """The answer is stored, or means nothing."""
        if self._entry is not None:
            self._entry.drop()
