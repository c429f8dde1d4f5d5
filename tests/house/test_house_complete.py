"""Tables and pages that would silently fall behind the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import pytest
from tree import ROOT, at, sources

from holdfast import errors
from holdfast.config import NAMES
from holdfast.errors import CallerError, ConflictError, HoldfastError
from holdfast.http.errors import TABLE

SETTINGS, METRICS = "docs/reference/settings.md", "docs/reference/metrics.md"
METRIC = re.compile(r'\b(Counter|Gauge|Histogram)\(\s*"(holdfast_\w+)"')
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")
PAGE = re.compile(r"\bdocs/[\w./-]+\.md\b")


def undocumented(root: Path) -> set[str]:
    """Settings that only the code knows, and settings that only the page knows."""
    return set(NAMES) ^ set(re.findall(r"HOLDFAST_[A-Z_]+", (root / SETTINGS).read_text("utf-8")))


def unexplained(root: Path) -> set[str]:
    """Metrics that only the code knows, and metrics that only the page knows."""
    code = "".join(_read(file) for file in sources(root, "src/holdfast"))
    counted = {f"{name}{'_total' * (kind == 'Counter')}" for kind, name in METRIC.findall(code)}
    return counted ^ set(re.findall(r"^\| `(holdfast_\w+)`", _read(root / METRICS), re.MULTILINE))


def dangling(root: Path) -> list[str]:
    """Links between pages, and pages that code names, that lead nowhere."""
    pages = [(file, file.parent / to) for file in sources(root, suffixes=(".md",)) for to in LINK.findall(_read(file))]
    named = [(f, root / to) for f in sources(root, suffixes=(".py", ".toml")) for to in PAGE.findall(_read(f))]
    return [f"{at(root, file)} {to.name}" for file, to in pages + named if not to.exists()]


def without_status(module: ModuleType, table: Mapping[type[HoldfastError], object]) -> list[str]:
    """Errors for which neither they nor what they are a kind of has a status."""
    kinds = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, HoldfastError)]
    return [k.__name__ for k in kinds if k is not HoldfastError and not table.keys() & set(k.__mro__)]


def test_every_setting_is_documented() -> None:
    """The page of settings lists what the code reads, and nothing else."""
    assert undocumented(ROOT) == set()


def test_a_forgotten_setting_is_found(plant: Callable[[str, str], Path]) -> None:
    """A setting that the page leaves out is found, and so is one that it makes up."""
    listed = " ".join(name for name in NAMES if name != "HOLDFAST_LOG_LEVEL")
    root = plant(SETTINGS, f"{listed} HOLDFAST_LOG_COLOUR")

    assert undocumented(root) == {"HOLDFAST_LOG_LEVEL", "HOLDFAST_LOG_COLOUR"}


def test_every_metric_is_explained() -> None:
    """The page of metrics lists what the code counts, and nothing else."""
    assert unexplained(ROOT) == set()


def test_a_forgotten_metric_is_found(plant: Callable[[str, str], Path]) -> None:
    """A metric that the page leaves out is found, and so is one that it makes up."""
    plant("src/holdfast/loop.py", 'Counter("holdfast_turns", "…")\nGauge("holdfast_speed", "…")\n')
    root = plant(METRICS, "| `holdfast_speed` | |\n| `holdfast_mood_total` | |\n")

    assert unexplained(root) == {"holdfast_turns_total", "holdfast_mood_total"}


def test_no_link_leads_nowhere() -> None:
    """A page that another page links to, or that a docstring names, exists."""
    assert dangling(ROOT) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [("docs/index.md", "[Words](glossary.md#vault)"), ("src/holdfast/config.py", "# see docs" + "/reference/gone.md")],
)
def test_a_link_that_leads_nowhere_is_found(plant: Callable[[str, str], Path], file: str, text: str) -> None:
    """A missing page is found wherever it is spoken of."""
    assert len(dangling(plant(file, text))) == 1


def test_every_error_has_a_status() -> None:
    """The one table of statuses answers for each error of the tree."""
    assert without_status(errors, TABLE) == []


def test_an_error_without_a_status_is_found() -> None:
    """A kind of error is found that is not in the table and is not a kind of one that is."""
    module = ModuleType("errors")
    vars(module).update(CallerError=CallerError, ConflictError=ConflictError, Unavailable=errors.Unavailable)

    assert without_status(module, {CallerError: 400}) == ["Unavailable"]


def _read(file: Path) -> str:
    return file.read_text("utf-8")
