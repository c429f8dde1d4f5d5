"""An answer with everything that came with it: what the `…_with_http_info` methods return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ApiResponse(Generic[T]):
    """`data` is what the method without `_with_http_info` returns; `headers` are found whatever their case.

    `url` is where the answer came from, after redirects. It, the headers and the body may carry the cookie, state
    or code of an OAuth flow, so the `repr` shows none of them.
    """

    status_code: int
    data: T
    headers: Mapping[str, str] = field(repr=False)
    raw_data: bytes = field(repr=False)
    url: str = field(repr=False)
