"""What a rule looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from holdfast.catalog.problems import Place
from holdfast.catalog.vocabulary import Text, texts
from holdfast.domain.manifest.connector import Connector, Setting


@dataclass(frozen=True, slots=True)
class Manifest:
    """A connector, and the document that it was read from. `shipped`: whether it comes with Holdfast."""

    connector: Connector
    document: dict[str, Any]
    shipped: bool
    texts: list[Text] = field(default_factory=list)

    @classmethod
    def of(cls, connector: Connector, document: dict[str, Any], shipped: bool) -> Manifest:
        return cls(connector, document, shipped, list(texts(document)))

    def settings(self) -> Iterator[tuple[Place, Setting]]:
        for index, setting in enumerate(self.connector.settings):
            yield ("settings", index), setting

    def of_kind(self, *kinds: str) -> Iterator[Text]:
        return (text for text in self.texts if text.kind in kinds)
