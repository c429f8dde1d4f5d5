"""All connectors of this vault, by unified API and service."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from holdfast.catalog.problems import ManifestError, Problem
from holdfast.catalog.reading import read
from holdfast.domain.manifest.connector import Connector
from holdfast.domain.manifest.template import host_pattern
from holdfast.domain.manifest.urls import url_templates
from holdfast.errors import ConnectorNotFoundError, SettingsError

MANIFEST = "connector.yaml"


class Catalog:
    """The connectors that come with Holdfast, and one's own; one of one's own replaces a shipped one of its id."""

    def __init__(self, shipped: Iterable[Connector], own: Iterable[Connector] = ()) -> None:
        shipped_ones, own_ones = ({c.id: c for c in connectors} for connectors in (shipped, own))
        self._connectors = dict(sorted((shipped_ones | own_ones).items()))
        self._shipped = shipped_ones.keys() - own_ones.keys()
        self._hosts = {id: allowed_hosts(connector) for id, connector in self._connectors.items()}

    @classmethod
    def load(cls, *directories: Path) -> Catalog:
        """Reads the shipped manifests, then those below each of `directories`; later ones replace earlier ones.

        ManifestError holds the mistakes of all files, SettingsError names a directory that is not there.
        """
        shipped, mistakes = _shipped()
        problems = list(mistakes)
        own = [c for directory in directories for c in _connectors(_existing(directory), problems, shipped=False)]
        if problems:
            raise ManifestError(problems)
        return cls(shipped, own)

    def get(self, unified_api: str, service_id: str) -> Connector:
        """The connector of `service_id`, if it offers `unified_api`. ConnectorNotFoundError otherwise."""
        if not self.offers(unified_api, service_id):
            raise ConnectorNotFoundError("connector", f"{_printable(unified_api)}+{_printable(service_id)}")
        return self._connectors[service_id]

    def offers(self, unified_api: str, service_id: str) -> bool:
        """Whether there is such a connector; a manifest of one's own may have been taken away since it was set up."""
        connector = self._connectors.get(service_id)
        return connector is not None and unified_api in connector.unified_apis

    def find(self, service_id: str) -> Connector | None:
        """The connector of `service_id`, if the catalogue has it."""
        return self._connectors.get(service_id)

    def all(self) -> tuple[Connector, ...]:
        """Every connector, by id."""
        return tuple(self._connectors.values())

    def is_shipped(self, service_id: str) -> bool:
        """Whether the manifest is Holdfast's own. Any other gets a callback URL of its own (RFC 9700 section 4.4.2)."""
        return service_id in self._shipped

    def allowed_hosts(self, connector: Connector) -> tuple[str, ...]:
        """The host patterns that requests for `connector`, which is one of these, may go to."""
        return self._hosts[connector.id]


def allowed_hosts(connector: Connector) -> tuple[str, ...]:
    """The manifest's `hosts`, and the hosts that its URLs are bound to; the consent page is the browser's business."""
    bound = (host_pattern(url) for url in url_templates(connector))
    return tuple(dict.fromkeys([*connector.hosts, *(pattern for pattern in bound if pattern)]))


def manifests(directory: Traversable) -> Iterator[tuple[str, Traversable]]:
    """The manifests below `directory`, with the names of their folders, in order."""
    for folder in sorted(directory.iterdir(), key=lambda entry: entry.name):
        file = folder / MANIFEST
        if folder.is_dir() and file.is_file():
            yield folder.name, file


@cache
def _shipped() -> tuple[tuple[Connector, ...], tuple[Problem, ...]]:
    """Holdfast's own connectors and what is wrong with them. Read once: they do not change while it runs."""
    problems: list[Problem] = []
    return tuple(_connectors(files("holdfast") / "connectors", problems, shipped=True)), tuple(problems)


def _connectors(directory: Traversable, problems: list[Problem], *, shipped: bool) -> Iterator[Connector]:
    for folder, file in manifests(directory):
        try:
            yield read(file, folder, shipped=shipped)
        except ManifestError as error:
            problems.extend(error.problems)


def _existing(directory: Path) -> Path:
    if not directory.is_dir():
        raise SettingsError(f"There is no directory {directory} to read connectors from.")
    return directory


def _printable(text: str) -> str:
    """A caller's text as an error may show it back."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text[:64])
