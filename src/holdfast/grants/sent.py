"""What a flow has sent, so that nothing of it comes back: in a log, an error, an answer or a stored setting.

Providers repeat what they were told, in an error code, an error text, a page, the name of a field. What leaves a flow
is compared with what went into it: a text that holds a value which was sent is left out, whatever member it stood in.
The exact values are looked for, as they are and in the codings in which they travel (base64, percent-encoded, escaped
in JSON), and the whole of an `Authorization` header; what somebody has scrambled himself is not found.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar, cast, runtime_checkable
from urllib.parse import quote, quote_plus

from holdfast.domain.exchange import Request
from holdfast.errors import HoldfastError, ProviderError

T = TypeVar("T")

# RFC 3986 section 2.3.
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
# Shorter values are no secrets, and stand in many a text by chance.
SHORTEST = 6
# Of a long value, pieces of this size are looked for: texts are cut to a length before they get here.
PIECE = 64


@runtime_checkable
class Foreign(Protocol):
    """What a flow gives that holds texts of a provider; a text that was sent is one of `sent`."""

    def without(self, sent: Sent) -> Foreign | None:
        """The same without those texts; None if nothing is left of it."""


class Sent:
    """Secrets that a flow was given, and what its requests carried. It does not print."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._values = {secret for secret in secrets if secret}
        self._looked_for: list[str] | None = None

    def carries(self, request: Request) -> None:
        """`request` goes out: what authorizes it is looked for too, however it was put together."""
        for name, value in request.headers.items():
            if name.lower() == "authorization":
                self._values |= {value, value.partition(" ")[2]} - {""}
                self._looked_for = None

    def __contains__(self, text: object) -> bool:
        """Whether `text` holds anything that was sent."""
        if not isinstance(text, str) or len(text) < SHORTEST:
            return False
        if self._looked_for is None:
            self._looked_for = list(dict.fromkeys(piece for value in self._values for piece in _pieces(value)))
        return any(piece in text for piece in self._looked_for)

    def left_out_of(self, given: T) -> T:
        """What a flow gives, without the texts that were sent. A text that stands alone is a word of ours."""
        return given if isinstance(given, str) else cast("T", self._without(given))

    def hidden_in(self, error: HoldfastError) -> HoldfastError:
        """The error, without a code or a detail that was sent."""
        if isinstance(error, ProviderError) and error.code in self:
            error.code = None
        if any(text in self for text in _texts(error.detail)):
            error.detail = "The provider repeated what it was sent."
            error.args = (error.detail,)
        return error

    def _without(self, given: Any) -> Any:
        if isinstance(given, str):
            return None if given in self else given
        if isinstance(given, dict):
            kept = {name: self._without(value) for name, value in given.items() if name not in self}
            return {name: value for name, value in kept.items() if value is not None}
        if isinstance(given, list | tuple):
            return type(given)(kept for item in given if (kept := self._without(item)) is not None)
        return given.without(self) if isinstance(given, Foreign) else given


def _pieces(value: str) -> Iterator[str]:
    if len(value) < SHORTEST:
        return
    for form in forms(value):
        yield from (form[at : at + PIECE] for at in range(0, max(len(form) - PIECE, 0) + 1, PIECE))


def forms(value: str) -> tuple[str, ...]:
    """`value` in the codings in which it travels, each once."""
    encoded = base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()
    if _PLAIN.fullmatch(value):  # as nearly every token is; nothing else writes it otherwise
        return value, encoded, encoded.translate(_URL_SAFE).rstrip("=")
    quoted = quote(value, safe="", errors="replace"), quote_plus(value, errors="replace")
    url_safe = encoded.translate(_URL_SAFE).rstrip("=")
    escaped = json.dumps(value)[1:-1]
    return tuple(dict.fromkeys((value, *quoted, encoded, url_safe, escaped, escaped.replace("/", r"\/"))))


_URL_SAFE = str.maketrans("+/", "-_")


def _texts(detail: Any) -> Iterator[str]:
    if isinstance(detail, str):
        yield detail
    elif isinstance(detail, dict):
        for name, value in detail.items():
            yield str(name)
            yield from _texts(value)
    elif isinstance(detail, list):
        for value in detail:
            yield from _texts(value)
