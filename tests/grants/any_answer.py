"""A provider that answers anything: each answer with what is true of it, for tests that must hold for all of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from hypothesis import strategies as st

from holdfast.domain.exchange import Response

Truth = Literal["granted", "refused", "nothing"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whether it grants, refuses with proof or proves nothing, and the tokens that it grants."""

    response: Response
    truth: Truth
    access: str = ""
    refresh: str | None = None

    def __repr__(self) -> str:
        """With the body, which a Response keeps to itself."""
        return f"{self.truth}: {self.response.status} {dict(self.response.headers)} {self.response.body!r}"


LABELS = st.sampled_from(
    [
        "application/json", "application/json; charset=utf-8", "application/json;charset=ISO-8859-1", "text/html",
        "text/plain; charset=us-ascii", "text/javascript", "application/x-www-form-urlencoded", "application/xml",
        "application/json; charset=no-such", "application/json; charset=utf-16", "application/json; charset=hex", "",
    ]
)  # fmt: skip
CHARSETS = st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-32"])
TOKENS = st.text("abcXYZ019-._~+/=", min_size=1, max_size=40).map(lambda text: f"t{text}")
NAMES = st.text("abcéüñ ,'", max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NAMES,
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)
LIFETIMES: st.SearchStrategy[Any] = VALUES | st.sampled_from(
    [
        3600, "3600", 59.9, -1, 0, "0", "never", "", None, 10**30, "Wed, 25 Nov 2099 12:00:00 GMT", "2099-11-25",
        "2099-11-25T12:00:00.0000000Z", "25 November 2099", "Nov 25th, 2099 1:00 PM", "0001-01-01", {}, [],
    ]
)  # fmt: skip
EMPTY: st.SearchStrategy[Any] = st.sampled_from(
    ["", None, {}, [], False, 0, "0", "null", {"code": "ok", "message": ""}]
)
UNKNOWN_CODES = st.sampled_from(["odd", "E-17", 40100, "Access Denied", "denied", "-1", "token"])
PROOFS = st.sampled_from(["invalid_grant", "access_denied", "interaction_required", "vendor_says_dead", 4711])
LATER = (429, 408, 500, 502, 503, 504)


@st.composite
def granted(draw: st.DrawFn) -> Answer:
    """A token, in whatever stands around and beside it."""
    access, refresh = draw(TOKENS), draw(TOKENS | st.none())
    members: dict[str, Any] = {"access_token": access, "expires_in": draw(LIFETIMES), "name": draw(NAMES)}
    if refresh or draw(st.booleans()):
        members["refresh_token"] = refresh
    members |= draw(st.dictionaries(st.sampled_from(["scope", "x", "created_at", "user", "id_token"]), VALUES))
    if draw(st.booleans()):
        members["error"] = draw(EMPTY)
    body = draw(st.sampled_from([_json, _form]))(draw, members)
    response = Response(draw(st.sampled_from([200, 201, 202])), {"content-type": draw(LABELS)}, body)
    return Answer(response, "granted", access, refresh)


@st.composite
def refused(draw: st.DrawFn) -> Answer:
    """An error code that says that the grant is dead, wherever providers put it."""
    code = draw(PROOFS)
    shape = draw(st.sampled_from(["{}", "[{}]", "code", "object", "form"]))
    members: dict[str, Any] = {"error": code, "error_description": draw(NAMES)}
    if shape == "object":
        members = {"error": {"code": code, "message": draw(NAMES)}}
    if shape == "code":
        members = {"code": code, "message": draw(NAMES)}
    body = _form(draw, members) if shape == "form" else json.dumps([members] if shape == "[{}]" else members).encode()
    return Answer(Response(draw(st.sampled_from([400, 401, 403])), {"content-type": draw(LABELS)}, body), "refused")


@st.composite
def nothing(draw: st.DrawFn) -> Answer:
    """An answer that proves nothing: a page, noise, an unknown code, a status alone, a refusal that says "later"."""
    kind = draw(st.sampled_from(["page", "noise", "unknown", "later", "passing", "odd"]))
    status = draw(st.sampled_from([200, 204, 302, 400, 401, 403, 404, 409, 410, 418, *LATER]))
    body = b""
    if kind == "page":
        body = f"<html><p>{draw(NAMES)} invalid_grant error=invalid_grant</p></html>".encode()
    elif kind == "noise":
        body = draw(st.binary(max_size=200))
    elif kind == "unknown":
        body = json.dumps({"error": draw(UNKNOWN_CODES), "error_description": draw(NAMES)}).encode()
    elif kind == "later":
        status, body = draw(st.sampled_from(LATER)), b'{"error": "invalid_grant"}'
    elif kind == "passing":
        body = b'{"error": "invalid_grant", "error_description": "Token request is already BEING PROCESSED"}'
    else:
        body = json.dumps(draw(VALUES | st.dictionaries(NAMES, VALUES))).encode()
    return Answer(Response(status, {"content-type": draw(LABELS), "retry-after": draw(NAMES)}, body), "nothing")


def _json(draw: st.DrawFn, members: dict[str, Any]) -> bytes:
    document: Any = [members] if draw(st.booleans()) else members
    text = json.dumps(document, ensure_ascii=draw(st.booleans()))
    if draw(st.booleans()):
        text = f"\r\n \n{text}\n<!-- served in 3 ms -->"
    encoded = text.encode(draw(CHARSETS))
    return encoded.replace(b'"name": "', b'"name": "\xc3', 1) if draw(st.booleans()) else encoded


def _form(draw: st.DrawFn, members: dict[str, Any]) -> bytes:
    flat = {name: "" if value in (None, {}, []) else value for name, value in members.items()}
    flat = {name: value for name, value in flat.items() if not isinstance(value, dict)}
    return (b"\n" if draw(st.booleans()) else b"") + urlencode(flat).encode()
