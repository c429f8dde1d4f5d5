"""The vocabulary of a connector manifest: every word a `connector.yaml` may use, its type, its default, its meaning.

Owns what a manifest can say (schema 1), as frozen values; `oauth` holds the words for OAuth providers, `words` the
kinds of text. Knows nothing of files (`holdfast.catalog` reads them), of HTTP or of tokens. To add a word: a field
here with its line in the docstring, the flow that reads it; `docs/reference/manifest.md` is generated from both.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import msgspec

from holdfast.domain.manifest.oauth import (
    Authorize,
    BodyError,
    Callback,
    CallbackHook,
    ClientAuth,
    Expiry,
    GrantType,
    OAuth,
    OAuthClient,
    Outcome,
    Refresh,
    Revoke,
    Scopes,
    Token,
    TokenAnswer,
)
from holdfast.domain.manifest.words import (
    AnswerPath,
    Count,
    Day,
    HeaderName,
    HostPattern,
    HttpStatus,
    Level,
    Markdown,
    Method,
    Pattern,
    ServiceId,
    SettingId,
    Template,
    TemplateTree,
    UnifiedApiId,
    UrlTemplate,
    WebAddress,
    Word,
    WordPath,
)

__all__ = [  # the whole vocabulary, from one place
    "AfterConnect", "ApiRequest", "Auth", "AuthType", "Authorize", "BodyCheck", "BodyError", "Callback",
    "CallbackHook", "ClientAuth", "Connector", "CustomFields", "Expired", "Expiry", "FieldMap", "FilledBy", "GrantType",
    "Level", "Method", "NextPage", "OAuth", "OAuthClient", "Option", "OptionsFrom", "Outcome", "Placement", "RateLimit",
    "Refresh", "RequestTemplate",
    "ResourceField", "Revoke", "Scopes", "Setting", "SettingType", "Status", "Token", "TokenAnswer", "UnifiedApi",
    "Verified", "Verify", "Word",
]  # fmt: skip

AuthType = Literal["oauth2", "apiKey", "basic", "custom", "none"]
Status = Literal["live", "beta", "early-access", "development", "considering"]
SettingType = Literal[
    "text", "textarea", "password", "checkbox", "tel", "email", "url", "number",
    "select", "filtered-select", "multi-select", "date", "datetime", "time",
]  # fmt: skip
FilledBy = Literal["user", "callback", "token", "after_connect"]


class Option(Word, frozen=True, kw_only=True):
    """One choice of a select. A text alone is both its label and its value.

    label: what the consumer reads
    value: what is stored
    """

    label: str
    value: str


class RequestTemplate(Word, frozen=True, kw_only=True):
    """A request to the service, with templates in it. The credential of `request.auth` is put on it.

    method: the HTTP method
    url: an absolute address; give this or `path`
    path: appended to `request.base_url`
    query: query parameters; one that comes out empty is left out
    headers: headers beside those of `request.headers`; one that comes out empty is left out
    json: a JSON body; members that come out empty are left out
    form: a form-encoded body, instead of `json`
    """

    method: Method = "GET"
    url: UrlTemplate | None = None
    path: Template | None = None
    query: dict[str, Template] = {}
    headers: dict[str, Template] = {}
    json: TemplateTree | None = None
    form: dict[str, Template] | None = None


class NextPage(Word, frozen=True, kw_only=True):
    """How a list goes on after its first page. At most 20 pages are read.

    by: a `cursor` in the answer, which a parameter takes; the `url` of the next page in the answer, or in a `link`
        header (RFC 8288, `rel="next"`); an `offset`, the number of items so far; the number of the `page`
    path: where the cursor or the URL stands; the page is the last one if nothing stands there
    param: the query parameter that takes the cursor, the offset or the number
    size: for `offset` and `page`: how many items a full page has; a shorter one is the last
    first: for `page`: the number of the first one
    """

    by: Literal["cursor", "url", "link", "offset", "page"]
    path: AnswerPath | None = None
    param: str | None = None
    size: Count | None = None
    first: int = 1


class OptionsFrom(Word, frozen=True, kw_only=True):
    """Where the choices of a select come from once the account is connected.

    request: the call that lists them
    items: where the list stands in the answer; `$` if the answer is the list
    value: where the value stands in one item
    label: where the label stands in one item
    next: how the list goes on after its first page
    """

    request: RequestTemplate
    items: AnswerPath
    value: AnswerPath
    label: AnswerPath
    next: NextPage | None = None


class Setting(Word, frozen=True, kw_only=True):
    """A form field of the connection (or, at level `integration`, of the application's own set-up).

    id: the name under which the value is stored and by which templates call it
    label: what the consumer reads beside the field
    type: how the field is drawn; the value of a `password` never leaves the vault
    required: whether the connection can be used without a value
    default: the value while none is given
    options: the choices of a select
    options_from: where the choices come from once the account is connected
    before_authorize: whether the link to the provider needs the value
    hidden: whether the field is left out of the form
    filled_by: who gives the value: the person, the provider's callback, its token answer, or `after_connect`
    level: `connection` for the consumer's own value, `integration` for the application's (namespace `app`)
    secret: whether the value is kept out of every answer; a `password` always is
    pattern: what the whole value must match
    placeholder: an example, drawn in the empty field
    description: help below the field; `{{id}}` shows the value of another field, never of a secret one
    prefix: text before the field that is not part of the value
    suffix: text after the field that is not part of the value
    """

    id: SettingId
    label: str
    type: SettingType = "text"
    required: bool = False
    default: str | None = None
    options: tuple[Option | str, ...] = ()
    options_from: OptionsFrom | None = None
    before_authorize: bool = False
    hidden: bool = False
    filled_by: FilledBy = "user"
    level: Level = "connection"
    secret: bool = False
    pattern: Pattern | None = None
    placeholder: str | None = None
    description: Markdown | None = None
    prefix: str | None = None
    suffix: str | None = None

    @property
    def sensitive(self) -> bool:
        """Whether the value is kept out of every answer."""
        return self.secret or self.type == "password"

    @property
    def choices(self) -> tuple[Option, ...]:
        return tuple(o if isinstance(o, Option) else Option(label=o, value=o) for o in self.options)


class Auth(Word, frozen=True, kw_only=True):
    """How the service knows its caller.

    type: the kind of credential
    oauth: the grant; for `oauth2` only
    """

    type: AuthType
    oauth: OAuth | None = None


class Placement(Word, frozen=True, kw_only=True):
    """Where a credential stands in a request. An entry whose value comes out empty is left out.

    in: a `header`, a `query` parameter, or HTTP Basic (the value is then `user:password`)
    name: of the header or the parameter
    value: the credential
    encode: `base64` encodes the whole value
    """

    where: Literal["header", "query", "basic"] = msgspec.field(default="header", name="in")
    name: str = "Authorization"
    value: Template
    encode: Literal["base64"] | None = None


class Expired(Word, frozen=True, kw_only=True):
    """How the service says that an access token is dead, so that it is refreshed and the call made once more. A 403
    that says so in words (`invalid_token`, "token expired") is understood without this.

    statuses: the statuses that say so (RFC 6750 section 3.1)
    path: where the answer names its error, whatever its status
    codes: what stands there then
    """

    statuses: tuple[HttpStatus, ...] = (401,)
    path: AnswerPath | None = None
    codes: tuple[str, ...] = ()


class RateLimit(Word, frozen=True, kw_only=True):
    """The headers in which the service tells how much may still be asked of it: told in metrics, and heeded after a 429
    that has no Retry-After.

    limit: how many calls there are in all
    remaining: how many of them are left
    reset: when there are more: seconds from now, or a moment
    """

    limit: HeaderName | None = None
    remaining: HeaderName
    reset: HeaderName | None = None


class ApiRequest(Word, frozen=True, kw_only=True):
    """What every call to the service has in common.

    base_url: what paths are appended to
    auth: where the credential stands
    headers: headers of every call; one that comes out empty is left out
    query: query parameters of every call
    expired: how the service says that an access token is dead
    rate_limit: the headers in which the service tells how much may still be asked of it
    idempotency_key: the header by which the service knows a write that comes again; without it the vault keeps the
        first answer itself
    """

    base_url: UrlTemplate | None = None
    auth: tuple[Placement, ...] = ()
    headers: dict[str, Template] = {}
    query: dict[str, Template] = {}
    expired: Expired = Expired()
    rate_limit: RateLimit | None = None
    idempotency_key: HeaderName | None = None


class AfterConnect(Word, frozen=True, kw_only=True):
    """A call that is made once when the account has been connected, and whose answer fills settings.

    request: the call
    capture: setting to the place in the answer that fills it
    """

    request: RequestTemplate
    capture: dict[SettingId, AnswerPath]


class BodyCheck(Word, frozen=True, kw_only=True):
    """A success that only the body tells.

    path: where it is told
    equals: the value that means success
    """

    path: AnswerPath
    equals: str | bool | int


class Verify(Word, frozen=True, kw_only=True):
    """A call that tells whether the credentials work. A status in neither list means "unknown", not "invalid".

    request: the call
    ok: statuses of working credentials
    invalid: statuses of credentials that do not work
    body: what the body of a good answer must say as well
    """

    request: RequestTemplate
    ok: tuple[HttpStatus, ...] = (200,)
    invalid: tuple[HttpStatus, ...] = (401,)
    body: BodyCheck | None = None


class FieldMap(Word, frozen=True, kw_only=True):
    """Where the parts of a custom field stand in one item.

    id: its id
    name: its name
    description: its description
    finder: the JSONPath (RFC 9535) to its value in a record of the service; `{id}` is its id
    custom: only items where this is true are custom
    standard: only items where this is not true are custom
    """

    id: AnswerPath
    name: AnswerPath | None = None
    description: AnswerPath | None = None
    finder: str = "$['{id}']"
    custom: AnswerPath | None = None
    standard: AnswerPath | None = None


class CustomFields(Word, frozen=True, kw_only=True):
    """How the custom fields of a resource are listed.

    request: the call that lists them; `{resource.<key>}` is a value of `resources`
    items: where the list stands in the answer
    map: where the parts of a field stand in one item
    next: how the list goes on after its first page
    """

    request: RequestTemplate
    items: AnswerPath
    map: FieldMap
    next: NextPage | None = None


class ResourceField(Word, frozen=True, kw_only=True):
    """One default of a resource's configuration form.

    id: the name under which the value is stored
    label: what the consumer reads beside the field
    type: how the field is drawn
    required: whether the form is complete without it
    placeholder: an example, drawn in the empty field
    description: help below the field
    target: whether the value belongs to the resource itself or to its custom fields
    options: the choices of a select
    options_from: where the choices come from
    """

    id: str
    label: str
    type: SettingType = "text"
    required: bool = False
    placeholder: str | None = None
    description: Markdown | None = None
    target: Literal["resource", "custom_fields"] = "resource"
    options: tuple[Option | str, ...] = ()
    options_from: OptionsFrom | None = None


class UnifiedApi(Word, frozen=True, kw_only=True):
    """What the service offers under one unified API.

    auth_only: whether only the connection is offered, and no resource
    resources: resource to its operations, as far as they are known
    scopes: asked for beside `auth.oauth.scopes.default`
    config: resource to its configuration form
    """

    auth_only: bool = False
    resources: dict[str, tuple[str, ...]] = {}
    scopes: tuple[Template, ...] = ()
    config: dict[str, tuple[ResourceField, ...]] = {}


class Verified(Word, frozen=True, kw_only=True):
    """Where the facts come from.

    by: who or what confirmed them
    on: the day
    unverified: the words whose values nobody has confirmed at the vendor
    """

    by: str
    on: Day
    unverified: tuple[WordPath, ...] = ()


class Connector(Word, frozen=True, kw_only=True, dict=True):
    """One service, as `connectors/<id>/connector.yaml` describes it.

    schema: the version of this vocabulary
    id: the service id; the name of the folder
    name: what people call the service
    tag_line: one sentence about it
    website: where a person learns more
    docs: the vendor's API documentation
    status: how far the connector is
    unified_apis: unified API to what the service offers under it
    hosts: the hosts that may be called, beside those that stand in full in a URL; `*.example.com` is every host
        below, `example.{com,eu}` is two
    settings: the form
    auth: how the service knows its caller
    request: what every call has in common
    after_connect: calls made once after a connection
    verify: the call that tells whether credentials work
    custom_fields: resource to how its custom fields are listed; `*` is every resource that `resources` names, or
        every one there is if it names none
    resources: resource to values for `{resource.<key>}`
    secrets_in_url: words whose URL carries a secret, because the vendor takes it nowhere else
    migration_targets: service ids that a connection may be moved to
    verified: where the facts come from
    """

    schema: Literal[1]
    id: ServiceId
    name: str
    tag_line: str | None = None
    website: WebAddress
    docs: WebAddress | None = None
    status: Status = "live"
    unified_apis: dict[UnifiedApiId, UnifiedApi]
    hosts: tuple[HostPattern, ...] = ()
    settings: tuple[Setting, ...] = ()
    auth: Auth
    request: ApiRequest = ApiRequest()
    after_connect: tuple[AfterConnect, ...] = ()
    verify: Verify | None = None
    custom_fields: dict[str, CustomFields] = {}
    resources: dict[str, dict[str, str]] = {}
    secrets_in_url: tuple[WordPath, ...] = ()
    migration_targets: tuple[ServiceId, ...] = ()
    verified: Verified

    def at(self, level: Level) -> tuple[Setting, ...]:
        """The settings of one level, in the order of the manifest."""
        return self._by_level.get(level, ())

    @cached_property
    def _by_level(self) -> dict[Level, tuple[Setting, ...]]:
        """Sorted once: every answer about a connection asks several times."""
        levels = dict.fromkeys([s.level for s in self.settings])
        return {level: tuple([s for s in self.settings if s.level == level]) for level in levels}

    def setting(self, id: str) -> Setting | None:
        return next((s for s in self.settings if s.id == id), None)

    def fields_of(self, resource: str) -> CustomFields | None:
        """How the custom fields of `resource` are listed, if they can be."""
        own = self.custom_fields.get(resource)
        if own or (self.resources and resource not in self.resources):
            return own
        return self.custom_fields.get("*")
