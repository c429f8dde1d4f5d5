"""Trying a connection's credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec.structs import replace

from holdfast.domain.connection import Connection, has_credentials, missing
from holdfast.domain.tenancy import ConsumerScope
from holdfast.grants.call import Verdict, verify
from holdfast.store import connections
from holdfast.store.connections import Change
from holdfast.usecases.credential.complete import complete
from holdfast.usecases.credential.refresh import can_be_forced
from holdfast.usecases.credential.use import VALIDATE, call, use
from holdfast.usecases.subject import Held, Subject, find_enabled, with_connection
from holdfast.usecases.vault import Vault

VALIDATIONS: Mapping[Verdict, Literal["ok", "failed"] | None] = {"ok": "ok", "invalid": "failed", "unknown": None}


async def validate(scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str) -> Subject:
    """Tries the connection's credentials: a forced refresh for OAuth, the connector's verification otherwise.

    A provider that refreshes no token before its time is asked with the one there is. What the account fills in and
    could not fill in before is asked for again.
    """
    subject = await with_connection(scope, vault, await find_enabled(scope, vault, unified_api, service_id))
    tried = subject.connection
    if tried is None or not has_credentials(tried, subject.connector):
        return subject
    held = subject.holding(tried)
    if tried.grant and can_be_forced(held.granted()):
        held, _ = await use(scope, vault, held, VALIDATE, force=True)
        return await _completed(scope, vault, held)
    return await _completed(scope, vault, await _verify(scope, vault, held))


async def _completed(scope: ConsumerScope, vault: Vault, subject: Subject) -> Subject:
    """The service may have been away when the account was connected: without this, nobody could finish it."""
    held, connector = subject.connection, subject.connector
    if held is None or held.validation == "failed" or not missing(connector, held):
        return subject
    return await complete(scope, vault, subject.holding(held))


async def _verify(scope: ConsumerScope, vault: Vault, held: Held) -> Subject:
    tried = held.connection
    verdict: Verdict = "unknown"
    if held.connector.verify is not None:
        verdict = await call(scope, vault, held, VALIDATE, verify)

    def decide(before: Connection | None) -> Change | None:
        if before is None or verdict == "unknown" or not before.same_consent(tried):
            return None
        return Change(replace(before, validation=VALIDATIONS[verdict])) if before.same_settings(tried) else None

    _, after = await connections.change(scope, vault.store, held.connector, held.unified_api, decide)
    return held.with_connection(after)
