"""Token exchange (RFC 8693): a customer's access token, for clients that speak OAuth and nothing of ours.

The subject is an API key with the scope `credentials:read`, the audience a connection. What is asked and answered here
has the form of RFC 6749 section 5 and RFC 8693 section 2, errors too: no standard client knows another.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_plus

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.domain.tenancy import Scope
from holdfast.errors import HoldfastError, RequestLimitError, UnauthorizedError, Unavailable, WrongKeyError
from holdfast.http.body import read_form
from holdfast.http.callers import scope_of_key
from holdfast.http.guesses import Guesses
from holdfast.http.operations import address
from holdfast.http.token_request import Refusal, refusal, understood
from holdfast.http.wire.credential import token_response
from holdfast.usecases.credential.read import READ, Read, read
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

PATH: Final = "/oauth/token"
# RFC 6749 section 5.1.
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# What an error_description cannot hold (RFC 6749 section 5.2).
_SHOWN = {ord('"'): "'", ord("\\"): "/"}


def routes(vault: Vault, guesses: Guesses) -> list[Route]:
    """The token endpoint."""

    async def token(request: Request) -> Response:
        try:
            found = await _exchange(vault, guesses, request)
        except Refusal as told:
            return _refused(told)
        body = msgspec.json.encode(token_response(found, vault.clock.now()))
        return Response(body, headers=_NO_STORE, media_type="application/json")

    return [Route(PATH, token, methods=["POST"])]


async def _exchange(vault: Vault, guesses: Guesses, request: Request) -> Read:
    try:
        form = await read_form(request)
    except HoldfastError as error:
        raise refusal(error, "invalid_request") from None
    members, target = understood(form, vault.public_url)
    client_id = await _client(vault, guesses, request, members)
    scope = await _subject(vault, guesses, request, members["subject_token"])
    if client_id is not None and client_id != scope.application_id:
        raise _invalid_client(request, "The client_id is not the application of this API key.")
    try:
        found = await read(scope.of(target.consumer_id), vault, target.unified_api, target.service_id)
    except HoldfastError as error:
        log.warning("token_not_exchanged", type=type(error).__name__)
        raise refusal(error, "invalid_target") from None
    if found.token is None:
        raise Refusal("invalid_target", "This service takes no OAuth token: read the connection's credentials instead.")
    _require_scope(found.token.scope, members.get("scope"))
    return found


async def _client(vault: Vault, guesses: Guesses, request: Request, members: Mapping[str, str]) -> str | None:
    """Which application the client is, if it says so (RFC 6749 section 2.3): its id, and as the secret any API key."""
    id, secret = members.get("client_id"), members.get("client_secret")
    if authorization := request.headers.get("authorization"):
        if secret is not None:
            raise Refusal("invalid_request", "The client authenticates in two ways.")
        id, secret = _basic(request, authorization)
    if not secret:
        return id
    try:
        scope = await _key(vault, guesses, request, secret)
    except WrongKeyError:
        raise _invalid_client(request, "The client_secret is not an API key.") from None
    if scope.application_id != id:
        raise _invalid_client(request, "The client_secret belongs to another client_id.")
    return id


async def _subject(vault: Vault, guesses: Guesses, request: Request, token: str) -> Scope:
    # RFC 8693 section 2.2.2: whatever is wrong with a subject token is an invalid_request.
    try:
        scope = await _key(vault, guesses, request, token)
        scope.require(READ.action)
    except UnauthorizedError as error:
        raise refusal(error, "invalid_request") from None
    return scope


async def _key(vault: Vault, guesses: Guesses, request: Request, key: str) -> Scope:
    """The scope of an API key. WrongKeyError, or a Refusal to an address that has sent too many wrong ones."""
    try:
        return await scope_of_key(vault, key)
    except WrongKeyError:
        try:
            guesses.wrong("key", address(request.scope))
        except RequestLimitError as error:
            raise refusal(error, "invalid_request") from None
        raise
    except Unavailable as error:
        raise refusal(error, "invalid_request") from None


def _basic(request: Request, authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if scheme.lower() != "basic" or not colon:
        raise _invalid_client(request, "A client authenticates by HTTP Basic.")
    return unquote_plus(id), unquote_plus(secret)


def _invalid_client(request: Request, told: str) -> Refusal:
    challenge = {"WWW-Authenticate": 'Basic realm="holdfast"'} if "authorization" in request.headers else {}
    return Refusal("invalid_client", told, status=401, headers=challenge)


def _require_scope(granted: str | None, asked: str | None) -> None:
    """A token has the scope that the customer consented to; nothing is added to it, and nothing can be taken away."""
    if asked and not set(asked.split()) <= set((granted or "").split()):
        raise Refusal("invalid_scope", "The connection's token does not have this scope, or nobody knows.")


def _refused(refused: Refusal) -> Response:
    told = refused.told.translate(_SHOWN).encode("ascii", "replace").decode()
    body = msgspec.json.encode({"error": refused.code, "error_description": told})
    return Response(body, refused.status, headers={**_NO_STORE, **refused.headers}, media_type="application/json")
