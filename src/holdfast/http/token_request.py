"""A token request as RFC 8693 section 2.1 has it: its parameters, the connection that it names, what may be wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from holdfast import errors
from holdfast.errors import HoldfastError
from holdfast.http.callers import is_id
from holdfast.http.errors import retry_after, sentence
from holdfast.http.wire.credential import ACCESS_TOKEN

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
TARGETS: Final = ("audience", "resource")


class Refusal(Exception):
    """An answer of RFC 6749 section 5.2: `code` is one of its words, `told` a sentence for developers."""

    def __init__(self, code: str, told: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code, self.told, self.status, self.headers = code, told, status, headers or {}


@dataclass(frozen=True, slots=True)
class Target:
    """The connection that a token is asked for."""

    consumer_id: str
    unified_api: str
    service_id: str


def refusal(error: HoldfastError, code: str) -> Refusal:
    """`error` as OAuth tells it: what may go better later says when, everything else is the caller's `code`."""
    if not error.retryable:
        return Refusal(code, sentence(error))
    status = {errors.Unavailable: 503, errors.RequestLimitError: 429}.get(type(error), 400)
    wait = {"Retry-After": str(retry_after(error))}
    return Refusal("temporarily_unavailable", sentence(error), status=status, headers=wait)


def understood(form: Sequence[tuple[str, str]], public_url: str) -> tuple[dict[str, str], Target]:
    """The parameters and the target of a request that is one. Refusal says what it lacks."""
    sent = [(name, value) for name, value in form if value]  # RFC 6749 section 3.2: empty is left out
    once = [pair for pair in sent if pair[0] not in TARGETS]
    members = dict(once)
    if len(members) != len(once):
        raise Refusal("invalid_request", "A parameter was sent more than once.")
    for told in _lacking(members):
        raise Refusal("invalid_request", told)
    if members["grant_type"] != GRANT_TYPE:
        raise Refusal("unsupported_grant_type", f"The grant_type is {GRANT_TYPE}.")
    return members, _target([pair for pair in sent if pair[0] in TARGETS], public_url)


def _lacking(members: Mapping[str, str]) -> Iterator[str]:
    if "grant_type" not in members:
        yield f"The grant_type is missing: {GRANT_TYPE}."
    if members.get("grant_type") != GRANT_TYPE:
        return
    if "subject_token" not in members:
        yield "The subject_token is missing: an API key."
    if members.get("subject_token_type") != ACCESS_TOKEN:
        yield f"The subject_token_type is {ACCESS_TOKEN}."
    if members.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        yield f"The requested_token_type is {ACCESS_TOKEN}."
    if "actor_token" in members or "actor_token_type" in members:
        yield "Nobody acts for somebody else here: leave the actor_token out."


def _target(named: Sequence[tuple[str, str]], public_url: str) -> Target:
    if not named:
        raise Refusal("invalid_request", "Name the connection: audience={consumer}/{unified_api}/{service_id}.")
    targets = {_of_audience(text) if name == "audience" else _of_resource(text, public_url) for name, text in named}
    target = targets.pop()
    if targets or target is None:
        raise Refusal("invalid_target", "Name one connection: audience={consumer}/{unified_api}/{service_id}.")
    return target


def _of_audience(text: str) -> Target | None:
    """`customer-1/crm/pipedrive`; a consumer's id may hold slashes itself."""
    return _named(text.rsplit("/", 2))


def _of_resource(text: str, public_url: str) -> Target | None:
    """The connection's own address (RFC 8707 section 2), with the consumer in its query."""
    try:
        url = urlsplit(text)
        consumers = parse_qs(url.query, max_num_fields=10).get("consumer_id", [])
    except ValueError:
        return None
    before, _, rest = text.partition("?")[0].partition("/vault/connections/")
    if before != public_url or url.fragment:
        return None
    return _named([*consumers, *(unquote(part) for part in rest.split("/"))])


def _named(parts: Sequence[str]) -> Target | None:
    return Target(*parts) if len(parts) == 3 and is_id(parts[0]) and all(parts) else None
