"""Tests that say what they show, and that run."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tree import ROOT, at, functions, parse, sources

# A user's machine may lack Node.js, Java or a proxy. Where `CI` is set, these fail instead of skipping.
MAY_SKIP = {"tests/conformance/conftest.py", "tests/counterparts/conftest.py", "tests/deploy/conftest.py"}


def speechless(root: Path) -> list[str]:
    return [
        f"{at(root, file, test)} {test.name}"
        for file in sources(root, "tests")
        for test in functions(parse(file))
        if test.name.startswith("test_") and not _is_sentence(ast.get_docstring(test) or "")
    ]


def skipping(root: Path) -> list[str]:
    return [
        at(root, file, node)
        for file in sources(root, "tests")
        if at(root, file) not in MAY_SKIP
        for node in ast.walk(parse(file))
        if isinstance(node, ast.Attribute) and node.attr in ("skip", "skipif", "xfail", "importorskip")
    ]


def _is_sentence(text: str) -> bool:
    return bool(re.fullmatch(r"\S+ .*[.?]", " ".join(text.split())))


def test_every_test_says_what_it_shows() -> None:
    """A test's docstring is a sentence about behaviour."""
    assert speechless(ROOT) == []


@pytest.mark.parametrize("docstring", ["", '"""returns 200"""', '"""Test the refresh"""'])
def test_a_test_that_says_nothing_is_found(plant: Callable[[str, str], Path], docstring: str) -> None:
    """No docstring is found, and so is one that is not a sentence."""
    root = plant("tests/api/test_refresh.py", f"async def test_refresh():\n    {docstring}\n    assert True\n")

    assert speechless(root) == ["tests/api/test_refresh.py:1 test_refresh"]


def test_every_test_runs() -> None:
    """Nothing is skipped or expected to fail, except where a program may be missing on a user's machine."""
    assert skipping(ROOT) == []


@pytest.mark.parametrize("mark", ["@pytest.mark.skip", "@pytest.mark.skipif(True)", "@pytest.mark.xfail"])
def test_a_skipped_test_is_found(plant: Callable[[str, str], Path], mark: str) -> None:
    """A mark that keeps a test from counting is found."""
    root = plant("tests/api/test_refresh.py", f"{mark}\ndef test_refresh():\n    assert False\n")

    assert skipping(root) == ["tests/api/test_refresh.py:1"]
