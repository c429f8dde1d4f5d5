"""Token exchange (RFC 8693): a customer's access token, for clients that speak OAuth and nothing of ours.

The subject is an API key with the scope `credentials:read`, the audience a connection. What is asked and answered here
has the form of RFC 6749 section 5 and RFC 8693 section 2, errors too: no standard client knows another.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, unquote, unquote_plus, urlsplit

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast import errors
from holdfast.domain.tenancy import Scope
from holdfast.errors import HoldfastError, WrongKeyError
from holdfast.http.body import read_form
from holdfast.http.callers import is_id, scope_of_key
from holdfast.http.errors import retry_after, sentence
from holdfast.http.guesses import Guesses
from holdfast.http.operations import address
from holdfast.usecases.credential.read import READ, Read, read
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

PATH: Final = "/oauth/token"
GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
TARGETS: Final = ("audience", "resource")
# RFC 6749 section 5.1.
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# What may stand in an error_description (RFC 6749 section 5.2).
_SHOWN = {ord('"'): "'", ord("\\"): "/"}


class Refusal(Exception):
    """An answer of RFC 6749 section 5.2: `code` is one of its words, `told` a sentence for developers."""

    def __init__(self, code: str, told: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code, self.told, self.status, self.headers = code, told, status, headers or {}


@dataclass(frozen=True, slots=True)
class Target:
    """The connection that a token is asked for."""

    consumer_id: str
    unified_api: str
    service_id: str


def routes(vault: Vault, guesses: Guesses) -> list[Route]:
    """The token endpoint."""

    async def token(request: Request) -> Response:
        try:
            return _told(await _exchange(vault, guesses, request), vault.clock.now())
        except Refusal as refusal:
            return _refused(refusal)

    return [Route(PATH, token, methods=["POST"])]


async def _exchange(vault: Vault, guesses: Guesses, request: Request) -> Read:
    members, targets = await _members(request)
    if members.get("grant_type") != GRANT_TYPE:
        asked = "unsupported_grant_type" if "grant_type" in members else "invalid_request"
        raise Refusal(asked, f"The grant_type is {GRANT_TYPE}.")
    _require_understood(members)
    client_id = await _client(vault, guesses, request, members)
    scope = await _subject(vault, guesses, request, members["subject_token"])
    if client_id is not None and client_id != scope.application_id:
        raise _invalid_client(request, "The client_id is not the application of this API key.")
    target = _target(vault, targets)
    try:
        found = await read(scope.of(target.consumer_id), vault, target.unified_api, target.service_id)
    except HoldfastError as error:
        raise _refusal(error, "invalid_target") from None
    if found.token is None:
        raise Refusal("invalid_target", "This service takes no OAuth token: read the connection's credentials instead.")
    _require_scope(found, members.get("scope"))
    return found


async def _members(request: Request) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The parameters that may come once, and those that name a target. An empty one counts as left out (RFC 6749
    section 3.2)."""
    try:
        form = [(name, value) for name, value in await read_form(request) if value]
    except HoldfastError as error:
        raise _refusal(error, "invalid_request") from None
    once = [pair for pair in form if pair[0] not in TARGETS]
    if len(dict(once)) != len(once):
        raise Refusal("invalid_request", "A parameter was sent more than once.")
    return dict(once), [pair for pair in form if pair[0] in TARGETS]


def _require_understood(members: Mapping[str, str]) -> None:
    if "subject_token" not in members:
        raise Refusal("invalid_request", "The subject_token is missing: an API key.")
    for name in ("subject_token_type", "requested_token_type"):
        if members.get(name, ACCESS_TOKEN if name.startswith("requested") else None) != ACCESS_TOKEN:
            raise Refusal("invalid_request", f"The {name} is {ACCESS_TOKEN}.")
    if "actor_token" in members or "actor_token_type" in members:
        raise Refusal("invalid_request", "Nobody acts for somebody else here: leave the actor_token out.")


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
    except errors.UnauthorizedError as error:
        raise _refusal(error, "invalid_request") from None
    return scope


async def _key(vault: Vault, guesses: Guesses, request: Request, key: str) -> Scope:
    """The scope of an API key. WrongKeyError, or a Refusal to an address that has sent too many wrong ones."""
    try:
        try:
            return await scope_of_key(vault, key)
        except WrongKeyError:
            guesses.wrong("key", address(request.scope))
            raise
    except (errors.RequestLimitError, errors.Unavailable) as error:
        raise _refusal(error, "invalid_request") from None


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


def _target(vault: Vault, targets: Sequence[tuple[str, str]]) -> Target:
    if not targets:
        raise Refusal("invalid_request", "Name the connection: audience={consumer}/{unified_api}/{service_id}.")
    named = {_of_audience(value) if name == "audience" else _of_resource(vault, value) for name, value in targets}
    if len(named) != 1 or None in named:
        raise Refusal("invalid_target", "Name one connection: audience={consumer}/{unified_api}/{service_id}.")
    (target,) = named
    assert target is not None
    return target


def _of_audience(value: str) -> Target | None:
    """`customer-1/crm/pipedrive`; a consumer's id may hold slashes itself."""
    parts = value.rsplit("/", 2)
    return Target(*parts) if len(parts) == 3 and is_id(parts[0]) and all(parts) else None


def _of_resource(vault: Vault, value: str) -> Target | None:
    """The connection's own address, with the consumer in its query."""
    try:
        url = urlsplit(value)
        consumers = parse_qs(url.query, max_num_fields=10).get("consumer_id", [])
    except ValueError:
        return None
    before, _, rest = value.partition("?")[0].partition("/vault/connections/")
    parts = [unquote(part) for part in rest.split("/")]
    if before != vault.public_url or url.fragment or len(parts) != 2 or len(consumers) != 1:
        return None
    return Target(consumers[0], *parts) if is_id(consumers[0]) and all(parts) else None


def _require_scope(found: Read, asked: str | None) -> None:
    """A token has the scope that the customer consented to; nothing is added to it, and nothing can be taken away."""
    granted = found.token.scope if found.token else None
    if asked and not set(asked.split()) <= set((granted or "").split()):
        raise Refusal("invalid_scope", "The connection's token does not have this scope, or nobody knows.")


def _told(found: Read, now: int) -> Response:
    """RFC 8693 section 2.2.1. There is no refresh token: the vault keeps it."""
    token = found.token
    assert token is not None
    assert token.access_token is not None
    members: dict[str, Any] = {
        "access_token": token.access_token.reveal(),
        "issued_token_type": ACCESS_TOKEN,
        "token_type": token.token_type or "Bearer",
    }
    if token.expires_at is not None:
        members["expires_in"] = max(0, token.expires_at - now) // 1000
    if token.scope:
        members["scope"] = token.scope
    return Response(msgspec.json.encode(members), headers=_NO_STORE, media_type="application/json")


def _refusal(error: HoldfastError, code: str) -> Refusal:
    """`error` as OAuth tells it: what may go better later says when, everything else is the caller's `code`."""
    if not error.retryable:
        return Refusal(code, sentence(error))
    log.warning("token_exchange_deferred", type=type(error).__name__, detail=error.detail)
    status = {errors.Unavailable: 503, errors.RequestLimitError: 429}.get(type(error), 400)
    wait = {"Retry-After": str(retry_after(error))}
    return Refusal("temporarily_unavailable", sentence(error), status=status, headers=wait)


def _refused(refusal: Refusal) -> Response:
    told = refusal.told.translate(_SHOWN).encode("ascii", "replace").decode()
    body = msgspec.json.encode({"error": refusal.code, "error_description": told})
    headers = {**_NO_STORE, **refusal.headers}
    return Response(body, refusal.status, headers=headers, media_type="application/json")
