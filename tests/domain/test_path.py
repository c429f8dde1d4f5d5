"""Paths into a provider's answer."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.domain.manifest.path import read, read_text, steps

ANSWER = {
    "d": {"results": [{"CurrentDivision": 1734}]},
    "items": [{"id": "a"}, {"id": "b"}],
    "a b": 1,
    "ok": True,
    "e": "",
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", ANSWER),
        ("$.d.results[0].CurrentDivision", 1734),
        ("d.results[0].CurrentDivision", 1734),
        ("$.items[].id", ["a", "b"]),
        ("$['a b']", 1),
        ("$.items[7].id", None),
        ("$.d.nothing.more", None),
        ("$.ok.x", None),
    ],
)
def test_a_path_leads_to_its_value_or_to_none(path: str, expected: Any) -> None:
    """A path reads members, indexes and each; one that leads nowhere gives None."""
    assert expected == read(ANSWER, path)


@pytest.mark.parametrize(
    ("path", "expected"), [("$.d.results[0].CurrentDivision", "1734"), ("ok", None), ("e", None), ("d", None)]
)
def test_only_texts_and_numbers_become_settings(path: str, expected: str | None) -> None:
    """A captured value is a text or a number; anything else is nothing."""
    assert expected == read_text(ANSWER, path)


@pytest.mark.parametrize("path", ["$.a[", "$.a]b", "$..a", "a.b[x]"])
def test_a_malformed_path_is_refused(path: str) -> None:
    """A path that is not of the closed set does not parse."""
    with pytest.raises(ValueError, match="is not a path"):
        steps(path)
