"""The manifest's words for an OAuth 2.0 provider: RFC 6749, 7636, 7009 and 9207, and the ways in which providers
leave them. Part of the vocabulary that `holdfast.domain.manifest.connector` opens.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from holdfast.domain.manifest.words import (
    AnswerPath,
    HttpStatus,
    Level,
    Method,
    Seconds,
    SettingId,
    Template,
    UrlTemplate,
    WebAddress,
    Word,
)

GrantType = Literal["authorization_code", "client_credentials", "password"]
ClientAuth = Literal["body", "basic", "basic_plain", "query", "none"]
Outcome = Literal["rejected", "misconfigured", "deferred"]
CallbackHook = Literal["hmac_query"]
RFC7009_PARAMS = {"token": "{cred.token}", "token_type_hint": "{cred.token_type_hint}"}


class OAuthClient(Word, frozen=True, kw_only=True):
    """Whose OAuth client it is, and how it authenticates at the token endpoint (RFC 6749 section 2.3).

    source: `integration`: the application's; `connection`: the consumer's, in settings `client_id` and `client_secret`
    auth: members of the `body` or of the `query`; HTTP Basic with both halves form-encoded first, as RFC 6749 asks
        (`basic`), or as they are, for the many providers that do not decode them (`basic_plain`); `none` for a
        public client
    has_secret: whether the client has a secret; one that has none sends its id alone, by HTTP Basic with an empty
        password
    """

    source: Level = "integration"
    auth: ClientAuth = "body"
    has_secret: bool = True

    @property
    def needs_secret(self) -> bool:
        """Whether the client is incomplete without a secret."""
        return self.has_secret and self.auth != "none"


class Scopes(Word, frozen=True, kw_only=True):
    """How scopes are written.

    param: the name of the parameter
    separator: what stands between two scopes
    plus_encoded: whether a space must reach the provider as `+` instead of `%20`
    default: what is asked for unless the integration or the request says otherwise
    extra: further scope-like parameters with fixed values
    """

    param: str = "scope"
    separator: str = " "
    plus_encoded: bool = False
    default: tuple[Template, ...] = ()
    extra: dict[str, str] = {}


class Authorize(Word, frozen=True, kw_only=True):
    """The authorization endpoint (RFC 6749 section 4.1.1).

    url: the provider's consent page
    params: further parameters; one with the name of a standard parameter replaces it
    rename: standard parameters that have another name here
    omit: standard parameters that are not sent
    """

    url: UrlTemplate
    params: dict[str, Template] = {}
    rename: dict[str, str] = {}
    omit: tuple[str, ...] = ()


class Callback(Word, frozen=True, kw_only=True):
    """What the provider's redirect brings. A provider that is asked for `response_mode: form_post` (in
    `authorize.params`) sends the same by a form, which the callback takes as well.

    code: the query parameter that holds the authorization code
    capture: setting to the query parameter that fills it
    hook: a check of the whole query; `hmac_query` is an HMAC-SHA256 under the client secret in parameter `hmac`
    """

    code: str = "code"
    capture: dict[SettingId, str] = {}
    hook: CallbackHook | None = None


class Expiry(Word, frozen=True, kw_only=True):
    """Where a lifetime stands in the token answer, and in which form. One that is none (-1, 0, "never", a moment that
    is over) is not known, and costs no token: `refresh.access_lifetime` stands in for it.

    path: where it stands
    as: what a number counts: `seconds` from now, seconds or milliseconds since 1970; `iso` for a date. A text may hold
        the number, and a date is read whatever its make: ISO 8601, as in HTTP headers, in English words
    """

    path: AnswerPath = "expires_in"
    form: Literal["seconds", "epoch_s", "epoch_ms", "iso"] = msgspec.field(default="seconds", name="as")


class BodyError(Word, frozen=True, kw_only=True):
    """A failure told in the body, whatever the status. A code is looked up in `errors`, as text.

    path: where it is told, by a code or by an object with one
    when: the value that means failure; without it, any value that is not empty (null, false, 0, {}, [], "", "0",
        "ok", "success" are)
    """

    path: AnswerPath
    when: str | bool | None = None


class TokenAnswer(Word, frozen=True, kw_only=True):
    """Where the members of the token answer stand (RFC 6749 section 5.1).

    access_token: where the access token stands
    refresh_token: where the refresh token stands
    expires: where the lifetime stands; `null` if the token does not expire
    refresh_expires: where the lifetime of the refresh token stands
    error: how a failure is told
    capture: setting to the place in the answer that fills it
    headers: member to the response header that holds it, for a provider that answers in headers; a scheme before
        the value (`Bearer x`) is left out
    """

    access_token: AnswerPath = "access_token"
    refresh_token: AnswerPath = "refresh_token"
    expires: Expiry | None = Expiry()
    refresh_expires: Expiry | None = None
    error: BodyError = BodyError(path="error")
    capture: dict[SettingId, AnswerPath] = {}
    headers: dict[str, str] = {}


class Token(Word, frozen=True, kw_only=True):
    """The token endpoint (RFC 6749 section 3.2).

    url: where tokens are asked for
    method: the HTTP method
    body: how the members are sent
    accept: the `Accept` header
    params: further members of every request but a refresh; one with the name of a standard member replaces it
    rename: standard members that have another name here
    omit: standard members that are not sent
    headers: further headers of every request, a refresh too; one that comes out empty is left out
    response: how the answer is read
    """

    url: UrlTemplate
    method: Literal["POST", "GET"] = "POST"
    body: Literal["form", "json", "query"] = "form"
    accept: str = "application/json"
    params: dict[str, Template] = {}
    rename: dict[str, str] = {}
    omit: tuple[str, ...] = ()
    headers: dict[str, Template] = {}
    response: TokenAnswer = TokenAnswer()


class Refresh(Word, frozen=True, kw_only=True):
    """How an access token is refreshed (RFC 6749 section 6). Times are seconds.

    url: the endpoint, where it is not that of `token`
    params: further members of the request
    send_redirect_uri: whether the redirect URI is sent again
    send_scopes: whether the scopes that the connection was authorized with are sent again
    rotation: what becomes of the old refresh token: `none` keeps it, `strict` accepts it once, `grace` a while
        longer, `family` ends the whole grant if it is used again. Where nobody knows, say `strict`
    grace: how long `grace` lasts
    not_before_expiry: a refresh is refused while the token has more than this to live
    access_lifetime: the lifetime of an access token whose answer does not tell it, and that does not tell it itself
        (`exp` of a JWT). Where nobody does, a token serves until the service says 401, and how long it lived is
        remembered for the connection
    idle_lifetime: how long a refresh token lives without being used. It is used before that, at half of it, though
        nobody uses the connection; one that its provider tells (`response.refresh_expires`) is kept alive likewise
    """

    url: UrlTemplate | None = None
    params: dict[str, Template] = {}
    send_redirect_uri: bool = False
    send_scopes: bool = False
    rotation: Literal["none", "grace", "strict", "family"] = "none"
    grace: int = 0
    not_before_expiry: Seconds | None = None
    access_lifetime: Seconds | None = None
    idle_lifetime: Seconds | None = None


class Revoke(Word, frozen=True, kw_only=True):
    """How a grant is ended at the provider; the defaults are RFC 7009. A failure told in the body of a good answer
    (`token.response.error`) is one here too. A token that the provider no longer knows has ended.

    url: where it is ended
    method: the HTTP method
    auth: as the OAuth `client`, as the client by HTTP Basic, with the `credential` as in `request.auth`, or not
    body: how `params` are sent
    ends: what the provider ends: only what the `token` belongs to (RFC 7009), or whatever this client holds of that
        account, a newer `grant` too; then nothing is sent while the consumer has one. Where nobody knows, leave it out
    params: the members; `{cred.token}` is the token that is being revoked
    tokens: one request for each of these that the connection has
    headers: further headers; one that comes out empty is left out
    gone: statuses that say that the provider no longer knows the token, beside 404 and 410 to a DELETE
    """

    url: UrlTemplate
    method: Method = "POST"
    auth: Literal["client", "client_basic", "credential", "none"] = "client"
    body: Literal["form", "json", "query", "none"] = "form"
    ends: Literal["token", "grant"] = "grant"
    params: dict[str, Template] = msgspec.field(default_factory=lambda: dict(RFC7009_PARAMS))
    tokens: tuple[Literal["refresh_token", "access_token"], ...] = ("refresh_token", "access_token")
    headers: dict[str, Template] = {}
    gone: tuple[HttpStatus, ...] = ()


class OAuth(Word, frozen=True, kw_only=True):
    """An OAuth 2.0 grant.

    grant: which one (RFC 6749 section 4)
    client: the OAuth client
    pkce: RFC 7636; `off` for a provider that refuses it, `required` for one that insists
    issuer: what `iss` in a callback must be (RFC 9207)
    requires_iss: whether a callback without `iss` is refused
    scopes: how scopes are written
    authorize: the authorization endpoint; for `authorization_code` only
    callback: what the redirect brings
    token: the token endpoint
    refresh: how a token is refreshed
    revoke: how a grant is ended at the provider, if it can be
    errors: error codes of this provider that mean something else than in RFC 6749 section 5.2: the consumer must
        connect again (`rejected`), the OAuth client is wrong (`misconfigured`), or try later (`deferred`). A code
        that nobody knows is `deferred`, for it proves nothing against the grant
    error_descriptions: texts of this provider's error descriptions, in part and in any case, to what they mean; for
        codes that several causes share. They count more than the code
    """

    grant: GrantType = "authorization_code"
    client: OAuthClient = OAuthClient()
    pkce: Literal["required", "optional", "off"] = "optional"
    issuer: WebAddress | None = None
    requires_iss: bool = False
    scopes: Scopes = Scopes()
    authorize: Authorize | None = None
    callback: Callback = Callback()
    token: Token
    refresh: Refresh = Refresh()
    revoke: Revoke | None = None
    errors: dict[str, Outcome] = {}
    error_descriptions: dict[str, Outcome] = {}
