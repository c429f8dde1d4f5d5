"""Keeping what a provider granted: the one moment in which a token can be lost, so it is never given up.

The provider has acted when its answer is here. A local fault is waited out (`insist`); a setting that came along and
leads elsewhere is left out, and the token is kept. An answer is stored on the credential that it was asked for and on
no other; where another one stands there, `domain.presentation.judge` says what that means: a lost acknowledgement and a
lost race look alike, and to end what was stored in the first case would be to lose it.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from holdfast import failpoints
from holdfast.domain.connection import Connection, connected, filled, refreshed
from holdfast.domain.credential import Credential
from holdfast.domain.event import EventType
from holdfast.domain.presentation import judge
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import ConnectionSettingsError, InvalidStateError
from holdfast.grants.token import Granted as Answer
from holdfast.store import Store, connections, flows
from holdfast.store.connections import Also, Change, Decide, Stored
from holdfast.store.spool import Callback
from holdfast.usecases import revocations
from holdfast.usecases.credential.insist import insist
from holdfast.usecases.credential.setup import check_filled
from holdfast.usecases.subject import Held, Subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()


async def keep_new(
    scope: ConsumerScope,
    vault: Vault,
    subject: Subject,
    answer: Answer,
    *,
    consent: int,
    enable: bool,
    while_: Also,
    used: Credential,
) -> Held:
    """Stores a new grant on the subject's connection, which is created if need be. `enable` switches it on.

    `consent`: its number, taken before it was spent (`tenants.number_consent`); a grant with a greater one stays, and
    this one is ended. `while_` raises InvalidStateError, in the same transaction, where nobody wants the grant any
    more: it is then ended at the provider, and the error goes on. `used` holds the secrets that it was obtained with.
    """
    answer = believed(vault, subject, answer)

    def granted(before: Connection | None) -> Connection:
        connection = before or connections.blank(scope, subject.unified_api, subject.connector.id)
        after = connected(
            filled(connection, subject.connector, answer.captured), answer.token, vault.clock.now(), consent
        )
        return after.switched_on() if enable else after

    def decide(before: Connection | None) -> Change | None:
        if before is not None and before.consent >= consent:
            return None
        return Change(granted(before), answer.token)

    try:
        _, after = await _save(scope, vault, subject, decide, _at("redeem.storing", while_))
        await failpoints.at("redeem.stored")
    except InvalidStateError:
        await _end(scope, vault, subject, granted(subject.connection), used, answer)
        raise
    assert after is not None  # the decision made one, or there was one
    if after.consent != consent:
        await _end(scope, vault, subject, granted(after), used, answer)
    return subject.holding(after)


async def keep_redeemed(
    scope: ConsumerScope,
    vault: Vault,
    subject: Subject,
    answer: Answer,
    callback: Callback,
    consent: int,
    used: Credential,
) -> Held:
    """Stores what a code was exchanged for by the consent of that number, with what its callback brought.

    InvalidStateError, and the grant is ended, if the authorization was ended meanwhile.
    """

    async def stands(tx: Store, _: Stored | None) -> None:
        await flows.require_standing(scope, tx, callback.origin)

    with_callback = replace(answer, captured={**callback.captured, **answer.captured})
    return await keep_new(scope, vault, subject, with_callback, consent=consent, enable=True, while_=stands, used=used)


async def keep_refreshed(
    scope: ConsumerScope, vault: Vault, asked: Held, used: Credential, answer: Answer, *, attempt: int
) -> Subject:
    """Stores a refreshed token on the very grant that was refreshed, by the credential that was `used`.

    Where another consent or a deletion came first, what was granted must not live on unknown to anybody: it is ended.
    """
    answer = believed(vault, asked, answer)

    def decide(before: Connection | None) -> Change | None:
        if before is None or not before.same_grant(asked.connection):
            return None
        recovered: tuple[EventType, ...] = ("vault.connection.token_refresh.recovered",)
        after = refreshed(filled(before, asked.connector, answer.captured), answer.token, attempt)
        return Change(after, answer.token, recovered if before.failure or before.unresolved else ())

    before, after = await _save(scope, vault, asked, decide, _at("refresh.storing"))
    await failpoints.at("refresh.stored")
    if after is before and judge(after, asked.connection, attempt) == "unwanted":
        await _end(scope, vault, asked, asked.connection, used, answer)
    return asked.with_connection(after)


def believed(vault: Vault, subject: Subject, answer: Answer) -> Answer:
    """`answer`, without settings that lead elsewhere: a token is kept whatever came beside it."""
    try:
        check_filled(vault, subject, answer.captured)
    except ConnectionSettingsError:
        log.warning("captured_settings_refused", service=subject.connector.id)
        return replace(answer, captured={})
    return answer


async def _save(
    scope: ConsumerScope, vault: Vault, subject: Subject, decide: Decide, also: Also
) -> tuple[Connection | None, Connection | None]:
    """Changes the connection, trying again for as long as the database is not there."""

    async def write() -> tuple[Connection | None, Connection | None]:
        return await connections.change(scope, vault.store, subject.connector, subject.unified_api, decide, also)

    return await insist(vault, subject.connector.id, write)


async def _end(
    scope: ConsumerScope, vault: Vault, subject: Subject, of: Connection, used: Credential, answer: Answer
) -> None:
    """Nobody has the token but us, so owing its end is insisted on as well."""
    stray = replace(used, token=answer.token)
    await insist(vault, subject.connector.id, lambda: revocations.end_stray(scope, vault, subject, of, stray))


def _at(point: str, also: Also | None = None) -> Also:
    async def reached(tx: Store, held: Stored | None) -> None:
        await failpoints.at(point)
        if also is not None:
            await also(tx, held)

    return reached
