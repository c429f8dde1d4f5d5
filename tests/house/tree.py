"""The project's files as the house's rules read them.

A rule is a function from a folder to what it found there, so that it can be shown a folder with a planted fault.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parents[2]


@cache
def files(root: Path) -> tuple[Path, ...]:
    """Every file under `root` that git would track."""
    ignore = root / ".gitignore"
    lines = ignore.read_text().splitlines() if ignore.exists() else []
    return tuple(sorted(_walk(root, GitIgnoreSpec.from_lines([*lines, ".git"]))))


def sources(root: Path, under: str = "", *, suffixes: tuple[str, ...] = (".py",)) -> list[Path]:
    """The files below `under` that end in one of `suffixes`."""
    return [file for file in files(root) if file.suffix in suffixes and file.is_relative_to(root / under)]


@cache
def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method, however deep."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def at(root: Path, file: Path, node: ast.AST | None = None) -> str:
    """Where something stands, as an editor opens it."""
    line = f":{node.lineno}" if node is not None and hasattr(node, "lineno") else ""
    return f"{file.relative_to(root).as_posix()}{line}"


def _walk(root: Path, ignored: GitIgnoreSpec) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = [n for n in folders if not ignored.match_file(f"{(here / n).relative_to(root).as_posix()}/")]
        yield from (here / n for n in names if not ignored.match_file((here / n).relative_to(root).as_posix()))
