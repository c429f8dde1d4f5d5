"""A credential as it is read: as the API has it, and as OAuth does."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.http.wire.envelope import Answer
from holdfast.http.wire.meanings import Epoch
from holdfast.http.wire.words import AuthType, auth_type
from holdfast.usecases.credential.read import Read

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


class Credential(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What a service is called with in a consumer's name: a token for OAuth, else an address, headers and query."""

    auth_type: AuthType
    access_token: Annotated[str | UnsetType, Meta(description="The OAuth access token.")] = UNSET
    token_type: Annotated[str | UnsetType, Meta(description="As the service named it, such as `Bearer`.")] = UNSET
    scope: Annotated[str | UnsetType, Meta(description="What the token may do, where the service told it.")] = UNSET
    issued_at: Epoch | UnsetType = UNSET
    expires_at: Annotated[
        int | UnsetType, Meta(description="When the token ends: milliseconds since the epoch; missing if nobody knows.")
    ] = UNSET
    refresh_after: Annotated[
        int | UnsetType, Meta(description="When to read it again: milliseconds since the epoch.")
    ] = UNSET
    base_url: Annotated[str | UnsetType, Meta(description="The service's address, without a slash at its end.")] = UNSET
    headers: Annotated[dict[str, str] | UnsetType, Meta(description="Headers of every call to the service.")] = UNSET
    query: Annotated[dict[str, str] | UnsetType, Meta(description="Query parameters of every call, not encoded.")] = (
        UNSET
    )


class GetCredentialResponse(Answer, kw_only=True):
    """A connection's credential."""

    data: Credential


class TokenResponse(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A successful token exchange (RFC 8693 section 2.2.1). It has no refresh token: the vault keeps that."""

    access_token: str
    issued_token_type: str = msgspec.field(default_factory=lambda: ACCESS_TOKEN)
    token_type: str
    expires_in: int | UnsetType = UNSET
    scope: str | UnsetType = UNSET


def token_response(found: Read, now: int) -> TokenResponse:
    """How the token in `found` is told as of `now` (ms)."""
    token = found.token
    assert token is not None, "somebody asked for the token of a connection without one"
    assert token.access_token is not None
    return TokenResponse(
        access_token=token.access_token.reveal(),
        token_type=token.token_type or "Bearer",
        expires_in=UNSET if token.expires_at is None else max(0, token.expires_at - now) // 1000,
        scope=token.scope or UNSET,
    )


def credential(found: Read) -> Credential:
    """How `found` is told."""
    kind, token, called = auth_type(found.held.connector.auth.type), found.token, found.called
    if token is not None and token.access_token is not None:
        return Credential(
            auth_type=kind,
            access_token=token.access_token.reveal(),
            token_type=token.token_type or UNSET,
            scope=token.scope or UNSET,
            issued_at=token.issued_at,
            expires_at=UNSET if token.expires_at is None else token.expires_at,
            refresh_after=UNSET if found.refresh_after is None else found.refresh_after,
        )
    if called is None:
        return Credential(auth_type=kind)
    return Credential(
        auth_type=kind,
        base_url=called.base_url or UNSET,
        headers=dict(called.headers),
        query=dict(called.query),
    )
