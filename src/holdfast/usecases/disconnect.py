"""Ending a grant because its consumer wants to."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.domain.connection import Connection, disconnected
from holdfast.domain.tenancy import Caller, ConsumerScope, Scope
from holdfast.errors import HoldfastError
from holdfast.store.connections import Change
from holdfast.usecases import links, revocations
from holdfast.usecases.steps import Disconnected, Failed, return_target
from holdfast.usecases.subject import Subject, application
from holdfast.usecases.vault import Vault


async def revoke(vault: Vault, service_id: str, application_id: str, query: Mapping[str, str]) -> Disconnected | Failed:
    """Ends the grant that a revoke link names: here at once, at the provider from the outbox.

    OAuthRedirectUriError when the redirect_uri is not the application's.
    """
    app = await application(Scope(application_id, Caller.own("link")), vault)
    target = return_target(vault, app, query.get("redirect_uri"), required=True)
    try:
        scope, about, link = await links.follow(vault, service_id, application_id, query.get("state", ""), "revoke")
        held = about.connection
        if held and held.grant and links.grant_name(held) == link.jti:
            await disconnect(scope, vault, about)
    except HoldfastError as error:
        return Failed(target, error, "revoke", service_id, application_id)
    return Disconnected(target)


async def disconnect(scope: ConsumerScope, vault: Vault, about: Subject) -> Subject:
    """Drops the connection's grant and tells the provider; settings and metadata stay."""

    def decide(before: Connection | None) -> Change | None:
        return Change(disconnected(before, vault.clock.now()), None) if before and before.grant else None

    return about.with_connection(await revocations.drop_grant(scope, vault, about, decide))
