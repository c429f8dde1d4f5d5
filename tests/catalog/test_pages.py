"""The generated pages of the reference, and the docstrings they are generated from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import fields

from holdfast.catalog import Catalog
from holdfast.catalog.authoring import check
from holdfast.catalog.pages import connectors_page, manifest_page
from holdfast.domain.manifest.connector import Connector, Word

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-connector.md"
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
REGENERATE = "run `python -m holdfast.catalog.pages docs/reference`"


def _words() -> list[type[Word]]:
    return [cls for cls in Word.__subclasses__() if cls.__module__.startswith("holdfast.domain.")]


def test_the_page_of_the_vocabulary_is_up_to_date() -> None:
    """What the reference says of a word is what its docstring says."""
    assert (REFERENCE / "manifest.md").read_text(encoding="utf-8") == manifest_page(), REGENERATE


def test_the_page_of_the_connectors_is_up_to_date() -> None:
    """Every shipped connector stands in the table, as its manifest is."""
    assert (REFERENCE / "connectors.md").read_text(encoding="utf-8") == connectors_page(Catalog.load()), REGENERATE


@pytest.mark.parametrize("cls", _words(), ids=lambda cls: cls.__name__)
def test_every_word_is_explained(cls: type[Word]) -> None:
    """A group of words explains each of its words, and no other."""
    lines = (cls.__doc__ or "").splitlines()
    explained = [line.strip().partition(": ")[0] for line in lines[2:] if line.startswith("    ") and line[4:5] != " "]
    named = [name for name in explained if name]

    assert named == [field.encode_name for field in fields(cls)]


def test_the_manifest_of_the_guide_is_right(tmp_path: Path) -> None:
    """Whoever copies the guide's example has a manifest that passes."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    file = tmp_path / "acme-desk" / "connector.yaml"
    file.parent.mkdir()
    file.write_text(blocks[0], encoding="utf-8")

    assert check(file) == []


def test_every_group_of_words_has_its_section() -> None:
    """Whatever a manifest can hold is on the page once."""
    page = manifest_page()

    assert all(page.count(f"\n## {cls.__name__}\n") == 1 for cls in _words())
    assert page.count("](#") > 0
    assert Connector in _words()
