"""From a code to a connection: the exchange, the grant that is kept, and the connector's own calls afterwards."""

from __future__ import annotations

from dataclasses import replace

import structlog

from holdfast.domain.connection import Connection, chosen, completed
from holdfast.domain.tenancy import Scope
from holdfast.errors import HoldfastError, OAuthCodeExchangeError, ProviderError
from holdfast.grants.call import after_connect
from holdfast.grants.flow import drive
from holdfast.grants.listing import choices
from holdfast.grants.token import Granted, exchange_code
from holdfast.store import connections
from holdfast.store.connections import Change
from holdfast.store.flows import Pending
from holdfast.usecases.credential import use as credentials
from holdfast.usecases.credential.keep import keep
from holdfast.usecases.credential.setup import check_captured, setup
from holdfast.usecases.links import callback_url
from holdfast.usecases.subject import Subject
from holdfast.usecases.vault import Vault

log = structlog.get_logger()


async def redeem(scope: Scope, vault: Vault, subject: Subject, pending: Pending) -> Subject:
    """Exchanges the code, stores the grant, then lets the connector's own calls fill in what they can.

    OAuthCodeExchangeError if the provider does not take the code, ConnectionSettingsError if what the callback
    brought leads to a host that is not the service's: then nothing is sent there.
    """
    check_captured(vault, subject, pending.captured)
    granted = await _exchange(vault, subject, pending)
    return await complete(scope, vault, await keep(scope, vault, subject, granted, enable=True))


async def complete(scope: Scope, vault: Vault, subject: Subject) -> Subject:
    """The subject after the connector's calls. The grant is kept whatever they give; what they leave empty shows
    in the connection's state."""
    asked = subject.connection
    found = await _found(scope, vault, subject)
    if asked is None:
        return subject
    offered = await _offered(scope, vault, subject.holding(completed(asked, found)))

    def decide(before: Connection | None) -> Change | None:
        # An account's values belong to that account: somebody may have connected another one meanwhile.
        if before is None or not before.same_consent(asked):
            return None
        return Change(chosen(completed(before, found), offered))

    _, after = await connections.change(scope, vault.store, subject.connector, subject.unified_api, decide)
    return subject.holding(after)


async def _exchange(vault: Vault, subject: Subject, pending: Pending) -> Granted:
    stored = subject.connection.settings if subject.connection else {}
    flow = exchange_code(
        setup(vault, subject, {**stored, **pending.captured}),
        pending.code,
        redirect_uri=callback_url(vault, pending.context),
        verifier=pending.verifier,
        now=vault.clock.now(),
    )
    try:
        granted = await drive(flow, vault.send)
    except ProviderError as error:
        raise OAuthCodeExchangeError(str(error.detail), code=error.code, status=error.status) from error
    return replace(granted, captured={**pending.captured, **granted.captured})


async def _found(scope: Scope, vault: Vault, subject: Subject) -> dict[str, str]:
    if not subject.connector.after_connect:
        return {}
    try:
        found = await credentials.call(scope, vault, subject, "after_connect", after_connect)
        check_captured(vault, subject, found)
    except HoldfastError as error:
        log.warning("after_connect_failed", service=subject.connector.id, outcome=type(error).__name__)
        return {}
    return found


async def _offered(scope: Scope, vault: Vault, subject: Subject) -> dict[str, list[dict[str, str]]]:
    if not any(s.options_from for s in subject.connector.settings):
        return {}
    try:
        offered = await credentials.call(scope, vault, subject, "options", choices)
    except HoldfastError as error:
        log.warning("options_failed", service=subject.connector.id, outcome=type(error).__name__)
        return {}
    return {id: [{"label": o.label, "value": o.value} for o in options] for id, options in offered.items()}
