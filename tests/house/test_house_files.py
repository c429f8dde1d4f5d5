"""Files that can be read in one sitting, that are named for what they hold, and that say it first."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from tree import ROOT, at, files, parse, sources

CODE = (".py", ".sql", ".js", ".html", ".css")
SITTING = 500
DRAWERS = {
    f"{name}{plural}"
    for name in ("util", "helper", "common", "misc", "base", "manager", "service", "shared")
    for plural in ("", "s")
}


def too_long(root: Path) -> list[str]:
    counted = [(file, file.read_text("utf-8").count("\n")) for file in sources(root, suffixes=CODE)]
    return [f"{at(root, file)}: {lines} lines" for file, lines in counted if lines > SITTING]


def drawers(root: Path) -> list[str]:
    """Names that say nothing, so that everything fits in."""
    return [
        at(root, file)
        for file in files(root)
        if file.suffix in CODE and DRAWERS & {file.stem, *file.parent.relative_to(root).parts}
    ]


def silent(root: Path) -> list[str]:
    return [at(root, file) for file in sources(root) if not ast.get_docstring(parse(file))]


def test_a_file_is_read_in_one_sitting() -> None:
    """No file of code has more than 500 lines."""
    assert too_long(ROOT) == []


def test_a_longer_file_is_found(plant: Callable[[str, str], Path]) -> None:
    """A file of 501 lines is one too many."""
    root = plant("src/pages.sql", "SELECT 1;\n" * 501)

    assert too_long(root) == ["src/pages.sql: 501 lines"]


def test_nothing_is_kept_in_a_drawer() -> None:
    """A file or folder is named for its idea, never for being a place to put things."""
    assert drawers(ROOT) == []


@pytest.mark.parametrize("name", ["src/holdfast/utils.py", "src/holdfast/helpers/url.py", "tests/api/common.py"])
def test_a_drawer_is_found(plant: Callable[[str, str], Path], name: str) -> None:
    """A drawer is found by the name of its file or of its folder."""
    assert drawers(plant(name, "")) == [name]


def test_every_module_says_what_it_is() -> None:
    """Each Python file opens with a docstring, packages too."""
    assert silent(ROOT) == []


def test_a_silent_module_is_found(plant: Callable[[str, str], Path]) -> None:
    """A comment in the first line is not a docstring."""
    root = plant("src/holdfast/__init__.py", "# The vault.\n")

    assert silent(root) == ["src/holdfast/__init__.py"]
