"""A page of documentation as the things that it says: its sentences and the rows of its tables, by section."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOP = "the opening"  # the section before the first heading that divides a page

_INDENTED = re.compile(r"^ {4}.*$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_RULE = re.compile(r"^\|[-| ]*-[-| ]*\|$")
_BLOCK = re.compile(r"\n\s*\n|\n(?=- |\|)")
_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)\s+(?=[A-Z`*\[])|(?<=[.!?]\*\*)\s+")
_STRESS = re.compile(r"(\*+)(?=\S)(.+?)(?<=\S)\1")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_LABEL = re.compile(r"^\*+[^*]+\*+( \([^)]*\))?\.?$")


def said(page: str) -> dict[str, list[str]]:
    """What the page says, in its order, by section: {heading: [sentence or row, …]}. Code says nothing."""
    return sections((ROOT / page).read_text("utf-8"))


def sections(markdown: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in re.split(r"^(?=#{1,3} )", markdown, flags=re.MULTILINE):
        heading, _, text = part.partition("\n")
        name = heading.lstrip("# ") if heading.startswith("##") else TOP
        found.setdefault(name, []).extend(_sayings(text))
    return {name: sayings for name, sayings in found.items() if sayings}


def _sayings(text: str) -> list[str]:
    text = _INDENTED.sub("", _FENCED.sub("", text))
    blocks = [block.strip() for block in _BLOCK.split(text) if block.strip()]
    return [_plain(saying) for block in _without_heads(blocks) for saying in _parts(block)]


def _without_heads(blocks: list[str]) -> list[str]:
    """A table's first row says what its columns are."""
    rules = {at for at, block in enumerate(blocks) if _RULE.match(block)}
    return [block for at, block in enumerate(blocks) if at not in rules and at + 1 not in rules]


def _parts(block: str) -> list[str]:
    if block.startswith("**") and block.endswith("**"):
        return []  # a heading within a section
    if block.startswith("|"):
        return [block.strip("| ")]
    first, *rest = _END.split(block.removeprefix("- "))
    if rest and _LABEL.match(first):  # "**List** (`GET …`)." names what the sentence after it is about
        return [f"{first} {rest[0]}", *rest[1:]]
    return [first, *rest]


def _plain(saying: str) -> str:
    """Without line breaks, links and stress, which may change while what is said stays."""
    return _STRESS.sub(r"\2", _LINK.sub(r"\1", " ".join(saying.split())))
