"""API keys: 256 random bits with a checksum, kept only as a MAC.

    hf_live_<8 of the application id>_<43 of base64url>_<8 hex of CRC-32>

The prefix and the checksum let scanners recognise a leaked key without asking anybody. Because the secret part
is random, a MAC is enough: a slow password hash would only make wrong keys expensive for us.
"""

from __future__ import annotations

import secrets
import zlib

from holdfast.domain.tenancy import ACTIONS, DEFAULT_ACTIONS, EVERYWHERE, Action, ApiKey, Bounds, Scope
from holdfast.errors import RequestValidationError
from holdfast.store import Store, new_id, tenants
from holdfast.usecases.vault import Vault

KEY_LIMIT = 512


async def issue(
    scope: Scope,
    vault: Vault,
    store: Store,
    scopes: tuple[Action, ...] = DEFAULT_ACTIONS,
    bounds: Bounds = EVERYWHERE,
) -> tuple[ApiKey, str]:
    """Makes an API key for the application; its text is given here once and kept nowhere.

    RequestValidationError for a scope that does not exist.
    """
    unknown = [s for s in scopes if s not in ACTIONS]
    if unknown or not scopes:
        raise RequestValidationError(f"scopes are some of {', '.join(ACTIONS)}.")
    text = _new_key(scope.application_id)
    key = ApiKey(
        id=new_id(),
        application_id=scope.application_id,
        scopes=tuple(dict.fromkeys(scopes)),
        last_four=text[-4:],
        created_at=vault.clock.now(),
        bounds=bounds,
    )
    await tenants.add_key(scope, store, key, _mac(vault, text))
    return key, text


async def identify(vault: Vault, presented: str) -> ApiKey | None:
    """The key that `presented` is, or None."""
    if not presented or len(presented) > KEY_LIMIT:
        return None
    mac = _mac(vault, presented)
    return await vault.recent.get(
        ("key", mac), lambda: tenants.by_key(vault.store, mac), owner=lambda key: key.application_id
    )


def _new_key(application_id: str) -> str:
    body = f"hf_live_{application_id[:8]}_{secrets.token_urlsafe(32)}"
    return f"{body}_{zlib.crc32(body.encode()):08x}"


def _mac(vault: Vault, text: str) -> bytes:
    return vault.keys.api_key.digest(text.encode("utf-8", "surrogatepass"))
