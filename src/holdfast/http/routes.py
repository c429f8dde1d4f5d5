"""Which declared route a path is: by its number of segments and the first of them, before anything is compared.

Every path of the API is literal segments and `{named}` ones, and begins with a literal one. Nothing else is needed,
so no pattern is tried: that costs more than many a handler.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import Route
from starlette.types import ASGIApp

# Paths whose route is remembered, and how long such a path may be: at most a megabyte in all.
KNOWN, KNOWN_LENGTH = 2_000, 200


@dataclass(frozen=True, slots=True)
class Way:
    """A route, taken apart: its segments by their places."""

    path: str
    app: ASGIApp
    literals: tuple[tuple[int, str], ...]
    names: tuple[tuple[int, str], ...]

    def parameters(self, segments: Sequence[str]) -> dict[str, str] | None:
        """What stands in the places that have names; None for the segments of another path."""
        for place, text in self.literals:
            if segments[place] != text:
                return None
        found = {name: segments[place] for place, name in self.names}
        return found if all(found.values()) else None


class Routes:
    """The declared routes. Of those that fit a path, the first counts."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._ways: dict[tuple[str, int, str], list[Way]] = {}
        self._methods: list[str] = []
        self._known: dict[tuple[str, str], tuple[Way, dict[str, str]]] = {}
        for route in routes:
            segments = route.path.split("/")
            for method in sorted(route.methods or ()):
                self._ways.setdefault((method, len(segments), segments[1]), []).append(_way(route, segments))
                self._methods = sorted({*self._methods, method})

    def find(self, method: str, path: str) -> tuple[Way, dict[str, str]] | None:
        """The route of a request and its path parameters, which belong to the caller; None if there is no route."""
        # An API has few paths that are asked for again and again: a consumer stands in a header, not in its path.
        known = self._known.get((method, path))
        if known is not None:
            return known[0], known[1].copy()
        found = self._search(method, path)
        if found is not None and len(path) <= KNOWN_LENGTH:
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[method, path] = (found[0], found[1].copy())
        return found

    def _search(self, method: str, path: str) -> tuple[Way, dict[str, str]] | None:
        segments = path.split("/")
        for way in self._ways.get((method, len(segments), segments[1] if len(segments) > 1 else ""), ()):
            parameters = way.parameters(segments)
            if parameters is not None:
                return way, parameters
        return None

    def methods(self, path: str) -> list[str]:
        """The methods that `path` answers; none if there is no such path."""
        return [method for method in self._methods if self.find(method, path)]


def _way(route: Route, segments: list[str]) -> Way:
    named = [(place, text) for place, text in enumerate(segments) if text.startswith("{")]
    return Way(
        path=route.path,
        app=route.app,
        literals=tuple((place, text) for place, text in enumerate(segments) if not text.startswith("{")),
        names=tuple((place, text.strip("{}")) for place, text in named),
    )
