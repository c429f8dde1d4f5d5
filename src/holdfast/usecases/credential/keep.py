"""Keeping what a provider granted: the one moment in which a token can be lost, so it is not given up lightly.

The provider has acted when its answer is here. A local fault is waited out, for as long as the lease lasts; a
setting that came along and leads elsewhere is left out, and the token is kept.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from holdfast.domain.connection import Connection, connected
from holdfast.domain.tenancy import Scope
from holdfast.errors import ConflictError, ConnectionSettingsError, Unavailable
from holdfast.grants.token import Granted
from holdfast.store import connections
from holdfast.store.connections import Change, Decide
from holdfast.usecases.credential.setup import check_captured
from holdfast.usecases.subject import Subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

# Seconds between tries to save: 15 in all, which with the outbound call before is less than a lease.
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 7.0)


async def keep(scope: Scope, vault: Vault, subject: Subject, granted: Granted, *, enable: bool) -> Subject:
    """Stores a new grant on the subject's connection, which is created if need be.

    Unavailable if it could not be stored for a quarter of a minute.
    """
    granted = believed(vault, subject, granted)

    def decide(before: Connection | None) -> Change:
        connection = before or connections.blank(scope, subject.unified_api, subject.connector.id)
        after = connected(connection, granted.token, granted.captured, vault.clock.now())
        return Change(after if after.enabled or not enable else after.switched_on(), granted.token)

    _, after = await save(scope, vault, subject, decide)
    return subject.holding(after)


async def save(
    scope: Scope, vault: Vault, subject: Subject, decide: Decide
) -> tuple[Connection | None, Connection | None]:
    """Changes the connection, trying again while the database is not there. Unavailable in the end."""
    for pause in (*PAUSES, None):
        try:
            return await connections.change(scope, vault.store, subject.connector, subject.unified_api, decide)
        except (Unavailable, ConflictError):
            if pause is None:
                break
            await vault.clock.sleep(pause)
    log.error("granted_token_lost", service=subject.connector.id)
    raise Unavailable("What the provider granted could not be stored. Authorize the connection again.")


def believed(vault: Vault, subject: Subject, granted: Granted) -> Granted:
    """`granted`, without settings that lead elsewhere: a token is kept whatever came beside it."""
    try:
        check_captured(vault, subject, granted.captured)
    except ConnectionSettingsError:
        log.warning("captured_settings_refused", service=subject.connector.id)
        return replace(granted, captured={})
    return granted
