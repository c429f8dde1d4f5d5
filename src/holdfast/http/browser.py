"""The browser's endpoints, authorize, callback and revoke, and how what comes of them is spelled.

They need no key: the state is the credential. A use case gives what a step came to as a value; here it becomes a
redirect, a fragment, a cookie. Every redirect is a 301 that no cache may keep and that says nothing of where it came
from; nothing here is done for a prefetch or a HEAD.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
from starlette.responses import RedirectResponse, Response

from holdfast.errors import RequestValidationError
from holdfast.http import errors
from holdfast.http.body import read_form
from holdfast.http.connections import ServiceId
from holdfast.http.operations import Api, Call, Param, single_query
from holdfast.usecases import authorize, disconnect
from holdfast.usecases.steps import Confirm, Connected, Disconnected, Failed, Go, Step
from holdfast.usecases.vault import Vault

api = Api("Connections")
# Beside the published API: the callback of a connector that is not of the shipped catalogue.
own = Api("Vault")

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
# A URL has to carry it, and a person to read it.
MESSAGE_LIMIT = 200


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
    return _spelled(call.vault, await authorize.begin(call.vault, service_id, application_id, _query(call)))


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


@own.operation(
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


@own.operation(
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


@own.operation(
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
    return _spelled(call.vault, await disconnect.revoke(call.vault, service_id, application_id, _query(call)))


async def _callback(call: Call, context: str) -> Response:
    step = await authorize.callback(call.vault, context, _query(call), call.request.cookies)
    return _spelled(call.vault, step)


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


def _spelled(vault: Vault, step: Step) -> Response:
    """What a step came to, as the browser is told."""
    match step:
        case Go(url, binding):
            return _set(_redirect(url), vault, binding.name, binding.text, binding.lifetime)
        case Confirm(target, nonce, token, service_id, spent):
            # In the fragment, which no server sees and no Referer carries.
            named = urlencode({"nonce": nonce, "confirm_token": token, "service_id": service_id})
            return _forget(_redirect(f"{target.partition('#')[0]}#{named}"), vault, spent)
        case Connected(target, spent):
            return _forget(_redirect(target), vault, spent)
        case Disconnected(target):
            # Our own page says what happened; a product's page is returned to exactly as it was named.
            return _redirect(f"{target}?disconnected" if target == vault.callback_page else target)
        case Failed():
            return _redirect(_failure_location(step))


def _failure_location(failed: Failed) -> str:
    """The target with the error in its query; the fragment, where a token could stand, is dropped."""
    name = errors.type_name(failed.error)
    named = {
        "error_type": name,
        "error_message": errors.sentence(failed.error)[:MESSAGE_LIMIT],
        "origin": failed.origin,
        "service_id": failed.service_id,
        "application_id": failed.application_id,
        "ref": errors.reference(name),
    }
    scheme, host, path, query, _ = urlsplit(failed.target)
    return urlunsplit((scheme, host, path, "&".join(filter(None, [query, urlencode(named)])), ""))


def _redirect(location: str) -> Response:
    """A 301, which browsers keep for ever unless they are told not to (RFC 9110 section 15.4.2)."""
    response = RedirectResponse(location, 301)
    # Starlette quotes what is already a URL; the location goes out as it was made.
    response.headers["Location"] = location
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _set(response: Response, vault: Vault, name: str, text: str, lifetime: int) -> Response:
    """Sets a cookie that the browser also sends when the provider leads it back here (SameSite=Lax)."""
    response.set_cookie(
        name, text, max_age=lifetime, path="/", secure=vault.secure, httponly=True, samesite="lax"
    )  # fmt: skip
    return response


def _forget(response: Response, vault: Vault, name: str | None) -> Response:
    return _set(response, vault, name, "", 0) if name else response
