"""The single door to a usable credential: opened, renewed, used.

Everything that needs a token comes through `usable` or `call`. A token that is about to expire is renewed first,
once: callers in this process join one flight, processes take a lease on the row, and the answer is saved only if
the generation that was renewed is still the current one. What the provider says is *rejected* (kept for 48 hours,
then given up), *misconfigured* (nothing is known against the connection) or *deferred* (the old token serves
while it lives).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, TypeVar
from uuid import uuid4

import structlog

from holdfast.domain.connection import Connection, connected, cooling_down, refresh_deferred, refresh_refused, refreshed
from holdfast.domain.connector import Connector
from holdfast.domain.credential import Client, OAuthToken, Secret
from holdfast.domain.event import EventType
from holdfast.domain.exchange import Request, Response
from holdfast.domain.form import check_urls, texts
from holdfast.domain.tenancy import Scope
from holdfast.errors import (
    ConnectionSettingsError,
    ConnectorCredentialsError,
    EgressRefused,
    GrantDeferred,
    GrantMisconfigured,
    GrantRejected,
    InvalidStateError,
    OAuthCredentialsNotFoundError,
    ProviderError,
    Unavailable,
)
from holdfast.grants.flow import Setup, drive
from holdfast.grants.token import GRANTS, Granted, TokenFlow, refresh
from holdfast.store import connections, outbox
from holdfast.store.connections import Change, Lease
from holdfast.usecases import Vault
from holdfast.usecases.tenants import Subject

log = structlog.get_logger()
T = TypeVar("T")

# A token is renewed when it has less than this to live (ms).
MIN_VALID = 30_000
# Longer than an outbound call may take, so that a holder who is alive never loses its lease.
LEASE = 30_000
WAIT, WAIT_LIMIT = 0.025, 20.0


def setup(vault: Vault, subject: Subject, settings: dict[str, Any] | None = None) -> Setup:
    """What a grant needs to know of the subject, without a credential. `settings` stand in for the stored ones."""
    connector, integration = subject.connector, subject.integration
    if settings is None:
        settings = dict(subject.connection.settings) if subject.connection else {}
    values = texts(connector, settings)
    client = _client(subject, values)
    app = {id: secret.reveal() for id, secret in integration.settings.items()}
    now = vault.clock.now()
    return Setup(
        connector=connector,
        hosts=vault.catalog.allowed_hosts(connector),
        client=client,
        values={
            "settings": values,
            "app": {s.id: s.default for s in connector.at("integration") if s.default} | app,
            "cred": _client_values(client),
            "sys": {"now": str(now // 1000), "now_ms": str(now), "uuid": str(uuid4())},
        },
    )


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
    connection = _require_grant(subject)
    force = force and renews_early(subject.connector)
    if force or not _fresh(subject, connection, vault.clock.now()):
        subject = await _renewed(scope, vault, subject, force)
        connection = _require_grant(subject)
    token, _ = await connections.open_credential(scope, vault.store, connection, reason)
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
    """Runs a flow of requests to the service with the connection's credential, renewing it once after a refusal."""
    subject, token = await usable(scope, vault, subject, reason)
    try:
        return await drive(flow(_with_token(setup(vault, subject), token)), vault.send)
    except GrantRejected:
        if token is None or not (
            subject.connection and subject.connection.grant and subject.connection.grant.refreshable
        ):
            raise
    subject, token = await usable(scope, vault, subject, reason, force=True)
    return await drive(flow(_with_token(setup(vault, subject), token)), vault.send)


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
    granted = await drive(GRANTS[oauth.grant](_complete(setup(vault, subject)), vault.clock.now()), vault.send)
    return await keep(scope, vault, subject, granted)


async def keep(scope: Scope, vault: Vault, subject: Subject, granted: Granted) -> Subject:
    """Stores a new grant on the subject's connection, which is created if need be."""
    check_captured(vault, subject, dict(granted.captured))

    def decide(before: Connection | None) -> Change:
        connection = before or connections.blank(scope, subject.unified_api, subject.connector.id)
        return Change(connected(connection, granted.token, granted.captured, vault.clock.now()), granted.token)

    _, after = await connections.change(scope, vault.store, subject.connector, subject.unified_api, decide)
    return subject.holding(after)


def check_captured(vault: Vault, subject: Subject, captured: dict[str, str]) -> None:
    """What the provider or the browser filled in may lead only to hosts of the service."""
    stored = dict(subject.connection.settings) if subject.connection else {}
    check_urls(subject.connector, {**stored, **captured}, vault.catalog.allowed_hosts(subject.connector))


async def _renewed(scope: Scope, vault: Vault, subject: Subject, force: bool) -> Subject:
    connection = _require_grant(subject)
    key = (scope.application_id, connection.id)
    generation = connection.credential_generation
    return await vault.flights.join(key, lambda: _renew(scope, vault, subject, generation, force))


async def _renew(scope: Scope, vault: Vault, subject: Subject, generation: int, force: bool) -> Subject:
    """Look, take the lease, look again, renew: whoever finds the work done by somebody else goes home."""
    waited = 0.0
    while True:
        connection = _require_grant(await _current(scope, vault, subject))
        subject = subject.holding(connection)
        moved = connection.credential_generation != generation
        if moved or (not force and _fresh(subject, connection, vault.clock.now())):
            return subject
        if not force and cooling_down(connection, vault.clock.now()):
            return _while_cooling(subject, connection, vault.clock.now())
        lease = await connections.take_lease(scope, vault.store, connection, LEASE)
        if lease is not None:
            return await _renew_under(lease, scope, vault, subject, force)
        if waited >= WAIT_LIMIT:
            raise Unavailable("Another process is renewing this credential and has not finished.")
        await vault.clock.sleep(WAIT)
        waited += WAIT


async def _renew_under(lease: Lease, scope: Scope, vault: Vault, subject: Subject, force: bool) -> Subject:
    connection = _require_grant(subject)
    try:
        token, _ = await connections.open_credential(scope, vault.store, connection, "refresh")
        flow = _renewal(setup(vault, subject), token, f"{vault.public_url}/vault/callback", vault.clock.now())
        granted = await drive(flow, vault.send)
        return await _keep_renewed(scope, vault, subject, _believed(vault, subject, granted))
    except (ProviderError, EgressRefused) as error:
        served = await _note_failure(scope, vault, subject, error)
        if force and _require_grant(served).credential_generation == connection.credential_generation:
            # Whoever asked for a renewal is told that there was none, even while the old token is good.
            raise
        return served
    finally:
        await connections.release_lease(scope, vault.store, connection, lease)


def _believed(vault: Vault, subject: Subject, granted: Granted) -> Granted:
    """`granted`, without settings that lead elsewhere: a rotated token is kept whatever came beside it."""
    try:
        check_captured(vault, subject, dict(granted.captured))
    except ConnectionSettingsError:
        log.warning("captured_settings_refused", service=subject.connector.id)
        return replace(granted, captured={})
    return granted


async def _keep_renewed(scope: Scope, vault: Vault, subject: Subject, granted: Granted) -> Subject:
    renewed_from = _require_grant(subject)
    recovered: tuple[EventType, ...] = ()
    if renewed_from.last_refresh_failed_at:
        recovered = ("vault.connection.token_refresh.recovered",)

    def decide(before: Connection | None) -> Change | None:
        if before is None or before.credential_generation != renewed_from.credential_generation:
            return None
        return Change(refreshed(before, granted.token, granted.captured), granted.token, recovered)

    before, after = await connections.change(scope, vault.store, subject.connector, subject.unified_api, decide)
    if after is before:
        # A newer grant, or a deletion, came first: what we just got must not live on unknown to anybody.
        await outbox.owe_revocation(scope, vault.store, renewed_from, granted.token)
    return subject.holding(after)


async def _note_failure(scope: Scope, vault: Vault, subject: Subject, error: ProviderError | EgressRefused) -> Subject:
    """Writes down what a failed renewal means, then raises it, unless the old token is still good."""
    connection = _require_grant(subject)
    now = vault.clock.now()
    log.warning(
        "refresh_failed", connection=connection.id, service=connection.service_id, outcome=type(error).__name__,
        status=getattr(error, "status", None), code=getattr(error, "code", None),
    )  # fmt: skip

    def decide(before: Connection | None) -> Change | None:
        if before is None or before.credential_generation != connection.credential_generation:
            return None
        return _after_failure(before, error, now)

    _, after = await connections.change(scope, vault.store, subject.connector, subject.unified_api, decide)
    moved = after is None or after.credential_generation != connection.credential_generation
    usable_still = not moved and connection.grant is not None and connection.grant.fresh(now, min_valid=1)
    if (moved and after and after.grant) or (usable_still and not isinstance(error, GrantRejected)):
        return subject.holding(after)
    raise error


def _after_failure(before: Connection, error: ProviderError | EgressRefused, now: int) -> Change | None:
    if isinstance(error, GrantMisconfigured | EgressRefused):
        return None
    if isinstance(error, GrantDeferred):
        return Change(refresh_deferred(before, now), announce=_first_failure(before))
    after = refresh_refused(before, now)
    if after.grant is None:
        return Change(after, None, ("vault.connection.token_refresh.failed",))
    return Change(after, announce=_first_failure(before))


def _first_failure(before: Connection) -> tuple[EventType, ...]:
    """A row of failures is announced once."""
    return () if before.last_refresh_failed_at else ("vault.connection.token_refresh.pending",)


def _renewal(known: Setup, token: OAuthToken, redirect_uri: str, now: int) -> TokenFlow:
    if token.refresh_token is None and known.oauth.grant in GRANTS:
        return GRANTS[known.oauth.grant](known, now)
    return refresh(known, token, redirect_uri=redirect_uri, now=now)


def _fresh(subject: Subject, connection: Connection, now: int) -> bool:
    oauth, grant = subject.connector.auth.oauth, connection.grant
    if grant is None or oauth is None:
        return True
    renewable = grant.refreshable or oauth.grant in GRANTS
    if not renewable:
        return True
    # Some providers refuse a refresh until the token is nearly dead; one second in hand for the way there.
    earliest = oauth.refresh.not_before_expiry
    return grant.fresh(now, MIN_VALID if earliest is None else min(MIN_VALID, earliest * 1000 - 1000))


def _while_cooling(subject: Subject, connection: Connection, now: int) -> Subject:
    """Between two attempts the old token serves while it lives, unless its grant was refused. GrantDeferred else."""
    if connection.grant and connection.grant.fresh(now, min_valid=1) and not connection.retained_until:
        return subject
    seconds = -(-cooling_down(connection, now) // 1000)
    raise GrantDeferred("The last refresh failed; the next attempt waits.", retry_after=seconds)


async def _current(scope: Scope, vault: Vault, subject: Subject) -> Subject:
    connection = await connections.one(scope, vault.store, subject.unified_api, subject.connector.id)
    return subject.holding(connection)


def _require_grant(subject: Subject) -> Connection:
    if subject.connection is None or subject.connection.grant is None:
        raise ConnectorCredentialsError()
    return subject.connection


def _client(subject: Subject, settings: dict[str, str]) -> Client | None:
    oauth = subject.connector.auth.oauth
    if oauth is None or oauth.client.source == "integration":
        return subject.integration.client
    secret = settings.get("client_secret")
    id = settings.get("client_id")
    return Client(id, Secret(secret) if secret else None) if id else None


def _client_values(client: Client | None) -> dict[str, str]:
    if client is None:
        return {}
    secret = client.client_secret
    return {"client_id": client.client_id} | ({"client_secret": secret.reveal()} if secret else {})


def _complete(known: Setup) -> Setup:
    if known.client is None:
        raise OAuthCredentialsNotFoundError("The connection needs a client_id and a client_secret.")
    return known


def _with_token(known: Setup, token: OAuthToken | None) -> Setup:
    if token is None:
        return known
    held = {"access_token": token.access_token, "refresh_token": token.refresh_token}
    return known.having(cred={name: secret.reveal() for name, secret in held.items() if secret})
