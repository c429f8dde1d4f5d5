"""The browser's endpoints: authorize, callback, revoke; and what a product does beside them.

They need no key: the state is the credential. Every redirect is a 301 that no cache may keep and that says
nothing of where it came from; nothing here is done for a prefetch or a HEAD.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

import msgspec
from starlette.responses import RedirectResponse, Response

from holdfast.domain.connection import State
from holdfast.errors import RequestValidationError
from holdfast.http import errors
from holdfast.http.body import read_form
from holdfast.http.connections import ServiceId, TokenBody, UnifiedApi, api
from holdfast.http.operations import Api, Body, Call, Param, single_query
from holdfast.usecases import authorize, connections
from holdfast.usecases import validate as validating
from holdfast.usecases.vault import Vault

actions = Api("Vault")

ApplicationId = Annotated[
    str, Param("path", "application_id", "The application.", "dSBdXd2H6Mqwfg0atXHXYcysLJE9qyn1VwB")
]
LinkState = Annotated[str, Param("query", "state", "The state of the connection's link.")]
CallbackState = Annotated[str, Param("query", "state", "The state that the provider was given.")]
RedirectUri = Annotated[
    str,
    Param(
        "query",
        "redirect_uri",
        "Where the browser goes afterwards: a registered redirect URI.",
        "https://app.example.com/integrations",
        lenient=True,
    ),
]
ScopeList = Annotated[
    list[str] | None, Param("query", "scope", "Scopes to ask for instead of the integration's.", style="spaceDelimited")
]
Nonce = Annotated[str | None, Param("query", "nonce", "Asks for a confirmation after the callback; echoed.")]
Code = Annotated[
    str | None,
    Param("query", "code", "The authorization code; missing when the provider sent an error.", lenient=True),
]
ProviderError = Annotated[str | None, Param("query", "error", "The provider's error code.")]
ProviderErrorText = Annotated[str | None, Param("query", "error_description", "The provider's explanation.")]

# The parameters of RFC 6749 and RFC 9207, and ours: two of one mean that somebody added theirs.
ONCE = frozenset(("state", "redirect_uri", "scope", "nonce", "code", "error", "error_description", "error_uri", "iss"))
# The page that published browser components fall back to; it stands for our own and is never gone to.
FOREIGN_CALLBACK_PAGE = "https://vault.apideck.com/oauth/callback"


class ConfirmInput(msgspec.Struct, kw_only=True):
    """What a confirmation carries."""

    confirm_token: str


class Confirmed(msgspec.Struct, kw_only=True):
    """A confirmed connection."""

    confirmed: bool = True


class ConfirmResponse(msgspec.Struct, kw_only=True):
    """The confirmation was accepted."""

    status_code: int = 200
    status: str = "OK"
    data: Confirmed


class CallbackStateInput(msgspec.Struct, kw_only=True):
    """What a callback state is made for."""

    redirect_uri: str | None = None


class CallbackStateValue(msgspec.Struct, kw_only=True):
    """A state for the callback."""

    state: str


class CallbackStateResponse(msgspec.Struct, kw_only=True):
    """The callback state that was made."""

    status_code: int = 200
    status: str = "OK"
    data: CallbackStateValue


class ValidatedState(msgspec.Struct, kw_only=True):
    """The state of a connection after its credentials were tried."""

    id: str
    state: State


class ValidateConnectionStateResponse(msgspec.Struct, kw_only=True):
    """What trying the credentials gave."""

    status_code: int = 200
    status: str = "OK"
    data: ValidatedState


@api.operation(
    "GET",
    "/vault/authorize/{service_id}/{application_id}",
    "connectionsAuthorize",
    summary="Authorize",
    status=301,
    security="none",
)
async def begin(
    call: Call,
    service_id: ServiceId,
    application_id: ApplicationId,
    state: LinkState,
    redirect_uri: RedirectUri = "",
    scope: ScopeList = None,
    nonce: Nonce = None,
) -> Response:
    """Sends the consumer's browser to the provider's consent page; the browser comes back to the callback."""
    query = _query(call)
    try:
        return _redirect(call.vault, await authorize.begin(call.vault, service_id, application_id, query))
    except authorize.Returned as returned:
        return _failed(call.vault, returned)


@api.operation("GET", "/vault/callback", "connectionsCallback", summary="Callback", status=301, security="none")
async def callback(
    call: Call,
    state: CallbackState,
    code: Code = None,
    error: ProviderError = None,
    error_description: ProviderErrorText = None,
) -> Response:
    """Takes the provider's answer, stores the connection's credentials and sends the browser where it was to go."""
    return await _callback(call, "")


@actions.operation(
    "POST",
    "/vault/callback",
    "connectionsCallbackPosted",
    summary="Callback by a form",
    status=303,
    security="none",
)
async def callback_posted(call: Call) -> Response:
    """Takes the answer of a provider that sends the browser back by a form (`response_mode=form_post`): the browser
    comes once more by GET, because a cookie of ours is not sent along with a form of another site."""
    return await _by_get(call)


@actions.operation(
    "POST",
    "/vault/callback/{context}",
    "connectionsCallbackPostedInContext",
    summary="Callback by a form, of a connector outside the shipped catalogue",
    status=303,
    security="none",
)
async def callback_posted_in_context(
    call: Call,
    context: Annotated[str, Param("path", "context", "What distinguishes the connector's redirect URI.")],
) -> Response:
    """The same at the redirect URI of one connector."""
    return await _by_get(call)


@actions.operation(
    "GET",
    "/vault/callback/{context}",
    "connectionsCallbackInContext",
    summary="Callback of a connector outside the shipped catalogue",
    status=301,
    security="none",
)
async def callback_in_context(
    call: Call,
    context: Annotated[str, Param("path", "context", "What distinguishes the connector's redirect URI.")],
    state: CallbackState,
    code: Code = None,
    error: ProviderError = None,
    error_description: ProviderErrorText = None,
) -> Response:
    """The callback of one connector: a provider that was not shipped with the catalogue has its own redirect URI."""
    return await _callback(call, context)


@api.operation(
    "GET",
    "/vault/revoke/{service_id}/{application_id}",
    "connectionsRevoke",
    summary="Revoke connection",
    status=301,
    security="none",
)
async def revoke(
    call: Call, service_id: ServiceId, application_id: ApplicationId, state: LinkState, redirect_uri: RedirectUri = ""
) -> Response:
    """Ends the connection's grant, here and at the provider, and sends the browser back."""
    query = _query(call)
    try:
        return _redirect(call.vault, await authorize.revoke(call.vault, service_id, application_id, query))
    except authorize.Returned as returned:
        return _failed(call.vault, returned)


@actions.operation(
    "POST", "/vault/connections/{unified_api}/{service_id}/confirm", "connectionsConfirm", summary="Confirm connection"
)
async def confirm(
    call: Call,
    unified_api: UnifiedApi,
    service_id: ServiceId,
    body: Annotated[ConfirmInput, Body("The token from the redirect's fragment.")],
) -> ConfirmResponse:
    """Confirms that the consumer who began the authorization is the one who ended it; then the code is redeemed."""
    await authorize.confirm(call.consumer, call.vault, unified_api, service_id, body.confirm_token)
    return ConfirmResponse(data=Confirmed())


@actions.operation(
    "POST",
    "/vault/connections/{unified_api}/{service_id}/callback-state",
    "createCallbackState",
    summary="Create callback state",
)
async def callback_state(
    call: Call,
    service_id: ServiceId,
    unified_api: UnifiedApi,
    body: Annotated[CallbackStateInput, Body("Where the browser goes after the callback.", required=False)],
) -> CallbackStateResponse:
    """A state for a product that sends its customer to the provider itself and answers for who comes back."""
    text = await authorize.delegate(call.consumer, call.vault, unified_api, service_id, body.redirect_uri)
    return CallbackStateResponse(data=CallbackStateValue(state=text))


@actions.operation(
    "POST",
    "/vault/connections/{unified_api}/{service_id}/validate",
    "validateConnectionState",
    summary="Validate connection state",
)
async def validate(
    call: Call,
    service_id: ServiceId,
    unified_api: UnifiedApi,
    body: TokenBody,
) -> ValidateConnectionStateResponse:
    """Tries the connection's credentials: renews an OAuth token, asks the service about others."""
    subject = await validating.validate(call.consumer, call.vault, unified_api, service_id)
    return ValidateConnectionStateResponse(
        data=ValidatedState(id=f"{unified_api}+{service_id}", state=connections.state_of(call.vault, subject))
    )


async def _callback(call: Call, context: str) -> Response:
    query = _query(call)
    try:
        redirect = await authorize.callback(call.vault, context, query, call.request.cookies)
    except authorize.Returned as returned:
        return _failed(call.vault, returned)
    return _redirect(call.vault, redirect)


async def _by_get(call: Call) -> Response:
    """The form's members as the query of our own callback, where they are read as if they had come so."""
    form = await read_form(call.request)
    location = f"{call.request.url.path}?{urlencode(form)}"
    return RedirectResponse(
        location, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
    )


def _query(call: Call) -> dict[str, str]:
    headers = call.request.headers
    purpose = headers.get("sec-purpose", "") + headers.get("purpose", "")
    if "prefetch" in purpose:
        raise RequestValidationError("This link does something; it is opened, not fetched ahead.")
    query = single_query(call.request, ONCE)
    if query.get("redirect_uri") == FOREIGN_CALLBACK_PAGE:
        query["redirect_uri"] = call.vault.callback_page
    if query.get("scope", "").startswith("["):
        query["scope"] = _listed(query["scope"])
    return query


def _listed(scope: str) -> str:
    """Scopes that came as a JSON list, as published examples send them, in the form of RFC 6749 section 3.3."""
    try:
        return " ".join(msgspec.json.decode(scope, type=list[str]))
    except msgspec.DecodeError:
        return scope


def _failed(vault: Vault, returned: authorize.Returned) -> Response:
    name = errors.type_name(returned.error)
    location = authorize.failure_location(returned.failure, returned.error, name, errors.reference(name))
    return _redirect(vault, authorize.Redirect(location))


def _redirect(vault: Vault, redirect: authorize.Redirect) -> Response:
    """A 301, which browsers keep for ever unless they are told not to (RFC 9110 section 15.4.2)."""
    response = RedirectResponse(redirect.location, 301)
    # Starlette quotes what is already a URL; the location goes out as it was made.
    response.headers["Location"] = redirect.location
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    if redirect.cookie:
        response.set_cookie(
            redirect.cookie.name,
            redirect.cookie.value,
            max_age=redirect.cookie.max_age,
            path="/",
            secure=vault.secure,
            httponly=True,
            samesite="lax",
        )
    return response
