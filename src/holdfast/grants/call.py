"""Requests to the service itself: where its credential stands, and the calls that the vault makes on its own.

The credential is put on a request in one function, `place`, after the request's host has been checked against
the connector's hosts; `Request.hosts` makes the door check it once more before anything leaves.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest import path
from holdfast.domain.manifest.connector import Placement, RequestTemplate
from holdfast.domain.manifest.template import host_matches, render, render_header, render_tree, render_url
from holdfast.errors import ConnectionSettingsError, GrantDeferred, GrantRejected
from holdfast.grants.flow import Setup, document, form, with_query
from holdfast.grants.lifetime import seconds_to_wait

Verdict = Literal["ok", "invalid", "unknown"]
TEXT_LIMIT = 1000
# RFC 6750 section 3.1: what an error says when the access token is dead, and a new one may help.
DEAD_TOKEN = "invalid_token"
_TOLD_DEAD = re.compile(
    r"(bad|expired|invalid)[ _-]?(oauth|access|auth)?[ _-]?token"
    r"|token[ _-]?(is |has |was |has been )?(expired|revoked)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, repr=False)
class Common:
    """Where a service is and what it is called with, whatever is called. Secrets stand in it, so it does not print."""

    base_url: str | None
    headers: Mapping[str, str]
    query: Mapping[str, str]


def place(setup: Setup, request: Request) -> Request:
    """`request` with the connection's credential on it, as the manifest's `request.auth` says.

    A header of the same name gives way, in whatever case it is written (RFC 9110 section 5.1): beside a second one,
    the server would choose whose credential counts.
    """
    if not host_matches(urlsplit(request.url).netloc, setup.hosts):
        raise ConnectionSettingsError("The settings lead to a host that does not belong to this service.")
    own, query = _placed(setup)
    taken = {name.lower() for name in own}
    headers = {name: value for name, value in request.headers.items() if name.lower() not in taken}
    return replace(request, url=with_query(request.url, query), headers=headers | own)


def _placed(setup: Setup) -> tuple[dict[str, str], dict[str, str]]:
    """The headers and the query parameters that carry the credential; of two with one name, the later."""
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    for placement in setup.connector.request.auth:
        value = _credential(placement, setup)
        if not value:
            continue
        if placement.where == "query":
            query[placement.name] = value
        else:
            headers = {name: kept for name, kept in headers.items() if name.lower() != placement.name.lower()}
            headers[placement.name] = value
    return headers, query


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


def in_common(setup: Setup) -> Common:
    """What every call of the service has, with the connection's credential in it. ConnectionSettingsError if a
    setting does not fit where it stands."""
    api = setup.connector.request
    own, query = _placed(setup)
    taken = {name.lower() for name in own}
    fixed = {name: render_header(text, setup.values) for name, text in api.headers.items() if name.lower() not in taken}
    return Common(
        base_url=render_url(api.base_url, setup.values, setup.hosts) if api.base_url else None,
        headers={name: value for name, value in fixed.items() if value} | own,
        query=_texts(api.query, setup) | query,
    )


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
        answer = good_answer(setup, (yield build(setup.having(settings=found), step.request)))
        values = {id: path.read_text(answer, where) for id, where in step.capture.items()}
        found |= {id: value for id, value in values.items() if value}
    return found


def good_answer(setup: Setup, response: Response) -> Any:
    """The JSON of a good answer.

    GrantRejected if the service says no, with code `invalid_token` if it says so of the access token (the call may
    be made again with a new one), GrantDeferred on everything else.
    """
    answer = response.document()
    said = f"The service answered {response.status}."
    if says_token_is_dead(setup, response):
        raise GrantRejected(said, code=DEAD_TOKEN, status=response.status)
    if response.status in (401, 403):
        raise GrantRejected(said, status=response.status)
    if not 200 <= response.status < 300 or answer is None:
        now = int(setup.values.get("sys", {}).get("now_ms", "0"))
        raise GrantDeferred(said, status=response.status, retry_after=seconds_to_wait(response, now))
    return answer


def says_token_is_dead(setup: Setup, response: Response) -> bool:
    """Whether an answer of the service means that the access token is no longer good, by the manifest's `expired`."""
    word = setup.connector.request.expired
    if response.status in word.statuses:
        return True
    if word.path is not None and path.read_text(response.document(), word.path) in word.codes:
        return True
    told = response.headers.get("www-authenticate", "") + " " + response.text()[:TEXT_LIMIT]
    return response.status == 403 and bool(_TOLD_DEAD.search(told))


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
