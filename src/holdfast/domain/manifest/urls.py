"""The URLs of a manifest that requests of ours go to, found along the types of its words.

A member that is a `UrlTemplate` is one of them by its type alone, wherever it stands: whoever gives the vocabulary a
new word with a URL need not remember that hosts are bound by this list.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, get_args

from msgspec import Struct, inspect

from holdfast.domain.manifest.connector import RequestTemplate
from holdfast.domain.manifest.oauth import Authorize
from holdfast.domain.manifest.words import UrlTemplate

# The consent page is opened by a browser, which goes where it likes; the vault sends nothing there.
FOR_THE_BROWSER: Final = frozenset({(Authorize, "url")})
_KIND: Final = get_args(UrlTemplate)[1].extra


def url_templates(words: Struct, base: str = "") -> list[str]:
    """Every URL template in `words` that a request of ours may go to, in the order of the vocabulary.

    The paths of requests are among them, appended to `base`, if that is given.
    """
    return list(_in_words(words, base))


def _in_words(words: Struct, base: str) -> Iterator[str]:
    for name, type_ in _leading(type(words)):
        yield from _in(type_, getattr(words, name), base)
    if base and isinstance(words, RequestTemplate) and words.path and not words.url:
        yield f"{base}{words.path}"


def _in(type_: inspect.Type, value: Any, base: str) -> Iterator[str]:
    """The URLs in `value`, as far as it is of `type_`: of a union it is of one."""
    match type_:
        case inspect.Metadata() if type_.extra == _KIND:
            yield from [value] if value else []
        case inspect.Metadata():
            yield from _in(type_.type, value, base)
        case inspect.UnionType():
            for option in type_.types:
                yield from _in(option, value, base)
        case inspect.DictType() if isinstance(value, dict):
            for item in value.values():
                yield from _in(type_.value_type, item, base)
        case inspect.VarTupleType() if isinstance(value, tuple):
            for item in value:
                yield from _in(type_.item_type, item, base)
        case inspect.StructType() if isinstance(value, type_.cls):
            yield from _in_words(value, base)


@cache
def _leading(cls: type[Struct]) -> tuple[tuple[str, inspect.Type], ...]:
    """The members of such words below which a URL can stand. Most of a manifest is elsewhere and is never walked."""
    fields = [field for field in _fields(cls) if (cls, field.name) not in FOR_THE_BROWSER]
    return tuple([(field.name, field.type) for field in fields if _leads(field.type)])


def _leads(type_: inspect.Type) -> bool:
    match type_:
        case inspect.Metadata():
            return type_.extra == _KIND or _leads(type_.type)
        case inspect.UnionType():
            return any(map(_leads, type_.types))
        case inspect.DictType():
            return _leads(type_.value_type)
        case inspect.VarTupleType():
            return _leads(type_.item_type)
        case inspect.StructType():
            return bool(_leading(type_.cls))
    return False


def _fields(cls: type[Struct]) -> tuple[inspect.Field, ...]:
    known = inspect.type_info(cls)
    assert isinstance(known, inspect.StructType)
    return known.fields
