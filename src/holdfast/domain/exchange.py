"""One HTTP exchange with a provider, as two values.

Grants yield a `Request` and receive a `Response`; `holdfast.outbound` is the only place that turns one into
the other. Neither shows its content when printed: both may carry tokens. Bodies that are not held in memory are
the business of `domain.door`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from holdfast.domain.credential import ClientCertificate


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
        """The body as JSON; a form-encoded body as a dict (some token endpoints answer so). None if it is neither."""
        media = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media == "application/x-www-form-urlencoded":
            return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        try:
            return json.loads(self.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return None

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


Send = Callable[[Request], Awaitable[Response]]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON (RFC 8259 section 6)")
