"""The vocabulary as data: walks what a manifest says along the types of `holdfast.domain.manifest.connector`.

`examine` finds unknown words and wrong types, all of them; `texts` gives every text whose kind the vocabulary
names (a template, a path, a setting, …); `words` gives every group of words of a connector with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import inspect

from holdfast.catalog.problems import Finding, Place
from holdfast.domain.manifest.connector import Connector, Word

W = TypeVar("W", bound=Word)
Type = inspect.Type

ABSENT = object()
CONNECTOR = inspect.type_info(Connector)
_NAMES: dict[type, str] = {
    inspect.StrType: "a text",
    inspect.IntType: "a whole number",
    inspect.BoolType: "true or false",
    inspect.NoneType: "null",
    inspect.VarTupleType: "a list",
    inspect.DictType: "a mapping",
    inspect.StructType: "a mapping",
}


_STAND_INS = {"address": "https://x.invalid", "URL template": "https://x.invalid", "date": "2000-01-01"}


class Text(NamedTuple):
    """A text in a manifest, and what it stands for."""

    place: Place
    kind: str
    value: Any


def examine(value: Any, type_: Type, place: Place, found: list[Finding]) -> Any:
    """`value` without what does not fit `type_`, which is written to `found`; ABSENT if nothing of it fits.

    What comes back can always be converted: required words that are missing have a stand-in.
    """
    known = _branch(type_, value)
    if known is None:
        return _refused(place, f"expected {_expected(type_)}{_quoting_hint(type_, value)}", found)
    if isinstance(known, inspect.StructType):
        return _examine_words(value, known, place, found)
    if isinstance(known, inspect.DictType):
        return _examine_mapping(value, known, place, found)
    if isinstance(known, inspect.VarTupleType):
        items = [examine(item, known.item_type, (*place, i), found) for i, item in enumerate(value)]
        return [item for item in items if item is not ABSENT]
    complaint = _complaint(value, known, _kind(type_))
    return value if complaint is None else _refused(place, complaint, found)


def texts(value: Any, type_: Type = CONNECTOR, place: Place = ()) -> Iterator[Text]:
    """Every text in `value` (which fits `type_`) whose kind the vocabulary names; keys of mappings too."""
    kind, known = _kind(type_), _branch(type_, value)
    if kind and value is not None:
        yield Text(place, kind, value)
    elif isinstance(known, inspect.StructType):
        for field in known.fields:
            if field.encode_name in value:
                yield from texts(value[field.encode_name], field.type, (*place, field.encode_name))
    elif isinstance(known, inspect.DictType):
        for key, item in value.items():
            yield from texts(key, known.key_type, (*place, key))
            yield from texts(item, known.value_type, (*place, key))
    elif isinstance(known, inspect.VarTupleType):
        for index, item in enumerate(value):
            yield from texts(item, known.item_type, (*place, index))


def words(root: Any, wanted: type[W], place: Place = ()) -> Iterator[tuple[Place, W]]:
    """Every group of `wanted` words below `root`, with its place."""
    if isinstance(root, wanted):
        yield place, root
    if isinstance(root, Word):
        for field in _fields(type(root)):
            yield from words(getattr(root, field.name), wanted, (*place, field.encode_name))
    elif isinstance(root, dict):
        for key, item in root.items():
            yield from words(item, wanted, (*place, key))
    elif isinstance(root, tuple):
        for index, item in enumerate(root):
            yield from words(item, wanted, (*place, index))


def dotted(document: Any, place: Place) -> str:
    """A place as people write it: `settings.tenant_id.type`; an item of a list goes by its `id`, if it has one."""
    names = []
    for step in place:
        document = _item(document, step)
        id = document.get("id") if isinstance(step, int) and isinstance(document, dict) else None
        names.append(str(id if isinstance(id, str) else step))
    return ".".join(names)


def place_of(document: Any, path: str) -> Place | None:
    """The place that `dotted` writes as `path`, or None if nothing stands there."""
    place: list[str | int] = []
    for name in path.split("."):
        step = _index(document, name) if isinstance(document, list) else name
        document = _item(document, step)
        if document is ABSENT:
            return None
        place.append(step)
    return tuple(place)


def _examine_words(given: dict[str, Any], known: inspect.StructType, place: Place, found: list[Finding]) -> Any:
    fields = {field.encode_name: field for field in known.fields}
    value = _respelled(given, fields, place, found)
    for name, field in fields.items():
        if field.required and name not in value:
            found.append(((*place, name), "is required"))
    examined = {n: examine(value[n], fields[n].type, (*place, n), found) for n in value.keys() & fields.keys()}
    fitting = {name: item for name, item in examined.items() if item is not ABSENT}
    return {name: _stand_in(field.type) for name, field in fields.items() if field.required} | fitting


def _respelled(given: dict[str, Any], fields: Iterable[str], place: Place, found: list[Finding]) -> dict[str, Any]:
    """`given`, with a misspelled word read as the one that was meant, so that what is below it is examined too."""
    value = dict(given)
    for name in given.keys() - set(fields):
        near = get_close_matches(str(name), fields, n=1, cutoff=0.5)
        found.append(((*place, name), f"unknown word; did you mean {near[0]!r}?" if near else "unknown word"))
        if near:
            value.setdefault(near[0], given[name])
    return value


def _examine_mapping(value: dict[str, Any], known: inspect.DictType, place: Place, found: list[Finding]) -> Any:
    kept = {k: v for k, v in value.items() if examine(k, known.key_type, (*place, k), found) is not ABSENT}
    examined = {k: examine(v, known.value_type, (*place, k), found) for k, v in kept.items()}
    return {key: item for key, item in examined.items() if item is not ABSENT}


def _stand_in(type_: Type, kind: str = "") -> Any:
    """Something of the type, in place of a required value that is missing, so that the rest can be examined."""
    match type_:
        case inspect.Metadata():
            return _stand_in(type_.type, (type_.extra or {}).get("is", ""))
        case inspect.StructType():
            return {field.encode_name: _stand_in(field.type) for field in type_.fields if field.required}
        case inspect.DictType():
            return {}
        case inspect.UnionType():
            return _stand_in(type_.types[0])
        case inspect.LiteralType():
            return type_.values[0]
    return _STAND_INS.get(kind, "x")


def _refused(place: Place, message: str, found: list[Finding]) -> Any:
    found.append((place, message))
    return ABSENT


def _branch(type_: Type, value: Any) -> Type | None:
    """The part of `type_` that a value of this Python type belongs to."""
    if isinstance(type_, inspect.Metadata):
        return _branch(type_.type, value)
    if isinstance(type_, inspect.UnionType):
        return next((b for option in type_.types if (b := _branch(option, value)) is not None), None)
    return type_ if _takes(type_, value) else None


def _takes(type_: Type, value: Any) -> bool:
    match type_:
        case inspect.StructType() | inspect.DictType():
            return isinstance(value, dict)
        case inspect.VarTupleType():
            return isinstance(value, list)
        case inspect.LiteralType():
            return any(type(value) is type(allowed) for allowed in type_.values)
        case inspect.StrType():
            return isinstance(value, str)
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case inspect.NoneType():
            return value is None
    return isinstance(type_, inspect.AnyType)


def _complaint(value: Any, known: Type, kind: str | None) -> str | None:
    match known:
        case inspect.LiteralType() if value not in known.values:
            near = get_close_matches(str(value), map(str, known.values), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return f"{value!r} is not one of {', '.join(map(str, known.values))}{hint}"
        case inspect.StrType() if known.pattern and not re.fullmatch(known.pattern, value):
            return f"{value!r} does not have the form of {_article(kind or 'text')} ({known.pattern})"
        case inspect.StrType() if known.max_length and len(value) > known.max_length:
            return f"is longer than {known.max_length} characters"
        case inspect.IntType() if (known.ge is not None and value < known.ge) or (known.le and value > known.le):
            return f"{value} is out of range"
    return None


def _kind(type_: Type) -> str | None:
    """What the vocabulary says that a text stands for."""
    if isinstance(type_, inspect.Metadata):
        return (type_.extra or {}).get("is")
    if isinstance(type_, inspect.UnionType):
        return next((kind for option in type_.types if (kind := _kind(option))), None)
    return None


def _expected(type_: Type) -> str:
    if isinstance(type_, inspect.Metadata):
        return _expected(type_.type)
    if isinstance(type_, inspect.UnionType):
        return " or ".join(_expected(option) for option in type_.types if not isinstance(option, inspect.NoneType))
    if isinstance(type_, inspect.LiteralType):
        return f"one of {', '.join(map(str, type_.values))}"
    return _NAMES.get(type(type_), "something else")


def _quoting_hint(type_: Type, value: Any) -> str:
    wants_text = _branch(type_, "") is not None
    if wants_text and isinstance(value, bool | int | float):
        return f', not {str(value).lower()}; write "{str(value).lower()}"'
    return "" if value is not None else ", not nothing"


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _item(document: Any, step: str | int) -> Any:
    if isinstance(document, dict):
        return document.get(step, ABSENT)
    if isinstance(document, list) and isinstance(step, int) and 0 <= step < len(document):
        return document[step]
    return ABSENT


def _index(document: list[Any], name: str) -> int:
    by_id = (i for i, item in enumerate(document) if isinstance(item, dict) and item.get("id") == name)
    return next(by_id, int(name) if name.isdigit() and name.isascii() else -1)


@cache
def _fields(cls: type[Word]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(cls)
