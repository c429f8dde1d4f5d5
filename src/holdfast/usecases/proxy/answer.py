"""The way of a proxied call: which connection, whether the operator lets it pass, once or again."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

from holdfast.domain.passing import Raw
from holdfast.domain.tenancy import ConsumerScope
from holdfast.usecases.proxy.call import SAFE, Wanted, proxied
from holdfast.usecases.proxy.find import find
from holdfast.usecases.proxy.once import once
from holdfast.usecases.vault import Vault


class Answered(Protocol):
    """An answer on its way to the caller."""

    @property
    def status(self) -> int: ...

    @property
    def bodiless(self) -> bool:
        """Whether no body comes, whatever length the headers give it."""

    def headers(self, *, bodiless: bool) -> list[Raw]:
        """Those that pass; `bodiless` if the caller's own method lets a body come back where none does."""

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives. NoAnswer if the rest does not come."""


@contextlib.asynccontextmanager
async def answer(
    scope: ConsumerScope, vault: Vault, service_id: str, unified_api: str | None, wanted: Wanted
) -> AsyncIterator[Answered]:
    """The service's answer to what is wanted: what `find.find`, `once.once` and `call.proxied` raise."""
    subject = await find(scope, vault, service_id, unified_api)
    key = wanted.asked.idempotency_key
    if key is not None and wanted.asked.method not in SAFE and subject.connector.request.idempotency_key is None:
        yield await once(scope, vault, subject, wanted, key)
        return
    async with proxied(scope, vault, subject, wanted) as passed:
        yield passed
