"""Acme's manifest in a folder, and what is wrong with it once it has been changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from acme_manifest import ACME

from holdfast.catalog.problems import ManifestError, Problem
from holdfast.catalog.reading import read

Changes = tuple[str, str]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes Acme's manifest, with each `(old, new)` changed, to the folder of an id; gives the file."""

    def write(*changes: Changes, text: str = ACME, folder: str = "acme") -> Path:
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the manifest"
            text = text.replace(old, new)
        file = tmp_path / "connectors" / folder / "connector.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def problems_of(write: Callable[..., Path]) -> Callable[..., tuple[Problem, ...]]:
    """What is wrong with Acme's manifest after some changes."""

    def problems_of(*changes: Changes, shipped: bool = True, **options: str) -> tuple[Problem, ...]:
        file = write(*changes, **options)
        try:
            read(file, file.parent.name, shipped=shipped)
        except ManifestError as error:
            return error.problems
        return ()

    return problems_of
