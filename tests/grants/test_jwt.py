"""Access tokens that tell their own end: a hint where the provider tells nothing, and never more than that."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.grants.jwt import LONGEST, told_expiry

NOW = 1_767_225_600_000
S = NOW // 1000


def jwt(header: Any = None, **claims: Any) -> str:
    """An access token as Auth0, Okta and Entra ID issue them (RFC 9068), with a signature that nobody checks."""
    parts = (header or {"alg": "RS256", "typ": "at+jwt", "kid": "a1"}, claims)
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return ".".join((*encoded, "c2lnbmF0dXJl"))


def test_the_end_that_a_token_tells_is_read() -> None:
    """`exp` is a number of seconds since 1970, which may have decimals."""
    assert told_expiry(jwt(exp=S + 3600, iss="https://login.example.com/"), NOW) == NOW + 3_600_000
    assert told_expiry(jwt(exp=S + 0.5), NOW) == NOW + 500


def test_a_provider_whose_clock_runs_ahead_makes_no_token_live_longer() -> None:
    """Its life counts from now where `iat` tells how long that is; one that was issued before ends when it says."""
    ahead = jwt(iat=S + 600, exp=S + 600 + 3600)
    from_a_cache = jwt(iat=S - 3000, exp=S + 600)

    assert told_expiry(ahead, NOW) == NOW + 3_600_000
    assert told_expiry(from_a_cache, NOW) == NOW + 600_000


@pytest.mark.parametrize(
    "token",
    [
        "f3a9c2e1-opaque",
        "a.b.c",
        jwt(),
        jwt(exp=S - 1),
        jwt(exp=S),
        jwt(exp=True),
        jwt(exp="soon"),
        jwt(exp=None),
        jwt(exp={"at": S + 60}),
        jwt(exp=1e400),
        jwt(exp=(NOW + LONGEST) // 1000 + 1),
        jwt(exp=S + 3600)[:-1] + ".extra.parts",
        jwt(exp=S + 3600).replace("ey", "xx"),
        "eyJhbGciOiJub25lIn0.eyBub3QganNvbg.",
        "eyJhbGciOiJub25lIn0.ey!!.",
        "eyJhbGciOiJub25lIn0.ey" + "W1tb" * 12_000 + ".",
    ],
)
def test_what_tells_no_end_that_can_be_believed_tells_none(token: str) -> None:
    """Not a JWT, an encrypted one, no `exp`, one that is over, one that is further away than a year."""
    assert told_expiry(token, NOW) is None


@given(st.text(max_size=200), st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=10))
def test_no_token_raises(text: str, claim: Any) -> None:
    """It was granted: nothing that stands in it can lose it."""
    assert told_expiry(text, NOW) is None or "." in text
    end = told_expiry(jwt(exp=claim, iat=claim), NOW)
    assert end is None or NOW < end <= NOW + LONGEST
