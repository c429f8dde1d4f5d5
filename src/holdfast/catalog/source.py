"""YAML as manifests use it: the core schema of YAML 1.2, and each key once.

PyYAML follows YAML 1.1, in which `on:` is a boolean, `no` (Norway) too, `2026-11-23` a date and a repeated key
silently wins. None of that happens here. Line numbers are found by a second pass, and only when something is wrong.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from holdfast.catalog.problems import Place

SIZE_LIMIT = 262_144
_TAG = "tag:yaml.org,2002:"


class YamlError(ValueError):
    """The text is not YAML, or not YAML that a manifest may use."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class _Loader(yaml.CSafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError("a key is a text", key.start_mark.line + 1)
            if key.value in seen:
                raise YamlError(f"{key.value!r} stands here a second time", key.start_mark.line + 1)
            seen.add(key.value)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node)


_Loader.add_constructor(_TAG + "map", _construct_mapping)
for _name, _form, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)\.[0-9]+", "-0123456789"),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_form})$"), list(_first))


def load(text: str) -> Any:
    """The document in `text`. YamlError says what is wrong and in which line."""
    if len(text) > SIZE_LIMIT:
        raise YamlError(f"the file is larger than {SIZE_LIMIT} characters", 1)
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(error.problem or "this is not YAML", mark.line + 1 if mark else 1) from None
    except (yaml.YAMLError, RecursionError):
        raise YamlError("this is not YAML", 1) from None


def line_of(text: str, place: Place) -> int:
    """The line (from 1) on which the word at `place` stands, or what holds it if it is missing."""
    node: Any = yaml.compose(text, Loader=_Loader)
    line = 1
    for step in place:
        found = _child(node, step)
        if found is None:
            break
        line, node = found
    return line


def _child(node: Any, step: str | int) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key.start_mark.line + 1, value) for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None
