"""The links that an answer carries, and the states and tokens behind a browser's steps.

Two states, never one. The *link state* stands in `authorize_url` and `revoke_url` and is opened at our own host:
a JWS that names the connection. The *flow state* goes to the provider: random, single use, saying nothing; its
MAC half lets junk be refused before the database is asked.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from binascii import b2a_base64
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from holdfast.domain.connection import Connection
from holdfast.domain.mac import Mac
from holdfast.domain.tenancy import ConsumerScope, Scope
from holdfast.errors import OAuthInvalidStateError
from holdfast.usecases.vault import Vault

Audience = Literal["authorize", "revoke"]

# A link is opened while the page that shows it is open.
LINK_LIFETIME = 3600
LINK_LIMIT = 4096
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_encode = msgspec.json.Encoder().encode


def _base64url(data: bytes) -> bytes:
    """Without padding (RFC 7515 section 2)."""
    return b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=")


_HEADER = _base64url(b'{"alg":"HS256","typ":"vlink+jwt"}')


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The claims of a link state, no more and no less. `jti` of a revoke link names the grant that it ends."""

    consumer_id: str
    unified_api: str
    service_id: str
    application_id: str
    iss: str
    aud: Audience
    iat: int
    exp: int
    jti: str


@dataclass(frozen=True, slots=True)
class State:
    """A new random text, and the MAC under which it is stored."""

    text: str = field(repr=False)
    mac: bytes


def sign(scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str, aud: Audience, jti: str) -> str:
    """A link state for the connection, valid for an hour."""
    now = vault.clock.now() // 1000
    link = Link(
        consumer_id=scope.consumer_id,
        unified_api=unified_api,
        service_id=service_id,
        application_id=scope.application_id,
        iss=vault.public_url,
        aud=aud,
        iat=now,
        exp=now + LINK_LIFETIME,
        jti=jti,
    )
    # Signed by hand because every connection in every answer carries one (RFC 7515 section 5.1).
    signed = _HEADER + b"." + _base64url(_encode(link))
    return (signed + b"." + _base64url(vault.keys.link.digest(signed))).decode()


def read(vault: Vault, text: str, aud: Audience) -> Link:
    """The claims of a link state. OAuthInvalidStateError unless it is ours, for `aud`, and not expired."""
    signed, _, mac = text.encode("ascii", "replace").rpartition(b".")
    # The header is the one that we write, so nothing in it is left to interpret (RFC 8725 section 3.1).
    ours = len(text) <= LINK_LIMIT and signed.startswith(_HEADER + b".")
    if not ours or not hmac.compare_digest(mac, _base64url(vault.keys.link.digest(signed))):
        raise OAuthInvalidStateError()
    payload = signed[len(_HEADER) + 1 :]
    try:
        link = msgspec.json.decode(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)), type=Link)
    except ValueError:  # a newer release may sign claims that this one does not know
        raise OAuthInvalidStateError() from None
    if link.aud != aud or link.iss != vault.public_url:
        raise OAuthInvalidStateError()
    now = vault.clock.now() // 1000
    if link.exp <= now or link.iat > now + 30:
        raise OAuthInvalidStateError("The link has expired. Load the page that shows it again.")
    return link


def grant_name(connection: Connection) -> str:
    """What names a grant in a revoke link, so that a link kept after reconnecting ends nothing."""
    return f"{connection.id}.{connection.grant.granted_at if connection.grant else 0}"


def new_flow_state(vault: Vault) -> State:
    """A flow state of 256 random bits followed by their MAC."""
    random = secrets.token_bytes(32)
    proof = vault.keys.flow.digest(b"proof" + random)[:16]
    text = base64.urlsafe_b64encode(random + proof).decode()
    return State(text, vault.keys.flow.digest(b"store" + random))


def flow_state_mac(vault: Vault, text: str) -> bytes:
    """The stored MAC of a flow state that a browser brings. OAuthInvalidStateError if we never made it."""
    try:
        raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True) if len(text) == 64 else b""
    except ValueError:
        raw = b""
    random, proof = raw[:32], raw[32:]
    if not hmac.compare_digest(proof, vault.keys.flow.digest(b"proof" + random)[:16]):
        raise OAuthInvalidStateError()
    return vault.keys.flow.digest(b"store" + random)


def new_token(key: Mac) -> State:
    """A random token of 256 bits and its MAC under `key`."""
    text = secrets.token_urlsafe(32)
    return State(text, token_mac(key, text))


def token_mac(key: Mac, text: str) -> bytes:
    return key.digest(text.encode("utf-8", "surrogatepass"))


def binding_cookie(vault: Vault, state_mac: bytes) -> str:
    """The name of the cookie that ties a flow to the browser that began it. `__Host-` needs https."""
    return f"{'__Host-' if vault.secure else ''}hf_{state_mac[:4].hex()}"


def callback_context(scope: Scope, vault: Vault, service_id: str) -> str:
    """What distinguishes the callback of a connector that is not of the shipped catalogue; "" for those that are.

    A provider that a tenant chose never shares a redirect URI with another one, so it cannot pass on a code or
    receive one (the mix-up of RFC 9700 section 4.4).
    """
    if vault.catalog.is_shipped(service_id):
        return ""
    named = f"{len(scope.application_id)}:{scope.application_id}{service_id}"
    return base64.b32encode(vault.keys.context.digest(named.encode()))[:16].decode().lower()


def callback_url(vault: Vault, context: str) -> str:
    """The redirect URI that is registered at the provider."""
    return f"{vault.public_url}/vault/callback" + (f"/{context}" if context else "")
