"""Whatever a provider answers: no token that it granted is lost, and no grant ends without proof.

100 scripts in the usual run; 10,000 with `--hypothesis-profile=ten-thousand`, from the same seed.
"""

from __future__ import annotations

import pytest
from any_answer import Answer, granted, nothing, refused
from driving import NOW, acme, run, setup
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from holdfast.domain.credential import OAuthToken, Secret
from holdfast.errors import GrantDeferred, GrantMisconfigured, GrantRejected
from holdfast.grants.token import exchange_code, refresh

CALLBACK = "https://vault.example.com/vault/callback"
ACME = setup(acme(errors={"vendor_says_dead": "rejected", "4711": "rejected"}))
SEED = 20_261_125

pytestmark = pytest.mark.timeout(900)


def after(token: OAuthToken, answer: Answer) -> OAuthToken:
    """The token after a refresh that is answered so; the one before where nothing was granted."""
    try:
        found, _ = run(refresh(ACME, token, redirect_uri=CALLBACK, now=NOW), answer.response)
    except GrantRejected:
        assert answer.truth == "refused"
        return token
    except (GrantDeferred, GrantMisconfigured):
        assert answer.truth == "nothing"
        return token
    assert answer.truth == "granted"
    kept: OAuthToken = found.token
    return kept


@seed(SEED)
@settings(deadline=None)
@given(st.lists(granted() | refused() | nothing(), min_size=1, max_size=4))
def test_no_answer_loses_a_token_or_ends_a_grant_without_proof(script: list[Answer]) -> None:
    """After any row of answers, the tokens are those that were granted last, whatever they came with."""
    held = OAuthToken(Secret("at-0"), Secret("rt-0"))
    access, spare = "at-0", "rt-0"

    for answer in script:
        held = after(held, answer)
        if answer.truth == "granted":
            access, spare = answer.access, answer.refresh or spare

    assert (held.access_token, held.refresh_token) == (Secret(access), Secret(spare))
    assert held.expires_at is None or held.expires_at > NOW


@seed(SEED)
@settings(deadline=None)
@given(granted())
def test_a_first_connection_keeps_what_a_refresh_keeps(answer: Answer) -> None:
    """A code can be spent once: nothing that stands beside the token makes it worth nothing."""
    flow = exchange_code(ACME, "code-1", redirect_uri=CALLBACK, verifier=None, now=NOW)

    found, _ = run(flow, answer.response)

    assert found.token.access_token.reveal() == answer.access
