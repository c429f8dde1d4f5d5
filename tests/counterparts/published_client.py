"""A published client of the Vault API, as a person uses it: made with an address, a key and two ids, then called."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from program import Program


class ClientError(Exception):
    """What a client threw. `status` is that of the answer, if there was one; `message` what it shows."""

    def __init__(self, type: str, status: int | None, message: str) -> None:
        super().__init__(f"{type} {status} {message}")
        self.type = type
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class PublishedClient:
    """One client, pointed at one place. `patience` is its time-out in ms; without `retries` it tries once."""

    name: str
    program: Program
    url: str
    application: str
    consumer: str
    key: str = field(repr=False)
    patience: int = 20_000
    retries: bool = True

    def having(self, **settings: Any) -> PublishedClient:
        """The same client, made with other settings."""
        return replace(self, **settings)

    async def call(self, call: str, /, **given: Any) -> Any:
        """The data of the typed answer that the client gives, spelled as the API spells it. ClientError."""
        names = ("url", "application", "consumer", "key", "patience", "retries")
        message = {"client": {name: getattr(self, name) for name in names}, "call": call, "given": given}
        outcome = await asyncio.to_thread(self.program.ask, message)
        if "error" in outcome:
            raise ClientError(**outcome["error"])
        return outcome["data"]
