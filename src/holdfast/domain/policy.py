"""What the operator lets through the proxy: rules by service, method and path.

A rule that blocks goes before every rule that allows, so adding one never opens anything. Where a rule allows
something of a service, only what some rule allows passes; where none does, everything passes that is not blocked.

Servers read one path in many ways. A rule that blocks looks at all that a path may be taken for; one that allows takes
only a path that can be read in one way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

Effect = Literal["allow", "block"]

ONE, REST = "*", "**"
# By which some servers take a POST for something else.
_OVERRIDES: Final = ("x-http-method-override", "x-http-method", "x-method-override")
_OVERRIDING: Final = "_method"
_AMBIGUOUS: Final = re.compile(r"[/\\;%]")


@dataclass(frozen=True, slots=True)
class Rule:
    """What some calls are. None is any service, any method, any path. In a path `*` is one segment, and `**` at its end
    any number of them, none included."""

    effect: Effect
    service_id: str | None = None
    methods: frozenset[str] | None = None
    path: str | None = None

    def concerns(self, service_id: str) -> bool:
        """Whether the rule says anything of this service."""
        return self.service_id is None or self.service_id == service_id

    def fits(self, method: str, segments: tuple[str, ...], *, exact: bool) -> bool:
        """Whether this call is one of those that are meant."""
        if self.methods is not None and method not in self.methods:
            return False
        return self.path is None or _fits(_pattern(self.path, exact=exact), segments)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one application."""

    rules: tuple[Rule, ...] = ()
    version: int = 0

    def admits(self, service_id: str, method: str, url: str, headers: Mapping[str, str]) -> bool:
        """Whether a call may be made. Names of `headers` are in lower case."""
        rules = [rule for rule in self.rules if rule.concerns(service_id)]
        return not rules or all(_admitted(rules, m, urlsplit(url).path) for m in _methods(method, url, headers))


def _admitted(rules: list[Rule], method: str, path: str) -> bool:
    loose = _readings(path)
    if any(r.fits(method, segments, exact=False) for r in rules if r.effect == "block" for segments in loose):
        return False
    allowing = [rule for rule in rules if rule.effect == "allow"]
    exact = _exact(path)
    return not allowing or (exact is not None and any(rule.fits(method, exact, exact=True) for rule in allowing))


def _methods(method: str, url: str, headers: Mapping[str, str]) -> set[str]:
    """The method, and what a server may take it for."""
    # CGI and its successors take `_` for `-`, and of a header that comes twice some servers take the last.
    spelled = [(name.replace("_", "-"), value) for name, value in headers.items()]
    said = {text for name, value in spelled if name in _OVERRIDES for text in value.split(",")}
    said |= {value for name, value in parse_qsl(urlsplit(url).query) if name == _OVERRIDING}
    return {method, *(text.strip().upper() for text in said if text)}


def _exact(path: str) -> tuple[str, ...] | None:
    """The segments of a path that can be read in one way only; None for any other."""
    segments = tuple(unquote(segment, errors="replace") for segment in path.split("/")[1:])
    if any(_AMBIGUOUS.search(segment) for segment in segments) or "" in segments[:-1]:
        return None
    return segments[:-1] if segments[-1:] == ("",) else segments


def _readings(path: str) -> set[tuple[str, ...]]:
    """What servers may take a path for: decoded once or to the end, with and without parameters, with segments of dots
    as they stand or followed (RFC 3986 section 5.2.4), in small letters."""
    readings = {path}
    while path != (path := unquote(path, errors="replace")):
        readings.add(path)
    texts = [text.replace("\\", "/").lower() for text in readings]
    texts += [re.sub(r";[^/]*", "", text) for text in texts]
    split = {tuple(filter(None, text.split("/"))) for text in texts}
    return split | set(map(_followed, split))


def _followed(segments: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for segment in segments:
        if segment == "..":
            del found[-1:]
        elif segment != ".":
            found.append(segment)
    return tuple(found)


def _pattern(path: str, *, exact: bool) -> tuple[str, ...]:
    return tuple(filter(None, (path if exact else path.lower()).split("/")))


def _fits(pattern: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    if pattern[-1:] == (REST,):
        pattern, segments = pattern[:-1], segments[: len(pattern) - 1]
    return len(pattern) == len(segments) and all(p in (ONE, s) for p, s in zip(pattern, segments, strict=True))
