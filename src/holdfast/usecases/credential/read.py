"""Handing a credential to the product: the one use of it that Holdfast does not make itself.

It comes through the gate as every other use does, needs a scope of its own, and is journalled: `credential_read`
where something was opened, `credential_unchanged` where a caller was told that what it has still counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdfast.domain.connection import MARGIN_SHARE, Grant
from holdfast.domain.credential import OAuthToken
from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import ConnectorCredentialsError, InvalidStateError
from holdfast.grants.call import Common, in_common
from holdfast.store.connections import Stored
from holdfast.usecases.credential.refresh import can_be_forced, can_be_refreshed, refresh
from holdfast.usecases.credential.setup import setup_with
from holdfast.usecases.credential.use import Purpose, opened, ready
from holdfast.usecases.subject import Granted, Held, find_subject
from holdfast.usecases.vault import Vault

READ: Final = Purpose("credential_read", action="credentials:read")
UNCHANGED: Final = "credential_unchanged"


@dataclass(frozen=True, slots=True, repr=False)
class Read:
    """What was read: the `token` of an OAuth connection, else what the service is `called` with; neither if the caller
    has this `version` already. `refresh_after` (ms): from then on there is a newer token, or the vault gets one."""

    held: Held
    version: str
    token: OAuthToken | None = None
    called: Common | None = None
    refresh_after: int | None = None


async def read(
    scope: ConsumerScope,
    vault: Vault,
    unified_api: str,
    service_id: str,
    *,
    min_valid: int | None = None,
    known: tuple[str, ...] = (),
) -> Read:
    """The connection's credential, good now, and for `min_valid` ms more where the service makes that possible.

    A token that has less left is refreshed ahead, unless it cannot be or the service refuses that before its time; it
    is then given as it is. InvalidStateError for a `min_valid` that no token of this service reaches, and wherever
    the gate is shut (`use`). Nothing is opened if the version is one of `known`.
    """
    subject = await find_subject(scope, vault, unified_api, service_id)
    held, stored = await ready(scope, vault, subject, READ)
    grant = held.connection.grant
    if min_valid and grant is not None and _lacks(grant, vault.clock.now(), min_valid):
        _require_possible(grant, min_valid)
        if can_be_forced(held.granted()):
            await refresh(scope, vault, held.granted(), force=False)
            held, stored = await ready(scope, vault, subject, READ)
    version = _version(held)
    if version in known:
        vault.store.journal.append(
            scope,
            connection_id=held.connection.id,
            reason=UNCHANGED,
            generation=held.connection.credential_generation,
        )
        return Read(held, version)
    return await _open(scope, vault, held, stored, version)


async def _open(scope: ConsumerScope, vault: Vault, held: Held, stored: Stored, version: str) -> Read:
    credential = await opened(scope, vault, held, stored, READ)
    if held.connector.auth.oauth is None:
        called = in_common(await setup_with(scope, vault, held, credential))
        return Read(held, version, called=called)
    if credential.token is None or credential.token.access_token is None:
        raise ConnectorCredentialsError
    return Read(held, version, token=credential.token, refresh_after=_refresh_after(held.granted()))


def _lacks(grant: Grant, now: int, min_valid: int) -> bool:
    return grant.expires_at is not None and grant.expires_at - now < min_valid


def _require_possible(grant: Grant, min_valid: int) -> None:
    """InvalidStateError for more than nine tenths of a token's life: it would be refreshed at each read."""
    most = grant.life - grant.life // MARGIN_SHARE
    if min_valid > most:
        raise InvalidStateError(
            f"The service's tokens live {grant.life // 1000} s; of that, min_valid_seconds is at most {most // 1000}."
        )


def _refresh_after(subject: Granted) -> int | None:
    """When a use would refresh the token; its end, if nothing can."""
    oauth, grant = subject.connector.auth.oauth, subject.grant
    if oauth is None or not can_be_refreshed(subject):
        return grant.expires_at
    early, earliest = grant.fresh_until(), oauth.refresh.not_before_expiry
    if early is None or earliest is None:
        return early
    return max(early, grant.fresh_until(earliest * 1000 - 1000) or 0)


def _version(held: Held) -> str:
    """Another one whenever something else would be read: granted or refreshed, filled in, set up anew."""
    connection = held.connection
    return (
        f"{connection.id[:16]}.{connection.credential_generation}.{connection.settings_generation}"
        f".{held.integration.version}"
    )
