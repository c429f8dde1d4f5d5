"""What an access token says of its own end, where it is a JWT (RFC 7519 section 4.1).

An access token is opaque to a client (RFC 6749 section 1.4), and nothing here is verified: it is a hint, for a provider
that tells a lifetime nowhere else. A hint that is wrong costs a refresh too many or one after a 401, never a token.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec

from holdfast.grants.lifetime import expiry

# The compact form (RFC 7515 section 7.1): header, payload, signature. An encrypted one has five parts and says nothing.
_COMPACT = re.compile(r"ey[\w-]+\.(ey[\w-]+)\.[\w-]*", re.ASCII)
# A hint that promises more than a year is none: whoever forges or forgets it must not keep a dead token in use.
LONGEST = 366 * 86_400 * 1000


def told_expiry(access_token: str, now: int) -> int | None:
    """When the token says that it expires, if that can be believed at the moment `now` (both in ms since 1970).

    `exp` is by the provider's clock. Where `iat` stands beside it, its life counts from `now`, whichever is sooner: a
    clock that runs ahead must not make a token live longer than it does.
    """
    claims = _claims(access_token)
    end = expiry(claims.get("exp"), "epoch_s", now)
    if end is None or end > now + LONGEST:
        return None
    begun = expiry(claims.get("iat"), "epoch_s", 0)
    return min(end, now + end - begun) if begun is not None and begun < end else end


def _claims(token: str) -> dict[str, Any]:
    found = _COMPACT.fullmatch(token)
    if found is None:
        return {}
    payload = found[1]
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
