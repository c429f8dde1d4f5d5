"""What a token endpoint's answer means (RFC 6749 sections 5.1 and 5.2).

Three failures are kept apart, because different people must act: *rejected* (the consumer reconnects),
*misconfigured* (the operator fixes the OAuth client; no connection is dead because of it) and *deferred* (nobody;
the same request may work later). Real providers answer errors with status 200, without a body, or as HTML.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn

from holdfast.domain.credential import OAuthToken, Secret
from holdfast.domain.exchange import Response
from holdfast.domain.manifest import path
from holdfast.domain.manifest.connector import BodyError, Connector, Expiry, OAuth
from holdfast.errors import GrantDeferred, GrantMisconfigured, GrantRejected

Outcome = Literal["rejected", "misconfigured", "deferred"]

TOKEN_LIMIT = 65_536
LIFETIME_LIMIT = 100 * 366 * 86_400
# Token types that need a proof of possession which we cannot give (RFC 9449, draft-ietf-oauth-v2-http-mac).
UNUSABLE_TYPES = {"dpop", "mac", "pop"}
OUTCOMES: dict[str, Outcome] = {
    "invalid_grant": "rejected",
    "access_denied": "rejected",
    "invalid_client": "misconfigured",
    "unauthorized_client": "misconfigured",
    "unsupported_grant_type": "misconfigured",
    "invalid_scope": "misconfigured",
    "invalid_request": "misconfigured",
    "server_error": "deferred",
    "temporarily_unavailable": "deferred",
    "slow_down": "deferred",
}
# A refusal without a readable code. 401 is how RFC 6749 section 5.2 says invalid_client.
STATUS_OUTCOMES: dict[int, Outcome] = {400: "rejected", 401: "misconfigured", 403: "rejected", 408: "deferred"}


def read_token(oauth: OAuth, response: Response, now: int, previous: OAuthToken | None = None) -> OAuthToken:
    """The token in `response`; a refresh token that does not come back is the `previous` one.

    Raises GrantRejected, GrantMisconfigured or GrantDeferred; their texts hold nothing of the answer but its code.
    """
    answer = _members(oauth, response)
    shape = oauth.token.response
    access = _token_text(path.read(answer, shape.access_token))
    if access is None:
        raise GrantDeferred("The provider's answer holds no access token.", status=response.status, ambiguous=True)
    token_type = path.read_text(answer, "token_type")
    if token_type and token_type.lower() in UNUSABLE_TYPES:
        raise GrantMisconfigured(
            "The provider issues tokens of a type that Holdfast cannot use.", status=response.status
        )
    refresh = _token_text(path.read(answer, shape.refresh_token))
    idle = oauth.refresh.idle_lifetime if refresh else None
    return OAuthToken(
        access_token=Secret(access),
        refresh_token=Secret(refresh) if refresh else previous.refresh_token if previous else None,
        token_type=token_type,
        scope=path.read_text(answer, "scope"),
        issued_at=now,
        expires_at=_expiry(answer, shape.expires, oauth.refresh.access_lifetime, now, renewing=previous is not None),
        refresh_expires_at=_expiry(answer, shape.refresh_expires, idle, now, renewing=previous is not None)
        or (previous.refresh_expires_at if previous else None),
    )


def captured(oauth: OAuth, response: Response) -> dict[str, str]:
    """The settings that the token answer fills."""
    answer = response.document()
    found = {id: path.read_text(answer, where) for id, where in oauth.token.response.capture.items()}
    return {id: value for id, value in found.items() if value}


def refusal(connector: Connector, code: str | None, status: int, retry_after: int | None = None) -> NoReturn:
    """Raises what a refusal with `code` (if it could be read) and `status` means."""
    table: dict[str, Outcome] = {**OUTCOMES, **(connector.auth.oauth.errors if connector.auth.oauth else {})}
    outcome = table.get(code or "") or STATUS_OUTCOMES.get(status, "misconfigured" if status >= 300 else "rejected")
    said = f"The provider refused with {status}" + (f" ({code})." if code else ".")
    if outcome == "rejected":
        raise GrantRejected(said, code=code, status=status)
    if outcome == "misconfigured":
        raise GrantMisconfigured(said, code=code, status=status)
    raise GrantDeferred(said, code=code, status=status, retry_after=retry_after)


def check_refusal(connector: Connector, response: Response) -> None:
    """Raises if `response` is not a success, whatever its status pretends."""
    if response.status == 429 or response.status >= 500:
        raise GrantDeferred(
            f"The provider answered {response.status}.",
            status=response.status,
            retry_after=seconds_to_wait(response),
            ambiguous=response.status >= 500,
        )
    oauth = connector.auth.oauth
    code = _error_code(oauth.token.response.error if oauth else BodyError(path="error"), response)
    if code is not None or not 200 <= response.status < 300:
        refusal(connector, code or None, response.status, seconds_to_wait(response))


def _members(oauth: OAuth, response: Response) -> dict[str, Any]:
    answer = response.document()
    if not isinstance(answer, dict):
        raise GrantDeferred("The provider's answer could not be read.", status=response.status, ambiguous=True)
    return answer


def _error_code(error: BodyError, response: Response) -> str | None:
    """The error code, "" for an error without a readable one, None for no error."""
    answer = response.document()
    value = path.read(answer, error.path)
    failed = value == error.when if error.when is not None else value not in (None, "", False)
    if not failed:
        return None
    code = value if isinstance(value, str) else path.read(answer, "error.code") or path.read(answer, "error")
    return code if isinstance(code, str) and code.isascii() and code.isprintable() and len(code) <= 64 else ""


def _token_text(value: Any) -> str | None:
    """A token that can be put in a header, or None (RFC 6750 section 2.1 allows less than this)."""
    if not isinstance(value, str) or not value:
        return None
    if len(value) > TOKEN_LIMIT or not value.isascii() or not value.isprintable():
        raise GrantDeferred("The provider's answer holds a token that no header can carry.", ambiguous=True)
    return value


def _expiry(answer: Any, expiry: Expiry | None, fallback: int | None, now: int, *, renewing: bool) -> int | None:
    """When the token expires (ms). A renewal is not given up for a lifetime that cannot be read: the old token is
    spent by then."""
    value = path.read(answer, expiry.path) if expiry else None
    try:
        if expiry is not None and value not in (None, ""):
            return _instant(value) if expiry.form == "iso" else _moment(_number(value), expiry.form, now)
    except GrantDeferred:
        if not renewing:
            raise
    return now + fallback * 1000 if fallback else None


def _moment(number: float, form: str, now: int) -> int | None:
    """None for a time so far away that it means "never"."""
    seconds = number / 1000 if form == "epoch_ms" else number
    if seconds > LIFETIME_LIMIT + (0 if form == "seconds" else now / 1000):
        return None
    return int(seconds * 1000) + (now if form == "seconds" else 0)


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number) or number < 0:
        raise GrantDeferred("The provider's answer holds a lifetime that is not one.", ambiguous=True)
    return number


def _instant(value: Any) -> int:
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        raise GrantDeferred("The provider's answer holds an expiry that is not a time.", ambiguous=True) from None
    return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1000)


def seconds_to_wait(response: Response) -> int | None:
    """What Retry-After asks for; its form with a date (RFC 9110 section 10.2.3) is rare and left to the usual delay."""
    text = response.headers.get("retry-after", "")
    return int(text) if text.isdecimal() and len(text) < 7 else None
