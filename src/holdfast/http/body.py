"""A JSON body, read strictly (RFC 8259): bounded in size, depth, keys and text, no duplicate names, no NaN."""

from __future__ import annotations

import json
import math
import re
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from holdfast.errors import PayloadTooLargeError, RequestValidationError, UnsupportedMediaTypeError

BODY_LIMIT = 1 << 20
DEPTH_LIMIT = 32
KEY_LIMIT = 10_000
ITEM_LIMIT = 50_000
TEXT_LIMIT = 65_536
# What JSON text can hold but a database, a header or another parser cannot: NUL and unpaired surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TOO_DEEP = b"[" * (DEPTH_LIMIT + 1)
_MEDIA = ("application/json", "")
_FORM_MEDIA = "application/x-www-form-urlencoded"
# Less than a query may have, which its members become.
FORM_LIMIT = 12_288


async def read_json(request: Request) -> Any:
    """The body as JSON; None if there is none.

    PayloadTooLargeError over 1 MiB, UnsupportedMediaTypeError for anything that is not plain JSON,
    RequestValidationError for JSON that is malformed or beyond the limits.
    """
    raw = await _read(request)
    if not raw.strip():
        return None
    media, _, charset = request.headers.get("content-type", "").partition(";")
    if media.strip().lower() not in _MEDIA or not _is_utf8(charset) or request.headers.get("content-encoding"):
        raise UnsupportedMediaTypeError()
    document = parse(raw)
    if document is None:
        raise RequestValidationError("The body is null; leave it out, or send an object.")
    return document


async def read_form(request: Request) -> list[tuple[str, str]]:
    """The members of a form, as they came: few and short, since they become a query.

    UnsupportedMediaTypeError for anything that is no form, RequestValidationError for one that is too long.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM_MEDIA:
        raise UnsupportedMediaTypeError("Send a form (application/x-www-form-urlencoded).")
    raw = await _read(request)
    if len(raw) > FORM_LIMIT:
        raise RequestValidationError("The form is too long.")
    return parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)


def parse(raw: bytes) -> Any:
    """`raw` as JSON within the limits. RequestValidationError says what is wrong, never what was sent."""
    _check_shape(raw)
    try:
        document = json.loads(raw.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_members)
    except RequestValidationError:
        raise
    except (ValueError, RecursionError):
        raise _malformed() from None
    _check_values(document)
    return document


async def _read(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > BODY_LIMIT:
        raise PayloadTooLargeError()
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > BODY_LIMIT:
                raise PayloadTooLargeError()
            chunks.append(chunk)
    except ClientDisconnect:
        raise RequestValidationError("The body ended early.") from None
    return b"".join(chunks)


def _check_shape(raw: bytes) -> None:
    """Counts before any parser builds or recurses, in a few passes over the bytes, so that no body is slow."""
    if raw.count(b'"') - raw.count(b'\\"') > 2 * (KEY_LIMIT + ITEM_LIMIT):
        raise _too_many()
    outside = _STRING.sub(b"", raw)
    brackets = outside.translate(_BRACKETS, _NO_BRACKETS)
    if _TOO_DEEP in brackets:
        raise _nested_too_deep()
    if outside.count(b":") > KEY_LIMIT or outside.count(b",") > ITEM_LIMIT or len(brackets) > 2 * KEY_LIMIT:
        raise _too_many()
    for _ in range(DEPTH_LIMIT):
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        paired = brackets.startswith(b"[") and brackets.count(b"[") == brackets.count(b"]")
        raise _nested_too_deep() if paired else _malformed()


def _nested_too_deep() -> RequestValidationError:
    return RequestValidationError(f"The body is nested deeper than {DEPTH_LIMIT} levels.")


def _malformed() -> RequestValidationError:
    return RequestValidationError("The body is not valid JSON in UTF-8.")


def _too_many() -> RequestValidationError:
    return RequestValidationError(f"The body has more than {KEY_LIMIT} members or {ITEM_LIMIT} items.")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise RequestValidationError("The body names a member twice.")
    return members


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _check_values(document: Any) -> None:
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += [*value, *value.values()]
        elif isinstance(value, list):
            pending += value
        else:
            _check_value(value)


def _check_value(value: Any) -> None:
    if isinstance(value, str) and (len(value) > TEXT_LIMIT or _UNSTORABLE.search(value)):
        raise RequestValidationError("The body holds a text that is too long or cannot be stored.")
    if isinstance(value, float) and not math.isfinite(value):
        raise RequestValidationError("The body holds a number that is out of range.")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise RequestValidationError("The body holds a number that is out of range.")


def _is_utf8(parameters: str) -> bool:
    match = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters, re.IGNORECASE)
    return match is None or match[1].lower() in ("utf-8", "utf8")
