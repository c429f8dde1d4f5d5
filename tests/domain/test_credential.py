"""Secrets as values, and how long a token counts as fresh."""

from __future__ import annotations

import copy
import pickle

import pytest

from holdfast.domain.connection import Grant
from holdfast.domain.credential import Client, OAuthToken, Secret
from holdfast.domain.exchange import Request, Response

VALUE = "ya29.a0AfH6SMB-canary"
HOLDERS = [
    Secret(VALUE),
    Client("id", Secret(VALUE)),
    OAuthToken(Secret(VALUE), Secret(VALUE)),
    Request("POST", f"https://api.example.com/{VALUE}", {"Authorization": VALUE}, VALUE.encode()),
    Response(200, {"set-cookie": VALUE}, VALUE.encode()),
]


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda h: type(h).__name__)
def test_a_secret_does_not_show_itself(holder: object) -> None:
    """No way of printing a value that holds a secret prints the secret."""
    assert not [text for text in (repr(holder), str(holder), f"{holder}", f"{[holder]}") if VALUE in text]


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_pickled_or_copied(way: object) -> None:
    """A secret leaves the process in no serialised form."""
    with pytest.raises(TypeError):
        way(Secret(VALUE))  # type: ignore[operator]


def test_a_token_comes_back_as_it_was_sealed() -> None:
    """What is dumped for sealing loads to the same token."""
    token = OAuthToken(Secret("a"), Secret("r"), "Bearer", "crm.read", 1, 2, 3)

    assert token == OAuthToken.load(token.dump())


@pytest.mark.parametrize(("life", "fresh_until"), [(3600, 3570), (300, 270), (20, 18), (1, 0.9)])
def test_a_token_is_fresh_for_nine_tenths_of_a_short_life(life: float, fresh_until: float) -> None:
    """Half a minute is kept in hand, and of a short life no more than a tenth: else each use would refresh it."""
    grant = Grant(granted_at=0, issued_at=0, expires_at=round(life * 1000))

    assert grant.fresh(round(fresh_until * 1000))
    assert not grant.fresh(round(fresh_until * 1000) + 1)
