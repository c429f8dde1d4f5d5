"""What the token endpoint says: RFC 6749 sections 5.1 and 5.2, in the dialect that the shape asks for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from holdfast.testing.provider.ledger import Issue
from holdfast.testing.provider.received import Received
from holdfast.testing.provider.refusal import Refusal
from holdfast.testing.provider.shape import Expiry, Shape, TokenAnswer, document

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def granted(shape: Shape, request: Received, issue: Issue, now: int) -> Response:
    """The tokens of `issue`; `now` in milliseconds since the epoch."""
    word = shape.answer
    members: dict[str, Any] = {word.access_token: issue.access.value}
    if word.token_type is not None:
        members["token_type"] = word.token_type
    members |= _lifetime(word.expires, issue.access.expires_at, now)
    if issue.refresh is not None and (word.refresh_token_again or not _unchanged(shape, issue)):
        members[word.refresh_token] = issue.refresh.value
        members |= _lifetime(word.refresh_expires, issue.refresh.expires_at, now)
    if word.scope is not None:
        members[word.scope] = shape.authorization.separator.join(issue.access.grant.scopes)
    return _written(word, request, document({**members, **word.members}), 200, {})


def refused(word: TokenAnswer, request: Received, refusal: Refusal) -> Response:
    """A refusal; with `WWW-Authenticate` where the client authenticated in a header."""
    marks = {word.error: refusal.code} if word.error_mark is None else {word.error: word.error_mark}
    members = {**marks, word.error_code: refusal.code, "error_description": refusal.description}
    challenged = refusal.status == 401 and "authorization" in request.headers
    headers = {"WWW-Authenticate": 'Basic realm="sandbox"'} if challenged else {}
    return _written(word, request, document(members), word.error_status or refusal.status, headers)


def _unchanged(shape: Shape, issue: Issue) -> bool:
    return issue.refreshed and shape.lifetimes.rotation == "none"


def _lifetime(word: Expiry | None, expires_at: int | None, now: int) -> dict[str, Any]:
    if word is None or expires_at is None:
        return {}
    forms: dict[str, Any] = {
        "seconds": (expires_at - now) // 1000,
        "epoch_s": expires_at // 1000,
        "epoch_ms": expires_at,
        "iso": datetime.fromtimestamp(expires_at / 1000, UTC).isoformat().replace("+00:00", "Z"),
    }
    return {word.path: forms[word.form]}


def _written(word: TokenAnswer, request: Received, members: Any, status: int, headers: dict[str, str]) -> Response:
    accepts_json = "application/json" in request.headers.get("accept", "")
    if word.encoding == "json" or (word.encoding == "negotiated" and accepts_json):
        return JSONResponse(members, status, {**NO_STORE, **headers})
    return Response(urlencode(members), status, {**NO_STORE, **headers}, "application/x-www-form-urlencoded")
