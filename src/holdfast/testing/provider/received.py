"""One request as the provider got it, whole. This is the outside world: its secrets are in plain sight."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from starlette.requests import Request as StarletteRequest


@dataclass(frozen=True, slots=True, repr=False)
class Received:
    """`endpoint` is the name under which the provider counts the request, such as `token:refresh_token`."""

    endpoint: str
    method: str
    url: str
    headers: Mapping[str, str]
    """By lower-case names."""
    body: bytes
    """Empty where the answer takes the body as it comes."""
    segments: Mapping[str, str]
    """What stood in the URL's path where the shape has `{name}`."""

    @classmethod
    async def of(cls, endpoint: str, request: StarletteRequest, *, whole: bool) -> Received:
        """`request` with its body, or without if it is not wanted `whole`."""
        headers, segments = dict(request.headers), dict(request.path_params)
        body = await request.body() if whole else b""
        return cls(endpoint, request.method, str(request.url), headers, body, segments)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.url).path)

    @property
    def base_url(self) -> str:
        """Scheme and host under which the provider was called."""
        return "{0.scheme}://{0.netloc}".format(urlsplit(self.url))

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def query(self) -> dict[str, str]:
        return dict(_pairs(urlsplit(self.url).query))

    @property
    def form(self) -> dict[str, str]:
        """The members of a form body; empty if the body is none."""
        is_form = self.media_type == "application/x-www-form-urlencoded"
        return dict(_pairs(self.body.decode("utf-8", "replace"))) if is_form else {}

    @property
    def json(self) -> Any:
        """The JSON body; None if the body is none."""
        try:
            return json.loads(self.body) if self.media_type == "application/json" else None
        except ValueError:
            return None

    @property
    def members(self) -> dict[str, str]:
        """The members of the body, be it a form or a JSON object of strings."""
        return self.form or (self.json if isinstance(self.json, dict) else {})

    @property
    def repeated(self) -> set[str]:
        """Parameters that came more than once, which RFC 6749 sections 3.1 and 3.2 forbid."""
        pairs = _pairs(urlsplit(self.url).query)
        if self.form:
            pairs += _pairs(self.body.decode("utf-8", "replace"))
        return {name for name, count in Counter(name for name, _ in pairs).items() if count > 1}

    def __repr__(self) -> str:
        return f"Received({self.endpoint}: {self.method} {self.path})"


def _pairs(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True)
