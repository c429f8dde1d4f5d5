"""The ledger: which tests hold which sentence of which page, one YAML file for each page.

    page: SECURITY.md
    promises nothing:             # whole sections, with a reason
      Reporting: What people promise each other.
    says:
    - "There is no mode without a key.":
        - tests/cli/test_serve.py::test_a_database_without_its_key_is_refused
    - "Keep it on your server.":
        promises nothing: Advice to the operator.

A sentence stands there as the page has it, without links and stress. So whoever writes or changes one meets the
question which test shows it, and whoever renames a test learns what it was for.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import msgspec
import yaml
from pages import ROOT

HERE = Path(__file__).parent
NOTHING = "promises nothing"


class Ledger(msgspec.Struct, forbid_unknown_fields=True):
    """What one page says. A sentence is held by tests, or says why it needs none."""

    page: str
    says: list[dict[str, list[str] | dict[str, str]]]
    aside: dict[str, str] = msgspec.field(default_factory=dict, name=NOTHING)

    @property
    def sentences(self) -> list[str]:
        return [sentence for entry in self.says for sentence in entry]

    def held_by(self) -> Iterator[tuple[str, str]]:
        """Each sentence with each of its tests."""
        for entry in self.says:
            for sentence, tests in entry.items():
                yield from ((sentence, test) for test in tests if isinstance(tests, list))


def ledgers() -> list[Ledger]:
    return [msgspec.convert(yaml.safe_load(file.read_text()), Ledger) for file in sorted(HERE.glob("*.yaml"))]


def faults(ledger: Ledger, said: Mapping[str, list[str]]) -> Iterator[str]:
    """Where the ledger and what the page says, by section, are not one; and promises that no test holds."""
    promised = [sentence for section, all in said.items() if section not in ledger.aside for sentence in all]
    written, listed = Counter(promised), Counter(ledger.sentences)
    yield from (f"{ledger.page}: no test holds {sentence!r}" for sentence in written - listed)
    yield from (f"{ledger.page} does not say any more {sentence!r}" for sentence in listed - written)
    yield from (f"{ledger.page} has no section {section!r}" for section in ledger.aside if section not in said)
    for entry in ledger.says:
        for sentence, tests in entry.items():
            if not tests or (isinstance(tests, dict) and list(tests) != [NOTHING]):
                yield f"{ledger.page}: neither a test nor a reason for {sentence!r}"
    for sentence, test in ledger.held_by():
        if not exists(test):
            yield f"{ledger.page}: there is no {test} to hold {sentence!r}"


def exists(test: str) -> bool:
    """Whether a test function of this id is in the tree."""
    file, _, name = test.partition("::")
    return name in names_in(ROOT / file)


@cache
def names_in(file: Path) -> frozenset[str]:
    """The names of a file's test functions; none of a file that is not there."""
    if not file.is_file():
        return frozenset()
    found = ast.parse(file.read_text("utf-8")).body
    functions = [node for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(function.name for function in functions if function.name.startswith("test_"))
