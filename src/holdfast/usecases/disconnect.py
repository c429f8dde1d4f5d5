"""Ending a grant because its consumer wants to."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.domain.connection import Connection, disconnected
from holdfast.domain.tenancy import Caller, ConsumerScope, Scope
from holdfast.errors import HoldfastError
from holdfast.store.connections import Change
from holdfast.usecases import links, revocations
from holdfast.usecases.steps import Ask, Disconnected, Ended, Failed, Parties, Visit, return_target
from holdfast.usecases.subject import Subject, application
from holdfast.usecases.vault import Vault


async def revoke(
    vault: Vault, service_id: str, application_id: str, query: Mapping[str, str], visit: Visit
) -> Disconnected | Ask | Failed:
    """Ends the grant that a revoke link names: here at once, at the provider from the outbox; or asks first.

    Mail and chat look into links with a browser of their own. So one that does not say that a person clicked ends
    nothing. OAuthRedirectUriError when the redirect_uri is not the application's.
    """
    app = await application(Scope(application_id, Caller.own("link")), vault)
    target = return_target(vault, app, query.get("redirect_uri"), required=True)
    parties = Parties.of(vault, app, service_id)
    try:
        scope, about, link = await links.follow(vault, service_id, application_id, query.get("state", ""), "revoke")
        held = about.connection
        if not (held and held.grant and links.grant_name(held) == link.jti):
            return Disconnected(parties, "here", target)
        if visit.browser and not (visit.clicked or visit.agreed):
            return Ask("disconnect", parties, scope.consumer_id, target)
        return Disconnected(parties, await disconnect(scope, vault, about), target)
    except HoldfastError as error:
        return Failed(parties, target, error, "revoke", service_id, application_id)


async def disconnect(scope: ConsumerScope, vault: Vault, about: Subject) -> Ended:
    """Drops the connection's grant and tells the provider, and how far that went; settings and metadata stay."""

    def decide(before: Connection | None) -> Change | None:
        # A link that was kept ends the grant that it was made for, and no newer one.
        same = before is not None and about.connection is not None and before.same_consent(about.connection)
        return Change(disconnected(before, vault.clock.now()), None) if before and before.grant and same else None

    return await revocations.drop_grant(scope, vault, about, decide)
