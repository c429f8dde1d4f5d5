"""The pages that promise something: each of their sentences is held by a test, or promises nothing."""

from __future__ import annotations

import pytest
from ledger import HERE, Ledger, exists, faults, ledgers, names_in
from pages import ROOT, said, sections

PROMISING = {
    "SECURITY.md",
    "docs/explanation/sealing.md",
    "docs/how-to/deploy.md",
    "docs/reference/api.md",
    "docs/reference/proxy.md",
}
HELD = [{"No key, no entry.": ["tests/promises/test_promises.py::test_every_sentence_is_held"]}]


@pytest.mark.parametrize("ledger", ledgers(), ids=lambda ledger: ledger.page)
def test_every_sentence_is_held(ledger: Ledger) -> None:
    """A sentence that is new or changed, or whose test is gone, is told with its page."""
    assert list(faults(ledger, said(ledger.page))) == []


def test_every_page_that_promises_is_walked() -> None:
    """None of them is left out, and none has two ledgers."""
    assert sorted(ledger.page for ledger in ledgers()) == sorted(PROMISING)


def test_every_test_here_holds_a_sentence() -> None:
    """A test that was written for a promise goes with it."""
    held = {test for ledger in ledgers() for _, test in ledger.held_by()}
    files = [file for file in HERE.glob("test_*.py") if file.name != "test_promises.py"]

    assert {f"{file.relative_to(ROOT)}::{name}" for file in files for name in names_in(file)} <= held


def test_a_page_is_read_as_sentences() -> None:
    """Paragraphs, items and rows, without links, stress, code and the heads of tables."""
    page = """
# Title

**Keys.** A key is [kept](keys.md) for
ever. It is *sealed*:

    sealed = code

| what | do |
|---|---|
| a key | delete it |

- One item. And
  more of it.

## Next

```sh
code
```
Done?
"""

    assert sections(page) == {
        "the opening": [
            "Keys. A key is kept for ever.", "It is sealed:", "a key | delete it", "One item.", "And more of it.",
        ],
        "Next": ["Done?"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ([], "PAGE.md: no test holds 'No key, no entry.'"),
        ([*HELD, *HELD], "PAGE.md does not say any more 'No key, no entry.'"),
        ([{"No key, no entry.": []}], "PAGE.md: neither a test nor a reason for 'No key, no entry.'"),
        (
            [{"No key, no entry.": ["tests/gone.py::test_entry"]}],
            "PAGE.md: there is no tests/gone.py::test_entry to hold 'No key, no entry.'",
        ),
    ],
    ids=["new", "twice", "empty", "renamed"],
)
def test_a_sentence_that_nothing_holds_is_found(says: list[dict[str, list[str] | dict[str, str]]], told: str) -> None:
    """The message names the page and the sentence."""
    assert list(faults(Ledger("PAGE.md", says), {"Keys": ["No key, no entry."]})) == [told]


def test_a_section_that_promises_nothing_is_passed_over() -> None:
    """As long as the page has it."""
    aside = {"Reporting": "What people promise each other."}

    assert list(faults(Ledger("PAGE.md", [], aside), {"Reporting": ["Write to us."]})) == []
    assert list(faults(Ledger("PAGE.md", [], aside), {})) == ["PAGE.md has no section 'Reporting'"]


def test_a_test_is_known_by_its_id() -> None:
    """By file and name; a name alone, or in another file, is none."""
    assert exists("tests/promises/test_promises.py::test_a_test_is_known_by_its_id")
    assert not exists("tests/promises/test_promises.py::test_a_test_is_known")
    assert not exists("test_a_test_is_known_by_its_id")
