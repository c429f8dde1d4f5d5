"""A connection's credential in the product's own hands: `docs/reference/api.md`, Credentials."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from holdfast.http.connections import ONE, ServiceId, UnifiedApi
from holdfast.http.operations import Api, Call, Param, Versioned
from holdfast.http.wire.credential import GetCredentialResponse, credential
from holdfast.usecases.credential.read import read

api = Api("Credentials")

A_MONTH: Final = 31 * 86_400
MinValid = Annotated[
    Annotated[int, Meta(ge=0, le=A_MONTH)] | None,
    Param("query", "min_valid_seconds", "How long an access token shall live on; it is refreshed ahead for that.", 60),
]
IfNoneMatch = Annotated[str | None, Param("header", "If-None-Match", "The ETag of the credential that you have.")]


@api.operation(
    "GET",
    ONE + "/credentials",
    "credentialsOne",
    summary="Read credential",
    needs="credentials:read",
)
async def one(
    call: Call,
    service_id: ServiceId,
    unified_api: UnifiedApi,
    min_valid_seconds: MinValid = None,
    if_none_match: IfNoneMatch = None,
) -> Versioned[GetCredentialResponse]:
    """What the service is called with: an access token that is good now, never a refresh token; for a service without
    OAuth its address, headers and query. Each reading is journalled."""
    known = _tags(if_none_match) if if_none_match else ()
    min_valid = min_valid_seconds * 1000 if min_valid_seconds else None
    found = await read(call.consumer, call.vault, unified_api, service_id, min_valid=min_valid, known=known)
    if found.version in known:
        return Versioned(found.version, None)
    return Versioned(found.version, GetCredentialResponse(data=credential(found)))


def _tags(listed: str) -> tuple[str, ...]:
    """The versions that `If-None-Match` names; compared weakly (RFC 9110 section 13.1.2)."""
    return tuple(tag.strip().removeprefix("W/").strip('"') for tag in listed.split(","))
