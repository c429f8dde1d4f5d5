"""The project speaks of the project: of no package index, of no machine, of nobody's notes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tree import ROOT, at, files

# A letter in brackets keeps a pattern from finding itself. Packages come from whatever index a machine is set up
# for, so none is named; npm writes one into its lock files unless tests/node/.npmrc forbids it.
INDEX = (
    r"pypi[.]org", r"python[h]osted", r"registry[.]npmjs", r"registry[.]yarnpkg", r"index[-]url", r"find[-]links",
    r'"resolved": *"http', r"^registry *= *[\"h]",
)  # fmt: skip
MACHINE = (r"(?<![\w.:/-])/([w]ork|[f]arm|[r]oot|[U]sers)/", r"(?<![\w.:/-])/[h]ome/\w+/", r"/opt/([w]heels|[p]ypi)")
NOTES = (
    r"\.\./[s]hared", r"\b[c]ontract\.md", r"\b[d]esign\.md", r"\b[b]rief\.md", r"\b[s]ubagent", r"\b[C]laude\b",
    r"\b(OA|SU|TI|CR|SP|RR|DF|LD|WH|LG|OP)-\d\d\b", r"(?<![\w:+/])D(1?\d|20)\b(?![-+/=])",
)  # fmt: skip
PATTERN = re.compile("|".join((*INDEX, *MACHINE, *NOTES)), re.MULTILINE)


def foreign_words(root: Path) -> list[str]:
    found = []
    for file in files(root):
        for number, line in enumerate(_text(file).splitlines(), 1):
            if match := PATTERN.search(line):
                found.append(f"{at(root, file)}:{number} {match[0]}")
    return found


def _text(file: Path) -> str:
    """The file's text; nothing for an image or another file that is not UTF-8, or for a link."""
    try:
        return "" if file.is_symlink() else file.read_text("utf-8")
    except UnicodeDecodeError:
        return ""


def test_the_project_speaks_of_the_project() -> None:
    """No file names a package index, a path of one machine, or notes that are not part of the project."""
    assert foreign_words(ROOT) == []


@pytest.mark.parametrize(
    "line",
    [
        "--index" + "-url=https://example.com/simple",
        '"resol' + 'ved": "https://npm.example.com/a.tgz",',
        "see https://files.python" + "hosted.org/packages/a",
        "cd /wo" + "rk/main",
        "as decision D" + "14 says",
        "covers RR-" + "05",
    ],
)
def test_a_foreign_word_is_found(plant: Callable[[str, str], Path], line: str) -> None:
    """A word that belongs to one machine or to somebody's notes is found with its line."""
    root = plant("docs/index.md", f"# Holdfast\n\n{line}\n")

    assert [found.partition(" ")[0] for found in foreign_words(root)] == ["docs/index.md:3"]


@pytest.mark.parametrize(
    "line",
    ["https://example.com/" + "work/main", "3D-2", "--hash=sha256:D1", "[SECURITY.md](SECURITY.md)", "HTTP/1.1 200"],
)
def test_an_innocent_line_is_left_alone(plant: Callable[[str, str], Path], line: str) -> None:
    """A URL, a hash or a file of the project is none of those words."""
    assert foreign_words(plant("docs/index.md", f"{line}\n")) == []
