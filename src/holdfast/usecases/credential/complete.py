"""What a connector's own calls fill in once an account is connected, and the choices that the account offers."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from holdfast.domain.connection import Connection, chosen, filled
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import HoldfastError
from holdfast.grants.call import after_connect
from holdfast.grants.listing import choices
from holdfast.store import connections
from holdfast.store.connections import Change
from holdfast.usecases.credential.setup import check_filled
from holdfast.usecases.credential.use import AFTER_CONNECT, CHOICES, call
from holdfast.usecases.subject import Held
from holdfast.usecases.vault import Vault

log = structlog.get_logger()


async def complete(scope: ConsumerScope, vault: Vault, subject: Held) -> Held:
    """The subject after the connector's calls. The credential is kept whatever they give; what they leave empty shows
    in the connection's state."""
    asked, connector = subject.connection, subject.connector
    if not connector.after_connect and not any(s.options_from for s in connector.settings):
        return subject
    found = await _found(scope, vault, subject)
    offered = await _offered(scope, vault, subject, found)

    def decide(before: Connection | None) -> Change | None:
        # An account's values belong to that account: somebody may have connected another one meanwhile.
        if before is None or not _is_same_account(before, asked):
            return None
        return Change(chosen(filled(before, connector, found), connector, offered))

    _, after = await connections.change(scope, vault.store, connector, subject.unified_api, decide)
    return subject.holding(after or asked)


def _is_same_account(before: Connection, asked: Connection) -> bool:
    """By its consent; where there is none, the form says whose account it is."""
    return before.same_consent(asked) and (asked.grant is not None or before.same_settings(asked))


async def _found(scope: ConsumerScope, vault: Vault, subject: Held) -> dict[str, str]:
    if not subject.connector.after_connect:
        return {}
    try:
        found = await call(scope, vault, subject, AFTER_CONNECT, after_connect)
        check_filled(vault, subject, found)
    except HoldfastError as error:
        log.warning("after_connect_failed", service=subject.connector.id, outcome=type(error).__name__)
        return {}
    return found


async def _offered(
    scope: ConsumerScope, vault: Vault, subject: Held, found: Mapping[str, str]
) -> dict[str, list[dict[str, str]]]:
    """The choices of the account, asked for with the values that were just `found` and are not stored yet."""
    if not any(s.options_from for s in subject.connector.settings):
        return {}
    try:
        offered = await call(scope, vault, subject, CHOICES, lambda known: choices(known.having(settings=found)))
    except HoldfastError as error:
        log.warning("options_failed", service=subject.connector.id, outcome=type(error).__name__)
        return {}
    return {id: [{"label": o.label, "value": o.value} for o in options] for id, options in offered.items()}
