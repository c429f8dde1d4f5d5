"""The states and tokens behind a browser's steps, and the redirect URI that it comes back to.

The *flow state* goes to the provider: random, single use, saying nothing; its MAC half lets junk be refused before the
database is asked. What opens something is stored as a MAC only.

All of these live for an hour at most, so none names the key that it was made with: while the instance key is being
replaced, each is compared under the new key and the former one.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass, field
from hashlib import sha256

from holdfast.domain.mac import Mac, Macs
from holdfast.domain.tenancy import Scope
from holdfast.errors import OAuthInvalidStateError
from holdfast.usecases.vault import Vault


@dataclass(frozen=True, slots=True)
class State:
    """A new random text, and the MAC under which it is stored."""

    text: str = field(repr=False)
    mac: bytes


def new_flow_state(vault: Vault) -> State:
    """A flow state of 256 random bits followed by their MAC."""
    random = secrets.token_bytes(32)
    proof = vault.keys.flow.digest(b"proof" + random)[:16]
    text = base64.urlsafe_b64encode(random + proof).decode()
    return State(text, vault.keys.flow.digest(b"store" + random))


def flow_state_mac(vault: Vault, text: str) -> tuple[bytes, str]:
    """The stored MAC of a flow state that a browser brings, and the id of the key that the flow was begun under.

    OAuthInvalidStateError if we never made it.
    """
    try:
        raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True) if len(text) == 64 else b""
    except ValueError:
        raw = b""
    random, proof = raw[:32], raw[32:]
    for key in vault.keys.flow:
        if hmac.compare_digest(proof, key.digest(b"proof" + random)[:16]):
            return key.digest(b"store" + random), key.id
    raise OAuthInvalidStateError()


def new_token(keys: Macs) -> State:
    """A random token of 256 bits and its MAC under the current one of `keys`."""
    text = secrets.token_urlsafe(32)
    return State(text, token_mac(keys.current, text))


def token_mac(key: Mac, text: str) -> bytes:
    return key.digest(text.encode("utf-8", "surrogatepass"))


def binding_mac(vault: Vault, key_id: str, cookie: str) -> bytes:
    """The MAC of a binding cookie, under the key of the flow that it was set with."""
    return token_mac(vault.keys.cookie.find(key_id) or vault.keys.cookie.current, cookie)


def binding_cookie(vault: Vault, state_mac: bytes) -> str:
    """The name of the cookie that ties a flow to the browser that began it. `__Host-` needs https."""
    return f"{'__Host-' if vault.secure else ''}hf_{state_mac[:4].hex()}"


def callback_context(scope: Scope, vault: Vault, service_id: str) -> str:
    """What distinguishes the callback of a connector that is not of the shipped catalogue; "" for those that are.

    A provider that a tenant chose never shares a redirect URI with another one, so it cannot pass on a code or
    receive one (the mix-up of RFC 9700 section 4.4). It is a name and no secret: everybody who sees the redirect URI
    reads it. So no key is in it, and what is registered at the provider stays right when keys are replaced.
    """
    if vault.catalog.is_shipped(service_id):
        return ""
    named = f"{len(scope.application_id)}:{scope.application_id}{service_id}"
    return base64.b32encode(sha256(b"context|" + named.encode()).digest())[:16].decode().lower()


def callback_url(vault: Vault, context: str) -> str:
    """The redirect URI that is registered at the provider."""
    return f"{vault.public_url}/vault/callback" + (f"/{context}" if context else "")
