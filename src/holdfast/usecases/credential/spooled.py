"""An answer that a dead process has left in the spool becomes what it would have become: the same reading, the same
keeping, only later."""

from __future__ import annotations

import structlog

from holdfast import failpoints
from holdfast.domain.connection import Connection, Grant, filled
from holdfast.domain.credential import Credential
from holdfast.domain.exchange import Response
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import ConflictError, IntegrityError, InvalidStateError, ProviderError, Unavailable
from holdfast.grants.sent import Sent
from holdfast.grants.token import granted_by
from holdfast.store import connections
from holdfast.store.connections import Stored
from holdfast.store.presentations import Claim, Sender
from holdfast.store.spool import About, Callback, Entry
from holdfast.usecases.credential.failure import note
from holdfast.usecases.credential.keep import keep_redeemed, keep_refreshed
from holdfast.usecases.credential.setup import setup_with
from holdfast.usecases.subject import Held, Subject, find_subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()


async def take_up(vault: Vault, entry: Entry) -> Held | None:
    """Stores the answer of an entry whose process is dead; what a code was exchanged for, if that is new.

    Call it under the lock of its connection. Unavailable if the database is away: the entry stays.
    """
    await failpoints.at("recovery.found")
    about = entry.about
    try:
        kept = await _stored(vault, entry)
    except (Unavailable, ConflictError):
        raise
    except Exception as error:  # noqa: BLE001 - gone, unreadable or read wrongly: no reason to serve nobody for it
        entry.set_aside(type(error).__name__)
        return None
    await failpoints.at("recovery.stored")
    log.info("answer_recovered", connection=about.connection_id, service=about.service_id, kind=about.kind)
    entry.drop()
    return kept


async def _stored(vault: Vault, entry: Entry) -> Held | None:
    about = entry.about
    subject = await find_subject(about.scope, vault, about.unified_api, about.service_id)
    response, callback = await entry.open(vault.store)
    if callback is not None:
        return await _redeemed(vault, subject, about, response, callback)
    await _refreshed(vault, subject, entry, response)
    return None


async def _refreshed(vault: Vault, subject: Subject, entry: Entry, response: Response) -> None:
    about = entry.about
    asked, credential = await _as_it_was(about.scope, vault, subject, about)
    known = await setup_with(about.scope, vault, asked, credential)
    try:
        answer = granted_by(known, response, about.asked_at, credential.token)
    except ProviderError as error:
        of = (about.unified_api, about.service_id, about.connection_id, about.generation, about.number)
        claim = Claim(*of, Sender(vault.spool.sender().node, entry.process))
        await note(about.scope, vault, asked, claim, Sent(known.secrets()).hidden_in(error), presented=True)
        return
    answer = answer.without(Sent(known.secrets()))
    await keep_refreshed(about.scope, vault, asked, credential, answer, attempt=about.number)


async def _redeemed(
    vault: Vault, subject: Subject, about: About, response: Response, callback: Callback
) -> Held | None:
    asked, credential = await _as_it_was(about.scope, vault, subject, about)
    held = subject.holding(filled(asked.connection, subject.connector, callback.captured))
    known = await setup_with(about.scope, vault, held, credential)
    try:
        answer = granted_by(known, response, about.asked_at).without(Sent(known.secrets()))
        return await keep_redeemed(about.scope, vault, subject, answer, callback, about.consent, credential)
    except (ProviderError, InvalidStateError) as error:
        # The browser that waited for it has gone; the authorization is begun again.
        log.warning("code_not_kept", connection=about.connection_id, error=type(error).__name__)
        return None


async def _as_it_was(scope: ConsumerScope, vault: Vault, subject: Subject, about: About) -> tuple[Held, Credential]:
    """The connection and the credential that the answer was asked for with; no credential if another one has taken its
    place."""
    stored = await connections.stored(scope, vault.store, about.unified_api, about.service_id)
    same = stored and (stored.connection.id, stored.connection.credential_generation)
    if stored is not None and same == (about.connection_id, about.generation):
        return subject.holding(stored.connection), await _opened(scope, vault, stored)
    gone = Connection(
        about.connection_id, about.consumer_id, about.unified_api, about.service_id,
        grant=Grant(about.granted_at), consent=about.consent, credential_generation=about.generation,
    )  # fmt: skip
    return subject.holding(gone), Credential()


async def _opened(scope: ConsumerScope, vault: Vault, stored: Stored) -> Credential:
    try:
        return await connections.open_credential(scope, vault.store, stored, "refresh")
    except IntegrityError:
        return Credential()  # what was granted since is kept all the same
