"""One HTTP exchange with a provider, as two values.

Grants yield a `Request` and receive a `Response`; `holdfast.outbound` is the only place that turns one into
the other. Neither shows its content when printed: both may carry tokens. Bodies that are not held in memory are
the business of `domain.door`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from holdfast.domain.credential import ClientCertificate

_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:+-]+)", re.IGNORECASE)
_FORM = re.compile(r"[\w.%\[\]-]+=")
# Blank lines, a byte-order mark and the NULs of a fixed buffer are no part of an answer.
_BLANK = " \t\r\n\f\v\0\ufeff\u00a0"


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """What goes out. `url` is absolute and already encoded; `hosts` are the only hosts it may go to.

    `certificate` is shown to a server that asks for one (mutual TLS, RFC 8446 section 4.4.2).
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hosts: tuple[str, ...] = ()
    certificate: ClientCertificate | None = None

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    def __repr__(self) -> str:
        return f"Request({self.method} {self.host})"


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """What came back, read whole. Header names are lower case, repeated headers joined (RFC 9110 section 5.2)."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> Any:
        """The body as JSON, or a form-encoded one as a dict (some token endpoints answer so); None if it is neither.

        The label decides nothing: JSON comes as text/javascript and as a form, forms come as text/plain. NaN and the
        infinities are no JSON (RFC 8259 section 6) and read as null, since what stands beside them is still good.
        """
        label = self.headers.get("content-type", "").lower()
        labelled = "application/x-www-form-urlencoded" in label
        read = (_document(text.strip(_BLANK), labelled=labelled) for text in self._texts())
        return next((document for document in read if document is not None), None)

    def text(self) -> str:
        """The body as text, whatever it is."""
        return next(self._texts())

    def _texts(self) -> Iterator[str]:
        """The body as Unicode if it is that, as its label says, and with U+FFFD for what fits neither: bytes that are
        no UTF-8 in a member that nobody needs, or a label that is wrong, make the rest no worse."""
        unicode = json.detect_encoding(self.body)
        for charset in (unicode, *_CHARSET.findall(self.headers.get("content-type", ""))):
            try:
                yield self.body.decode(charset)
            except (LookupError, ValueError):  # an unknown charset, one that is no text, or another than it says
                continue
        yield self.body.decode(unicode, "replace")

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


Send = Callable[[Request], Awaitable[Response]]


def _document(text: str, *, labelled: bool) -> Any:
    found = _json(text)
    if isinstance(found, str):  # JSON that was put into a JSON string
        found = _json(found.strip(_BLANK)) or _form(found)
    return _form(text, labelled=labelled) if found is None else found


def _json(text: str) -> Any:
    """The JSON value that `text` begins with; what follows it is nothing that anybody asked for."""
    try:
        return _DECODER.raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def _form(text: str, *, labelled: bool = False) -> dict[str, str] | None:
    """The members of a form; without its label only of a text that begins as a form does, and no page does."""
    if not labelled and not _FORM.match(text):
        return None
    return dict(parse_qsl(text, keep_blank_values=True)) or None


def _whole(digits: str) -> int | None:
    """None for a number of so many digits that Python refuses to count them."""
    return int(digits) if len(digits) < 4000 else None


_DECODER = json.JSONDecoder(strict=False, parse_constant=lambda _: None, parse_int=_whole)
