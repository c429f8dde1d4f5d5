"""Reads one `connector.yaml` strictly: all of its mistakes are told, each with its line."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from typing import Any

import msgspec

from holdfast.catalog import source
from holdfast.catalog.problems import Finding, ManifestError, Problem
from holdfast.catalog.rules import RULES, Manifest
from holdfast.catalog.vocabulary import CONNECTOR, dotted, examine
from holdfast.domain.manifest.connector import Connector


def read(file: Traversable, folder: str, *, shipped: bool = False) -> Connector:
    """The connector that `file`, in a folder of the name `folder`, describes.

    ManifestError holds everything that is wrong with it. `shipped` manifests have no exception for http://.
    """
    try:
        text = file.read_text(encoding="utf-8")
        document = source.load(text)
    except source.YamlError as error:
        raise ManifestError([Problem(str(file), error.line, "", str(error))]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError([Problem(str(file), 1, "", f"cannot be read: {error}")]) from None
    connector, found = understand(document, folder, shipped=shipped)
    if connector is None or found:
        raise ManifestError(_located(file, text, document, found))
    return connector


def understand(document: Any, folder: str, *, shipped: bool) -> tuple[Connector | None, list[Finding]]:
    """The connector that `document` describes, with stand-ins for what is missing, and everything that is wrong."""
    if not isinstance(document, dict):
        return None, [((), "a manifest is a mapping of words")]
    found: list[Finding] = []
    fitting = examine(document, CONNECTOR, (), found)
    connector = msgspec.convert(fitting, Connector)
    if connector.id != folder and not any(place == ("id",) for place, _ in found):
        found.append((("id",), f"{connector.id!r} stands in the folder {folder!r}; give both the same name"))
    manifest = Manifest.of(connector, fitting, shipped)
    found += [finding for rule in RULES for finding in rule(manifest)]
    return connector, found


def _located(file: Traversable, text: str, document: Any, found: list[Finding]) -> list[Problem]:
    return [
        Problem(str(file), source.line_of(text, place), dotted(document, place), message) for place, message in found
    ]
