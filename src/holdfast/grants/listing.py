"""Lists at the service, from their first page to their last: custom fields, and the choices of a select.

Bounded: at most `PAGES` pages and `LIST_LIMIT` items, and never the same page twice, since a list that goes on for
ever is the service's mistake and must not become ours.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit, urlunsplit

from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest import path
from holdfast.domain.manifest.connector import CustomFields, FieldMap, NextPage, Option, OptionsFrom
from holdfast.grants.call import build, good_answer, place
from holdfast.grants.flow import Setup, with_query
from holdfast.grants.sent import Sent

PAGES = 20
LIST_LIMIT = 2000
TEXT_LIMIT = 1000
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w*]+\s*=\s*(?:"[^"]*"|[^\s;,"]+))*)')
_NEXT = re.compile(r';\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\b)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CustomField:
    """A field that the consumer's account has beside the service's own. `finder` is a JSONPath to its value."""

    id: str
    finder: str
    name: str | None = None
    description: str | None = None

    def without(self, sent: Sent) -> CustomField | None:
        """The field without texts that were sent; without a finder there is none."""
        if self.finder in sent or self.id in sent:
            return None
        name, description = (None if text in sent else text for text in (self.name, self.description))
        return replace(self, name=name, description=description)


class Choice(Option, frozen=True, kw_only=True):
    """A choice that the account gave."""

    def without(self, sent: Sent) -> Choice | None:
        """None for a choice that was sent."""
        return None if self.label in sent or self.value in sent else self


def options(setup: Setup, word: OptionsFrom) -> Generator[Request, Response, tuple[Option, ...]]:
    """The choices of a select, as the consumer's account has them."""
    items = yield from listed(setup, word)
    pairs = [(path.read_text(item, word.label), path.read_text(item, word.value)) for item in items]
    return tuple(Choice(label=(label or value)[:TEXT_LIMIT], value=value) for label, value in pairs if value)


def choices(setup: Setup) -> Generator[Request, Response, dict[str, tuple[Option, ...]]]:
    """The choices of every setting that is picked after connecting."""
    found: dict[str, tuple[Option, ...]] = {}
    for setting in setup.connector.settings:
        if setting.options_from is not None:
            found[setting.id] = yield from options(setup, setting.options_from)
    return found


def custom_fields(setup: Setup, word: CustomFields, resource: str) -> Generator[Request, Response, list[CustomField]]:
    """The custom fields of `resource`."""
    resources = setup.connector.resources.get(resource, {})
    items = yield from listed(setup.having(resource={"id": resource, **resources}), word)
    found = [_custom_field(word, item) for item in items]
    return [f for f in found if f is not None]


def _custom_field(word: CustomFields, item: Any) -> CustomField | None:
    id = path.read_text(item, word.map.id)
    if id is None or not _is_custom(word.map, item):
        return None
    return CustomField(
        id=id[:TEXT_LIMIT],
        finder=word.map.finder.replace("{id}", id.replace("\\", "\\\\").replace("'", "\\'")),
        name=_short(item, word.map.name),
        description=_short(item, word.map.description),
    )


def _is_custom(map: FieldMap, item: Any) -> bool:
    said = map.custom is None or bool(path.read(item, map.custom))
    return said and not (map.standard and path.read(item, map.standard))


def _short(item: Any, where: str | None) -> str | None:
    text = path.read_text(item, where) if where else None
    return text[:TEXT_LIMIT] if text else None


def listed(setup: Setup, word: CustomFields | OptionsFrom) -> Generator[Request, Response, list[Any]]:
    """The items of a list. Raises what `good_answer` raises, for any page: half a list is not told as a whole."""
    request: Request | None = build(setup, word.request)
    found: list[Any] = []
    asked: set[str] = set()
    while request is not None and request.url not in asked and len(asked) < PAGES and len(found) < LIST_LIMIT:
        asked.add(request.url)
        response = yield request
        answer = good_answer(setup, response)
        items = path.read(answer, word.items)
        items = items if isinstance(items, list) else []
        found += items
        following = _following(word.next, response, answer, len(items), len(found), len(asked)) if word.next else {}
        request = _turned(setup, request, following)
    return found[:LIST_LIMIT]


def _following(
    word: NextPage, response: Response, answer: Any, items: int, so_far: int, pages: int
) -> str | dict[str, str]:
    """The URL of the next page, or the parameter that asks for it; empty after the last page."""
    match word.by:
        case "cursor":
            cursor = path.read_text(answer, word.path or "$")
            return {word.param or "": cursor} if cursor else {}
        case "url":
            return path.read_text(answer, word.path or "$") or ""
        case "link":
            return next_link(response.headers.get("link", ""))
        case "offset" | "page":
            number = so_far if word.by == "offset" else word.first + pages
            return {word.param or "": str(number)} if items >= (word.size or 1) else {}


def next_link(header: str) -> str:
    """The target of `rel="next"` in a Link header (RFC 8288 section 3); empty if there is none."""
    return next((target for target, parameters in _LINK.findall(header) if _NEXT.search(parameters)), "")


def _turned(setup: Setup, request: Request, following: str | dict[str, str]) -> Request | None:
    """The request for the following page. A URL that the service names must be one of its own hosts and is asked
    over the same scheme, as it carries the credential: ConnectionSettingsError if it is not."""
    if not following:
        return None
    scheme, host, at, query, _ = urlsplit(request.url)
    if isinstance(following, str):
        return place(setup, replace(request, url=urlunsplit((scheme, *urlsplit(urljoin(request.url, following))[1:]))))
    kept = {name: value for name, value in parse_qsl(query, keep_blank_values=True) if name not in following}
    return replace(request, url=with_query(urlunsplit((scheme, host, at, "", "")), {**kept, **following}))
