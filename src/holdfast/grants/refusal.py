"""What a refusal means: who must act, and on what proof (RFC 6749 sections 4.1.2.1 and 5.2).

Three failures are kept apart: *rejected* (the consumer reconnects), *misconfigured* (the operator fixes the OAuth
client; no connection is dead because of it) and *deferred* (nobody; the same request may work later). Only an error
code, or a description, whose meaning is known is a proof. A status, a firewall's page or a code that nobody has
explained proves nothing, so it is deferred, and whatever still lives goes on serving.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from holdfast.domain.exchange import Response
from holdfast.domain.manifest import path
from holdfast.domain.manifest.connector import BodyError, Connector, Outcome
from holdfast.errors import GrantDeferred, GrantMisconfigured, GrantRejected

CODE_LIMIT = 64
# Statuses that say "later", whatever the body repeats.
LATER = {408, 425, 429}
OUTCOMES: dict[str, Outcome] = {
    "invalid_grant": "rejected",
    "access_denied": "rejected",
    # OpenID Connect Core section 3.1.2.6: a person has to be there.
    "login_required": "rejected",
    "consent_required": "rejected",
    "interaction_required": "rejected",
    "account_selection_required": "rejected",
    "invalid_client": "misconfigured",
    "unauthorized_client": "misconfigured",
    "unsupported_grant_type": "misconfigured",
    "unsupported_response_type": "misconfigured",
    "invalid_scope": "misconfigured",
    "invalid_request": "misconfigured",
    "server_error": "deferred",
    "temporarily_unavailable": "deferred",
    "slow_down": "deferred",
}
# How a wrong client is spelled by those who leave RFC 6749: `BAD_CLIENT_ID`, `invalidClientSecret`, …
_CLIENT = r"(oauth_)?(client|app|application|consumer)(_?(id|key|secret|credentials?|authentication))?"
_WRONG = r"(bad|incorrect|invalid|unknown|wrong|mismatch(ed)?|not_found)"
_WRONG_CLIENT = re.compile(rf"{_WRONG}_{_CLIENT}|{_CLIENT}_(is_)?{_WRONG}")
# A refusal that says this will be over in moments, whatever its code.
_PASSING = re.compile(r"being processed|in progress|temporarily|too many requests|rate.?limit", re.IGNORECASE)
_NOTHING = ("", "0", "false", "null", "none", "nil", "undefined", "ok", "success")
_CODE_MEMBERS = ("code", "error", "type", "status", "name", "id")
_CODES = (
    "error", "error.code", "error.type", "error.status", "error_code", "errorCode", "code", "errors[0].code", "status",
)  # fmt: skip
_DESCRIPTIONS = (
    "error_description", "error.message", "error.description", "error.error_description", "errorDescription",
    "message", "error_message", "errorMessage", "errmsg", "msg", "description", "errors[0].message", "detail",
)  # fmt: skip
_CODE = re.compile(r"[A-Za-z0-9]+(?:[ _.:#-][A-Za-z0-9]+)*")
_CHALLENGE = re.compile(r'\berror="?([\w.-]+)"?')
_SNAKE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no success: its code if it has one that is safe to show, and what it means.

    `proven`: whether the meaning was looked up, and not only that nothing is known.
    """

    code: str | None
    outcome: Outcome
    proven: bool

    def put_off(self) -> Refusal:
        """The same, where the status says "later"."""
        return replace(self, outcome="deferred", proven=False)


def refusal_in(connector: Connector, response: Response) -> Refusal | None:
    """What `response` refuses; None for a success, whatever its status pretends."""
    answer, word = response.document(), _word(connector)
    told = failure(answer, word)
    if told is None and 200 <= response.status < 300:
        return None
    codes = list(_codes(answer, response, told))
    texts = [text for place in _DESCRIPTIONS if (text := path.read_text(path.unwrapped(answer, place), place))]
    outcome, code = _meaning(connector, codes, texts)
    shown = code or next(filter(is_shown, codes), None)
    return Refusal(shown, outcome or "deferred", outcome is not None)


def failure(answer: Any, word: BodyError) -> Any:
    """What stands where a failure is told; None if that is nothing: null, false, 0, "", {}, [], "null", …"""
    value = path.read(path.unwrapped(answer, word.path), word.path)
    if word.when is not None:
        return word.when if _is_same(value, word.when) else None
    return None if _is_nothing(value) else value


def outcome_of(connector: Connector, code: str | None, description: str = "") -> Outcome | None:
    """What an error of the provider means, by its manifest and by RFC 6749; None if that is not known."""
    return _meaning(connector, [code] if code else [], [description])[0]


def raise_for(refusal: Refusal, status: int, *, retry_after: int | None = None, ambiguous: bool = False) -> NoReturn:
    """Raises the error of what was refused. `retry_after` in seconds; its text holds nothing of the answer but the
    code."""
    said = f"The provider refused with {status}" + (f" ({refusal.code})." if refusal.code else ".")
    if refusal.outcome == "rejected":
        raise GrantRejected(said, code=refusal.code, status=status)
    if refusal.outcome == "misconfigured":
        raise GrantMisconfigured(said, code=refusal.code, status=status, retry_after=retry_after)
    raise GrantDeferred(said, code=refusal.code, status=status, retry_after=retry_after, ambiguous=ambiguous)


def _word(connector: Connector) -> BodyError:
    oauth = connector.auth.oauth
    return oauth.token.response.error if oauth else BodyError(path="error")


def _meaning(connector: Connector, codes: list[str], texts: list[str]) -> tuple[Outcome | None, str | None]:
    """What is meant, and the code that meant it. The manifest knows better than RFC 6749, and a description better
    than its code, which several causes may share."""
    oauth = connector.auth.oauth
    own: Mapping[str, Outcome] = oauth.errors if oauth else {}
    described: Mapping[str, Outcome] = oauth.error_descriptions if oauth else {}
    for said, outcome in described.items():
        if any(said.lower() in text.lower() for text in texts):
            return outcome, next(filter(is_shown, codes), None)
    for table in (own, {_snake(known): outcome for known, outcome in own.items()}):
        for code in codes:
            if outcome_found := table.get(code) or table.get(_snake(code)):
                return outcome_found, code if is_shown(code) else None
    if any(_PASSING.search(text) for text in texts):
        return "deferred", next(filter(is_shown, codes), None)
    return _standard(codes)


def _standard(codes: list[str]) -> tuple[Outcome | None, str | None]:
    """What RFC 6749 says of a code. A refusal of the grant is believed only in the specification's own spelling:
    "Access Denied" is what firewalls say."""
    for code in codes:
        if outcome := OUTCOMES.get(code):
            return outcome, code
    for code in map(_snake, codes):
        if _WRONG_CLIENT.fullmatch(code):
            return "misconfigured", code
        if (outcome := OUTCOMES.get(code)) and (outcome != "rejected" or code == "invalid_grant"):
            return outcome, code
    return None, None


def _codes(answer: Any, response: Response, told: Any) -> Iterator[str]:
    """Whatever in an answer could be its error code, the likeliest first."""
    yield from _code_of(told)
    for place in _CODES:
        value = path.read(path.unwrapped(answer, place), place)
        yield from _code_of(value) if not _is_nothing(value) else ()
    yield from _CHALLENGE.findall(response.headers.get("www-authenticate", ""))


def _code_of(told: Any) -> Iterator[str]:
    if isinstance(told, str | int) and not isinstance(told, bool):
        yield str(told).strip()
    elif isinstance(told, list) and told:
        yield from _code_of(told[0])
    elif isinstance(told, dict):
        for member in _CODE_MEMBERS:
            yield from _code_of(told.get(member)) if not isinstance(told.get(member), dict | list) else ()


def is_shown(code: str) -> bool:
    """Whether it looks like a code: a word or a few of them, or a number. Anything else may be anybody's text."""
    return len(code) <= CODE_LIMIT and _CODE.fullmatch(code) is not None


def _snake(code: str) -> str:
    return _SNAKE.sub("_", code[: 2 * CODE_LIMIT]).strip("_").lower()


def _is_same(value: Any, when: str | bool) -> bool:
    """Whether a value is the one that means failure, which a form can only spell."""
    if value is None:
        return False
    return bool(value == when) or (not isinstance(value, dict | list) and str(value).lower() == str(when).lower())


def _is_nothing(value: Any) -> bool:
    """Whether a member that is there tells no failure. An object that tells one has a code, or some member at least."""
    if isinstance(value, dict):
        code = value.get("code")
        return (code is not None and _is_nothing(code)) or all(map(_is_nothing, value.values()))
    return not value or (isinstance(value, str) and value.strip().lower() in _NOTHING)
