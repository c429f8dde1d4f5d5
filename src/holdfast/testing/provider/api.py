"""The service's own API, as far as a vault calls it: who may, and which answer stands where (RFC 6750).

An `ApiRoute` is data: method, URL, JSON answer. Several routes may share method and URL and differ by the query
or body that they answer to, as GraphQL and field lists by module do.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse, Response

from holdfast.testing.provider.ledger import Grant, Ledger
from holdfast.testing.provider.received import Received
from holdfast.testing.provider.shape import Api, Placement
from holdfast.testing.provider.users import User


@dataclass(frozen=True, slots=True)
class Call:
    """A call by somebody who may make it."""

    request: Received
    user: User


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """`answer` is a JSON document, or a function from the `Call` to one or to a whole `Response`."""

    method: str
    url: str
    answer: Any
    query: Mapping[str, str] = field(default_factory=dict)
    """Only for calls that carry these query parameters."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """Only for calls that carry these members in their body."""
    status: int = 200
    streams: bool = False
    """The body is left for the `Response` to read, piece by piece (`files.Streamed`)."""

    def answers(self, request: Received) -> bool:
        return self.query.items() <= request.query.items() and all(
            name in request.members and request.members[name] == value for name, value in self.body.items()
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: `known` says whether the API lets them in, `grant` is theirs if it came by an access token."""

    known: bool
    grant: Grant | None = None


def caller(word: Api, ledger: Ledger, request: Received) -> Caller:
    """Whoever the credentials on `request` stand for. Every accepted placement must be there."""
    grant: Grant | None = None
    for placement in word.accepts:
        match = _pattern(placement.value).fullmatch(_given(placement, request))
        if match is None:
            return Caller(known=False)
        if "token" in match.groupdict():
            grant = ledger.bearer(match["token"])
            if grant is None:
                return Caller(known=False)
    return Caller(known=True, grant=grant)


def respond(word: Api, ledger: Ledger, default: User, routes: Sequence[ApiRoute], request: Received) -> Response:
    """The answer of the first of `routes` that fits; `default` is who calls by a key instead of a token."""
    by = caller(word, ledger, request)
    if not by.known:
        # RFC 6750 section 3: the reason only if there was a credential at all.
        reason = ', error="invalid_token"' if "authorization" in request.headers else ""
        headers = {"WWW-Authenticate": f'Bearer realm="sandbox"{reason}'} if word.refused_status == 401 else {}
        return JSONResponse(dict(word.refused), word.refused_status, headers)
    route = next((route for route in routes if route.answers(request)), None)
    if route is None:
        return JSONResponse({"success": False, "error": "not found", "errorCode": 404}, 404)
    call = Call(request, by.grant.user if by.grant else default)
    answer = route.answer(call) if callable(route.answer) else route.answer
    return answer if isinstance(answer, Response) else JSONResponse(answer, route.status)


def _pattern(value: str) -> re.Pattern[str]:
    return re.compile(re.escape(value).replace(re.escape("{access_token}"), "(?P<token>.+)"))


def _given(placement: Placement, request: Received) -> str:
    if placement.where == "query":
        return request.query.get(placement.name, "")
    header = request.headers.get(placement.name.lower(), "")
    return header if placement.where == "header" else _user_and_password(header)


def _user_and_password(header: str) -> str:
    """RFC 7617: unlike OAuth's client authentication, an API's Basic is not form-encoded."""
    scheme, _, encoded = header.partition(" ")
    try:
        return base64.b64decode(encoded, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""
