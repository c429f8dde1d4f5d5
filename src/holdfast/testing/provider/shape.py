"""What a service looks like on the wire: every way in which real providers differ that a manifest can express.

`Shape()` is a provider that follows the RFCs and rotates refresh tokens strictly; each field is one deviation.
URLs are absolute (then they answer on that host only) or a path (then on every host); `{name}` in a path stands
for one segment. Places in JSON documents are paths as in `holdfast.domain.manifest.path`: `data.access_token`,
`$.org[0].id`. Knows nothing of manifests; whoever has one fills this in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from holdfast.domain.manifest.path import steps

ClientAuth = Literal["basic", "basic_plain", "body", "query", "none"]
Body = Literal["form", "json", "query"]
RotationMode = Literal["none", "grace", "strict", "family"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The authorization endpoint and its callback (RFC 6749 section 4.1)."""

    url: str = "/oauth/authorize"
    params: Mapping[str, str] = field(default_factory=dict)
    """Further parameters that must arrive, with exactly these values."""
    rename: Mapping[str, str] = field(default_factory=dict)
    """RFC 6749's name of a parameter to the name that this provider expects."""
    omit: tuple[str, ...] = ()
    """Parameters of RFC 6749 that this provider does without."""
    scope: str = "scope"
    separator: str = " "
    pkce: Literal["required", "optional", "off"] = "required"
    """RFC 7636. `off` means that a challenge is ignored, as by a provider that has never heard of it."""
    code: str = "code"
    """The name of the code in the callback."""
    callback: Mapping[str, str] = field(default_factory=dict)
    """Further query parameters of a successful callback, such as `realmId`."""
    iss: bool = True
    """Whether the callback says who sent it (RFC 9207)."""
    signed: bool = False
    """Whether a successful callback carries `hmac`: HMAC-SHA256 of the other parameters, sorted by name and
    form-encoded, under the client's secret, in hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """What the token endpoint expects (RFC 6749 section 3.2)."""

    url: str = "/oauth/token"
    refresh_url: str | None = None
    method: str = "POST"
    body: Body = "form"
    client_auth: ClientAuth = "basic"
    params: Mapping[str, str] = field(default_factory=dict)
    """Further parameters that must arrive with every grant but a refresh."""
    refresh_params: Mapping[str, str] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    omit: tuple[str, ...] = ()
    grant_types: Mapping[str, str] = field(default_factory=dict)
    """This provider's word for a grant type to RFC 6749's, where they differ."""
    redirect_uri_on_refresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Where a lifetime stands, and in which form."""

    path: str = "expires_in"
    form: Literal["seconds", "epoch_s", "epoch_ms", "iso"] = "seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer:
    """What the token endpoint answers (RFC 6749 sections 5.1 and 5.2)."""

    access_token: str = "access_token"
    refresh_token: str = "refresh_token"
    refresh_token_again: bool = True
    """Whether the answer to a refresh repeats a refresh token that did not change."""
    token_type: str | None = "Bearer"
    expires: Expiry | None = Expiry()
    """None leaves the lifetime unsaid; the token expires all the same."""
    refresh_expires: Expiry | None = None
    scope: str | None = "scope"
    members: Mapping[str, Any] = field(default_factory=dict)
    """Further members by their place, such as `{"instance_url": "https://…"}`."""
    encoding: Literal["json", "form", "negotiated"] = "json"
    """`negotiated`: form-encoded unless the request accepts JSON."""
    error: str = "error"
    error_mark: Any = None
    """A value that stands at `error` and only marks the failure; the code then stands in `error_code`."""
    error_code: str = "error"
    error_status: int | None = None
    """200 for providers that tell a failure in the body only; None for the statuses of RFC 6749."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long things live, in seconds (None: for ever), and what becomes of a refresh token that was used.

    `none`: it stays valid. `strict`: it is valid once. `grace`: for `grace` seconds it still gives the token that
    replaced it. `family`: using it again ends the whole grant (RFC 9700 section 4.14.2).
    """

    code: float = 60
    access: float | None = 3600
    refresh: float | None = None
    """Since the token was issued or, where it does not rotate, last used."""
    rotation: RotationMode = "family"
    grace: float = 0
    not_before_expiry: float | None = None
    """A refresh is refused while the access token has more than this many seconds left."""
    refresh_ends_access: bool = False
    """Whether a refresh ends the access tokens issued before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """The revocation endpoint; the defaults are RFC 7009."""

    url: str = "/oauth/revoke"
    method: str = "POST"
    auth: Literal["client", "client_basic", "credential", "none"] = "client"
    body: Literal["form", "json", "query", "none"] = "form"
    token: str | None = "token"
    """The parameter, or `{segment}` of the URL's path, that holds the token. None: every grant of the client ends."""
    params: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a credential stands in a call. `{access_token}` in `value` stands for a live access token."""

    value: str = "Bearer {access_token}"
    where: Literal["header", "query", "basic"] = "header"
    name: str = "Authorization"


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """How the service's own API knows its caller. A call must carry every placement in `accepts`."""

    accepts: tuple[Placement, ...] = (Placement(),)
    refused_status: int = 401
    refused: Mapping[str, Any] = field(
        default_factory=lambda: {"success": False, "error": "unauthorized access", "errorCode": 401}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A whole provider. `issuer` is the base URL of whatever address it is called by, unless it is set.

    `scopes` are the scopes that exist, with what the consent page says of them; None lets every scope through.
    `revocation` is None where the provider has no such endpoint.
    """

    issuer: str | None = None
    scopes: Mapping[str, str] | None = None
    authorization: Authorization = Authorization()
    token: TokenRequest = TokenRequest()
    answer: TokenAnswer = TokenAnswer()
    lifetimes: Lifetimes = Lifetimes()
    revocation: Revocation | None = Revocation()
    api: Api = Api()


def document(members: Mapping[str, Any]) -> Any:
    """The JSON document in which each value stands at its path.

    >>> document({"data.token": "t", "$.org[0].id": "4711"})
    {'data': {'token': 't'}, 'org': [{'id': '4711'}]}
    """
    root: Any = None
    for path, value in members.items():
        root = _put(root, steps(path), value)
    return {} if root is None else root


def _put(at: Any, path: tuple[str | int | None, ...], value: Any) -> Any:
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        found = dict(at or {})
        found[step] = _put(found.get(step), rest, value)
        return found
    index = step or 0
    items = list(at or []) + [None] * (index + 1 - len(at or []))
    items[index] = _put(items[index], rest, value)
    return items
