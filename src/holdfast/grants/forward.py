"""A caller's own request as it goes on to the service: its URL spelled out, the connector's headers and credential on.

Where a request may go is narrower here than for the requests that manifests describe, since the caller chooses: of a
service where each customer has a host of its own, only this connection's. The credential is placed last, on a URL
that nobody changes any more (`call.place`), and the door looks at the host once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote_plus, urlsplit

from holdfast.domain.exchange import Request
from holdfast.domain.manifest import template
from holdfast.domain.manifest.template import Placeholder, host_matches, render, render_header, render_url
from holdfast.domain.manifest.urls import url_templates
from holdfast.errors import ConnectionSettingsError, EgressRefused, RequestHeadersValidationError
from holdfast.grants.call import place
from holdfast.grants.flow import Setup, with_query

# Printable ASCII without what programs read differently: a backslash is a slash to some, and a fragment is not sent.
_PLAIN: Final = re.compile(r"[!\"$-\[\]-~]+")
# RFC 3986 section 5.2.4: whoever reads the URL takes such a segment away, and with it perhaps what a rule looks at.
_DOTS: Final = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?=[/;]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """What a caller wants of the service. `url` may be a path below the connector's base URL, and may hold
    `{setting}` placeholders; `authorization` takes the place of the connection's credential; `idempotency_key` names
    a write that may be asked for again."""

    method: str
    url: str
    headers: Mapping[str, str]
    authorization: str | None = None
    idempotency_key: str | None = None


def forwarded(setup: Setup, asked: Asked, body: bytes | None = None) -> Request:
    """The request that goes out.

    RequestHeadersValidationError for a URL that cannot be read, EgressRefused for one that is not the service's,
    ConnectionSettingsError if a setting that it needs is missing or leads elsewhere.
    """
    url = target(setup, asked.url)
    hosts = _hosts(setup, url)
    headers, query = _common(setup, asked, url)
    url = with_query(url, query) if query else url
    if asked.authorization is not None:
        return Request(asked.method, url, {**headers, "authorization": asked.authorization}, body, hosts)
    request = Request(asked.method, _without_credential(setup, url), headers, body, hosts)
    return place(replace(setup, hosts=hosts), request)


def target(setup: Setup, text: str) -> str:
    """The absolute URL that a caller means."""
    if not _PLAIN.fullmatch(text):
        raise EgressRefused("The downstream URL is not one in printable ASCII, without a fragment.")
    if text.startswith("/") and not text.startswith("//"):
        text = _below_base(setup, text)
    if "{" in text or "}" in text:
        text = _filled_in(setup, text)
    if _DOTS.search(text.partition("?")[0].partition("://")[2].partition("/")[2]):
        raise EgressRefused("The downstream URL has a segment of dots.")
    return text


def carried(setup: Setup, asked: Asked, request: Request) -> tuple[str, ...]:
    """Everything secret that `request` has on it, however it was put together."""
    if asked.authorization is not None:
        return _of_authorization(asked.authorization)
    api = setup.connector.request
    templates = (*(p.value for p in api.auth), *api.headers.values(), *api.query.values())
    named = (found for text in templates for found in template.names(text))
    secret = set(setup.secrets())
    values = [value for space, key in named if (value := setup.values.get(space, {}).get(key, "")) in secret]
    for placement in api.auth:
        if placement.where != "query":
            values += _of_authorization(request.headers.get(placement.name, ""))
    return tuple(dict.fromkeys(filter(None, values)))


def needs_body(setup: Setup, status: int) -> bool:
    """Whether only the body of an answer tells if the access token is dead."""
    return status == 403 or setup.connector.request.expired.path is not None


def _below_base(setup: Setup, path: str) -> str:
    """`path` appended to the base URL, as the paths of a manifest are."""
    base = setup.connector.request.base_url
    if not base:
        raise RequestHeadersValidationError("This service has no base URL; the downstream URL must be absolute.")
    return (render_url(base, setup.values, setup.hosts) if "{" in base else base).rstrip("/") + path


def _filled_in(setup: Setup, text: str) -> str:
    """`text` with the connection's settings in it, each escaped by where it stands; none that is a secret."""
    try:
        parts = template.read(text)
    except ValueError:
        raise RequestHeadersValidationError(
            "The downstream URL has a brace that is no {setting}; write one that is meant as %7B or %7D."
        ) from None
    for part in parts:
        setting = isinstance(part, Placeholder) and part.namespace == "settings" and setup.connector.setting(part.key)
        if isinstance(part, Placeholder) and (not setting or setting.sensitive or setting.level != "connection"):
            raise RequestHeadersValidationError("The downstream URL names something that is no setting to be shown.")
    return template.url_of(parts, setup.values, setup.hosts)


def _hosts(setup: Setup, url: str) -> tuple[str, ...]:
    """The host of `url`, if it is one of the service's as this connection has it."""
    try:
        host = urlsplit(url).netloc.lower()
    except ValueError:
        host = ""
    if not any(host_matches(host, (pattern,)) for pattern in _own_hosts(setup)):
        raise EgressRefused("The downstream URL does not lead to a host of this service.")
    return (host,)


def _own_hosts(setup: Setup) -> Iterator[str]:
    """The hosts of the manifest, with this connection's settings in those that have one. Nearly always it is the first,
    and the manifest is not gone through for more."""
    connector = setup.connector
    if connector.request.base_url:
        yield from _rendered_host(setup, connector.request.base_url)
    yield from connector.hosts
    for url in url_templates(connector):
        yield from _rendered_host(setup, url)


def _rendered_host(setup: Setup, url: str) -> Iterator[str]:
    if "{" not in url:
        yield urlsplit(url).netloc
        return
    try:
        yield urlsplit(render_url(_origin(url), setup.values, setup.hosts)).netloc
    except ConnectionSettingsError:
        return  # a setting that is not filled in leads nowhere


def _origin(url: str) -> str:
    """The part of a URL template that says which host is called."""
    if url.startswith("{"):
        return url[: url.index("}") + 1]
    start = url.index("://") + 3
    end = re.search(r"[/?#]", url[start:])
    return url[: start + end.start()] if end else url


def _common(setup: Setup, asked: Asked, url: str) -> tuple[dict[str, str], dict[str, str]]:
    """The headers of the request and what is added to its query: the caller's own go before the connector's."""
    api = setup.connector.request
    headers = dict(asked.headers)
    for name, value in api.headers.items():
        if name.lower() not in headers and (rendered := render_header(value, setup.values)):
            headers[name.lower()] = rendered
    if asked.idempotency_key is not None and api.idempotency_key is not None:
        headers[api.idempotency_key.lower()] = asked.idempotency_key
    if not api.query:
        return headers, {}
    given = {unquote_plus(member.partition("=")[0]) for member in urlsplit(url).query.split("&")}
    rendered_query = {name: render(value, setup.values) for name, value in api.query.items() if name not in given}
    return headers, {name: value for name, value in rendered_query.items() if value}


def _without_credential(setup: Setup, url: str) -> str:
    """`url` without parameters of the names under which the credential is placed: of two, the server would choose."""
    names = {placement.name for placement in setup.connector.request.auth if placement.where == "query"}
    head, question, query = url.partition("?")
    if not names or not query:
        return url
    kept = "&".join(m for m in query.split("&") if unquote_plus(m.partition("=")[0]) not in names)
    return f"{head}{question}{kept}" if kept else head


def _of_authorization(value: str) -> tuple[str, ...]:
    """The credential in a header's value, with or without a scheme before it (RFC 9110 section 11.4)."""
    return (value.partition(" ")[2] or value,)
