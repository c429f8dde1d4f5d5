"""holdfast.testing.provider.shape: documents out of paths."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.domain.manifest.path import read
from holdfast.testing.provider import document


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, {}),
        ({"access_token": "t"}, {"access_token": "t"}),
        ({"data.token": "t", "data.expires": 60}, {"data": {"token": "t", "expires": 60}}),
        ({"$.org[0].id": "4711"}, {"org": [{"id": "4711"}]}),
        ({"a[1].b": 1, "a[0].b": 0}, {"a": [{"b": 0}, {"b": 1}]}),
        ({"accounts[].subdomain": "acme"}, {"accounts": [{"subdomain": "acme"}]}),
        ({"$[0].id": 7}, [{"id": 7}]),
    ],
)
def test_each_value_stands_at_its_path(members: dict[str, Any], expected: Any) -> None:
    """Members, indexes and lists come into being as the paths need them."""
    assert document(members) == expected


def test_what_is_put_at_a_path_is_read_at_that_path() -> None:
    """The provider writes where the vault reads."""
    path = "response.business_memberships[0].business.account_id"

    assert read(document({path: "Xq2"}), path) == "Xq2"
