"""The single door to a usable credential: everything that needs a token comes through `usable` or `call`.

A token that is about to expire is renewed first (`renewal`); what a provider grants is kept (`keeping`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from holdfast.domain.connection import missing
from holdfast.domain.credential import OAuthToken
from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.tenancy import Scope
from holdfast.errors import (
    ConnectionSettingsError,
    GrantRejected,
    InvalidStateError,
    OAuthCredentialsNotFoundError,
)
from holdfast.grants.call import DEAD_TOKEN
from holdfast.grants.flow import Setup, drive
from holdfast.grants.token import GRANTS
from holdfast.store import connections
from holdfast.usecases.credential.keep import keep
from holdfast.usecases.credential.refresh import is_fresh, renew
from holdfast.usecases.credential.setup import require_grant, setup, with_token
from holdfast.usecases.subject import Subject
from holdfast.usecases.vault import Vault

T = TypeVar("T")


async def usable(
    scope: Scope, vault: Vault, subject: Subject, reason: str, *, force: bool = False
) -> tuple[Subject, OAuthToken | None]:
    """The subject with a token that is good now; None where the connector needs no token.

    `force` renews a token that looks good, where the provider does that. Raises ConnectorCredentialsError when
    there is nothing to renew from, and what the provider answered (a ProviderError) when it gave nothing and the
    old token is no longer good.
    """
    if subject.connector.auth.oauth is None:
        return subject, None
    force = force and renews_early(subject.connector)
    if force or not is_fresh(subject, vault.clock.now()):
        subject = await renew(scope, vault, subject, force=force)
    token, _ = await connections.open_credential(scope, vault.store, require_grant(subject), reason)
    return subject, token


def renews_early(connector: Connector) -> bool:
    """Whether the provider renews a token that has not nearly expired."""
    return connector.auth.oauth is not None and connector.auth.oauth.refresh.not_before_expiry is None


async def call(
    scope: Scope,
    vault: Vault,
    subject: Subject,
    reason: str,
    flow: Callable[[Setup], Generator[Request, Response, T]],
) -> T:
    """Runs a flow of requests to the service with the connection's credential, refreshing it once if the service says
    that the token is dead."""
    subject, token = await usable(scope, vault, subject, reason)
    try:
        return await drive(flow(with_token(setup(vault, subject), token)), vault.send)
    except GrantRejected as error:
        grant = subject.connection.grant if subject.connection else None
        if token is None or grant is None or not grant.refreshable or error.code != DEAD_TOKEN:
            raise
    subject, token = await usable(scope, vault, subject, reason, force=True)
    return await drive(flow(with_token(setup(vault, subject), token)), vault.send)


async def exchange(scope: Scope, vault: Vault, subject: Subject) -> Subject:
    """Obtains a token with the client's or the consumer's own credentials, and stores it.

    InvalidStateError if the connector's grant needs a browser, ConnectionSettingsError or
    OAuthCredentialsNotFoundError if something to exchange is missing, a ProviderError if the provider refuses.
    """
    oauth = subject.connector.auth.oauth
    if oauth is None or oauth.grant not in GRANTS:
        raise InvalidStateError(
            "This connector does not exchange stored credentials for a token; authorize it instead."
        )
    known = setup(vault, subject)
    _require_settings(subject)
    if known.client is None:
        raise OAuthCredentialsNotFoundError("The connection needs a client_id and a client_secret.")
    granted = await drive(GRANTS[oauth.grant](known, vault.clock.now()), vault.send)
    return await keep(scope, vault, subject, granted, enable=False)


def _require_settings(subject: Subject) -> None:
    """What the consumer fills in must be there; what a call after connecting fills in comes later."""
    settings = subject.connection.settings if subject.connection else {}
    by_hand = {s.id for s in subject.connector.settings if s.filled_by == "user"}
    absent = [id for id in missing(subject.connector, settings) if id in by_hand]
    if absent:
        raise ConnectionSettingsError(f"Fill in {', '.join(absent)} first.")
