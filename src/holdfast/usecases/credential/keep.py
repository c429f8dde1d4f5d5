"""Keeping what a provider granted: the one moment in which a token can be lost, so it is never given up.

The provider has acted when its answer is here. A local fault is waited out (`insist`); a setting that came along and
leads elsewhere is left out, and the token is kept.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from holdfast.domain.connection import Connection, connected, filled, refreshed
from holdfast.domain.credential import Credential
from holdfast.domain.event import EventType
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import ConnectionSettingsError, InvalidStateError
from holdfast.grants.token import Granted as Answer
from holdfast.store import connections
from holdfast.store.connections import Also, Change, Decide
from holdfast.usecases import revocations
from holdfast.usecases.credential.insist import insist
from holdfast.usecases.credential.setup import check_filled
from holdfast.usecases.subject import Granted, Held, Subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()


async def keep_new(
    scope: ConsumerScope,
    vault: Vault,
    subject: Subject,
    used: Credential,
    grant: Answer,
    *,
    enable: bool,
    while_: Also | None = None,
) -> Held:
    """Stores a new grant on the subject's connection, which is created if need be. `enable` switches it on.

    `used` is the credential that was opened to ask for it.

    `while_` raises InvalidStateError, in the same transaction, where nobody wants the grant any more: it is then
    ended at the provider, and the error goes on.
    """
    grant = believed(vault, subject, grant)

    def decide(before: Connection | None) -> Change:
        connection = before or connections.blank(scope, subject.unified_api, subject.connector.id)
        after = connected(filled(connection, subject.connector, grant.captured), grant.token, vault.clock.now())
        return Change(after.switched_on() if enable else after, grant.token)

    try:
        _, after = await save(scope, vault, subject, decide, while_)
    except InvalidStateError:
        unwanted = decide(subject.connection).connection
        assert unwanted is not None
        await revocations.end_stray(scope, vault, subject, unwanted, used, grant.token)
        raise
    assert after is not None  # the decision made one
    return subject.holding(after)


async def keep_refreshed(
    scope: ConsumerScope, vault: Vault, asked: Granted, used: Credential, grant: Answer
) -> Subject:
    """Stores a refreshed token on the very grant that was refreshed, by the credential that was `used`.

    Where a newer grant or a deletion came first, what was granted must not live on unknown to anybody: it is ended.
    """
    grant = believed(vault, asked, grant)
    recovered: tuple[EventType, ...] = ()
    if asked.connection.failure:
        recovered = ("vault.connection.token_refresh.recovered",)

    def decide(before: Connection | None) -> Change | None:
        if before is None or not before.same_grant(asked.connection):
            return None
        after = refreshed(filled(before, asked.connector, grant.captured), grant.token)
        return Change(after, grant.token, recovered)

    before, after = await save(scope, vault, asked, decide)
    if after is before:
        await revocations.end_stray(scope, vault, asked, asked.connection, used, grant.token)
    return asked.with_connection(after)


async def save(
    scope: ConsumerScope, vault: Vault, subject: Subject, decide: Decide, also: Also | None = None
) -> tuple[Connection | None, Connection | None]:
    """Changes the connection, trying again for as long as the database is not there."""

    async def write() -> tuple[Connection | None, Connection | None]:
        return await connections.change(scope, vault.store, subject.connector, subject.unified_api, decide, also)

    return await insist(vault, subject.connector.id, write)


def believed(vault: Vault, subject: Subject, grant: Answer) -> Answer:
    """`grant`, without settings that lead elsewhere: a token is kept whatever came beside it."""
    try:
        check_filled(vault, subject, grant.captured)
    except ConnectionSettingsError:
        log.warning("captured_settings_refused", service=subject.connector.id)
        return replace(grant, captured={})
    return grant
