"""Requests to the service itself: where its credential stands, and the calls that the vault makes on its own.

The credential is put on a request in one function, `place`, after the request's host has been checked against
the connector's hosts; `Request.hosts` makes the door check it once more before anything leaves.
"""

from __future__ import annotations

import base64
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest import path
from holdfast.domain.manifest.connector import CustomFields, FieldMap, Option, OptionsFrom, Placement, RequestTemplate
from holdfast.domain.manifest.template import host_matches, render, render_header, render_tree, render_url
from holdfast.errors import ConnectionSettingsError, GrantDeferred, GrantRejected
from holdfast.grants.flow import Setup, document, form, with_query

Verdict = Literal["ok", "invalid", "unknown"]
LIST_LIMIT = 2000
TEXT_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class CustomField:
    """A field that the consumer's account has beside the service's own. `finder` is a JSONPath to its value."""

    id: str
    finder: str
    name: str | None = None
    description: str | None = None


def place(setup: Setup, request: Request) -> Request:
    """`request` with the connection's credential on it, as the manifest's `request.auth` says.

    A header of the same name gives way, in whatever case it is written (RFC 9110 section 5.1): beside a second one,
    the server would choose whose credential counts.
    """
    if not host_matches(urlsplit(request.url).netloc, setup.hosts):
        raise ConnectionSettingsError("The settings lead to a host that does not belong to this service.")
    headers, query = dict(request.headers), {}
    for placement in setup.connector.request.auth:
        value = _credential(placement, setup)
        if not value:
            continue
        if placement.where == "query":
            query[placement.name] = value
        else:
            headers = {name: kept for name, kept in headers.items() if name.lower() != placement.name.lower()}
            headers[placement.name] = value
    return replace(request, url=with_query(request.url, query), headers=headers)


def build(setup: Setup, template: RequestTemplate) -> Request:
    """The request that `template` describes, with the connector's fixed headers and the credential."""
    api = setup.connector.request
    url = render_url(template.url or f"{api.base_url or ''}{template.path or ''}", setup.values, setup.hosts)
    url = with_query(url, _texts({**api.query, **template.query}, setup))
    headers = {"Accept": "application/json"}
    headers |= {name: render_header(value, setup.values) for name, value in {**api.headers, **template.headers}.items()}
    content: bytes | None = None
    if template.json is not None:
        headers["Content-Type"], content = "application/json", document(render_tree(template.json, setup.values))
    elif template.form is not None:
        headers["Content-Type"], content = "application/x-www-form-urlencoded", form(_texts(template.form, setup))
    sent = {name: value for name, value in headers.items() if value}
    return place(setup, Request(template.method, url, sent, content, setup.hosts))


def verify(setup: Setup) -> Generator[Request, Response, Verdict]:
    """Whether the service accepts the credentials. "unknown" if it cannot be told, or could not be asked."""
    word = setup.connector.verify
    if word is None:
        return "unknown"
    response = yield build(setup, word.request)
    if response.status in word.invalid:
        return "invalid"
    if response.status not in word.ok:
        return "unknown"
    if word.body is None:
        return "ok"
    return "ok" if path.read(response.document(), word.body.path) == word.body.equals else "invalid"


def after_connect(setup: Setup) -> Generator[Request, Response, dict[str, str]]:
    """Makes the manifest's calls after a connection; gives the settings that they fill."""
    found: dict[str, str] = {}
    for step in setup.connector.after_connect:
        answer = _answer((yield build(setup.having(settings=found), step.request)))
        values = {id: path.read_text(answer, where) for id, where in step.capture.items()}
        found |= {id: value for id, value in values.items() if value}
    return found


def options(setup: Setup, word: OptionsFrom) -> Generator[Request, Response, tuple[Option, ...]]:
    """The choices of a select, as the consumer's account has them."""
    answer = _answer((yield build(setup, word.request)))
    items = path.read(answer, word.items)
    pairs = [(path.read_text(item, word.label), path.read_text(item, word.value)) for item in _capped(items)]
    return tuple(Option(label=(label or value)[:TEXT_LIMIT], value=value) for label, value in pairs if value)


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
    answer = _answer((yield build(setup.having(resource={"id": resource, **resources}), word.request)))
    found = [_custom_field(word, item) for item in _capped(path.read(answer, word.items))]
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


def _capped(items: Any) -> list[Any]:
    return items[:LIST_LIMIT] if isinstance(items, list) else []


def _answer(response: Response) -> Any:
    """The JSON of a good answer. GrantRejected on 401 or 403, GrantDeferred on everything else."""
    if response.status in (401, 403):
        raise GrantRejected(f"The service answered {response.status}.", status=response.status)
    answer = response.document() if 200 <= response.status < 300 else None
    if answer is None:
        raise GrantDeferred(f"The service answered {response.status}.", status=response.status)
    return answer


def _credential(placement: Placement, setup: Setup) -> str:
    if placement.where == "basic":
        pair = _basic_pair(placement.value, setup.values)
        return "Basic " + base64.b64encode(pair.encode()).decode() if pair else ""
    render_as = render if placement.where == "query" else render_header
    value = render_as(placement.value, setup.values)
    return base64.b64encode(value.encode()).decode() if placement.encode == "base64" else value


def _basic_pair(value: str, values: Mapping[str, Mapping[str, str]]) -> str:
    """`user:password`, either half of which may be a constant or empty (RFC 7617 section 2)."""
    user, _, password = value.partition(":")
    pair = render(user, values), render(password, values)
    return ":".join(pair) if any(pair) and (pair[0] or not user) else ""


def _texts(members: Mapping[str, str], setup: Setup) -> dict[str, str]:
    rendered = {name: render(value, setup.values) for name, value in members.items()}
    return {name: value for name, value in rendered.items() if value}
