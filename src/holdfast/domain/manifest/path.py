"""Paths into a provider's JSON answer, as manifests write them: `$.org[0].id`, `data.token`, `items[].name`, `$`.

A small closed set: members, one index, and `[]` for "each of". A path that leads nowhere gives None, because a
provider's answer is never trusted to have the promised shape.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

TEXT_LIMIT = 4096
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d*)\]|\['([^']+)'\]")


@lru_cache(maxsize=4096)
def steps(path: str) -> tuple[str | int | None, ...]:
    """Member names, indexes, and None for "each". ValueError if the path is malformed."""
    text = path.removeprefix("$")
    found: list[str | int | None] = []
    end = 0
    for match in _STEP.finditer(text):
        if match.start() != end:
            break
        end = match.end()
        member, index, quoted = match.groups()
        found.append(member or quoted or (int(index) if index else None))
    if end != len(text):
        raise ValueError(f"{path!r} is not a path; write $.a.b[0]['c d']")
    return tuple(found)


def read(document: Any, path: str) -> Any:
    """What stands at `path`, or None."""
    return _follow(document, steps(path))


def read_text(document: Any, path: str) -> str | None:
    """A string or number at `path` as text; None for anything else, for the empty string and for a very long one."""
    value = read(document, path)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    # A service may cut a text inside a pair of surrogates; half a pair can be stored nowhere.
    text = str(value).encode("utf-8", "replace").decode()
    return text if 0 < len(text) <= TEXT_LIMIT else None


def unwrapped(document: Any, path: str) -> Any:
    """`document`, or what a list holds first if the path leads nowhere from the list itself: some providers put a
    list around the one object that they answer."""
    if isinstance(document, list) and document and read(document, path) is None:
        return document[0]
    return document


def _follow(value: Any, path: tuple[str | int | None, ...]) -> Any:
    if not path:
        return value
    step, rest = path[0], path[1:]
    if step is None:
        return [_follow(item, rest) for item in value] if isinstance(value, list) else None
    if isinstance(step, int):
        return _follow(value[step], rest) if isinstance(value, list) and step < len(value) else None
    return _follow(value.get(step), rest) if isinstance(value, dict) else None
