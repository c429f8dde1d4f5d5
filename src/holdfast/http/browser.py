"""The browser's endpoints: authorize, callback and revoke, and the forms of our own pages that lead on to them.

They need no key: the state is the credential. A use case gives what a step came to as a value, which `spelling` turns
into an answer. Nothing here is done for a prefetch or a HEAD.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from holdfast.http.body import read_form
from holdfast.http.connections import ServiceId
from holdfast.http.operations import Api, Call, Param, single_query
from holdfast.http.pages import forms as form_tokens
from holdfast.http.pages import visitor
from holdfast.http.pages.sentences import Said
from holdfast.http.pages.sheet import page
from holdfast.http.spelling import forget, names_of, spelled
from holdfast.usecases import authorize, disconnect, steps
from holdfast.usecases.steps import (
    FetchedAhead,
    Visit,
)
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
AGREED = Visit(browser=True, clicked=True, agreed=True)

GoOn = Callable[[Vault, Request, Visit], Awaitable[Response]]


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
    return await _authorize(call.vault, call.request, visitor.visit(call.request.headers))


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
    return await _revoke(call.vault, call.request, visitor.visit(call.request.headers))


def forms(vault: Vault) -> list[Route]:
    """What the forms of our own pages are sent to: the same links, by POST. They are no part of the API."""

    async def authorize_agreed(request: Request) -> Response:
        return await _answered(vault, request, _authorize, "stopped")

    async def revoke_agreed(request: Request) -> Response:
        return await _answered(vault, request, _revoke, "kept")

    return [
        Route("/vault/authorize/{service_id}/{application_id}", authorize_agreed, methods=["POST"]),
        Route("/vault/revoke/{service_id}/{application_id}", revoke_agreed, methods=["POST"]),
    ]


async def _answered(vault: Vault, request: Request, go_on: GoOn, declined: Said) -> Response:
    """What a person said on a page of ours: the link is followed, or left alone."""
    given = dict(await read_form(request))
    used = form_tokens.accept(vault, request, given.get("token", ""))
    if given.get("answer") != "yes":
        return forget(await _left_alone(vault, request, declined), vault, used)
    response = await go_on(vault, request, AGREED)
    if response.status_code == 301:
        response.status_code = 303  # the form is not sent once more to where it leads (RFC 9110 section 15.4.4)
    return forget(response, vault, used)


async def _left_alone(vault: Vault, request: Request, declined: Said) -> Response:
    """The page that says that nothing was done."""
    service_id, application_id = _path(request)
    parties = await steps.parties(vault, service_id, application_id)
    return page(declined, names=names_of(parties))


async def _authorize(vault: Vault, request: Request, visit: Visit) -> Response:
    step = await authorize.begin(vault, *_path(request), _query(vault, request), visit)
    return spelled(vault, request, step)


async def _revoke(vault: Vault, request: Request, visit: Visit) -> Response:
    step = await disconnect.revoke(vault, *_path(request), _query(vault, request), visit)
    return spelled(vault, request, step)


async def _callback(call: Call, context: str) -> Response:
    step = await authorize.callback(call.vault, context, _query(call.vault, call.request), call.request.cookies)
    return spelled(call.vault, call.request, step)


def _path(request: Request) -> tuple[str, str]:
    return request.path_params["service_id"], request.path_params["application_id"]


async def _by_get(call: Call) -> Response:
    """The form's members as the query of our own callback, where they are read as if they had come so."""
    form = await read_form(call.request)
    location = f"{call.request.url.path}?{urlencode(form)}"
    return RedirectResponse(
        location, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
    )


def _query(vault: Vault, request: Request) -> dict[str, str]:
    if visitor.fetches_ahead(request.headers):
        raise FetchedAhead()
    query = single_query(request, ONCE)
    if query.get("redirect_uri") == FOREIGN_CALLBACK_PAGE:
        query["redirect_uri"] = vault.callback_page
    if query.get("scope", "").startswith("["):
        query["scope"] = _listed(query["scope"])
    return query


def _listed(scope: str) -> str:
    """Scopes that came as a JSON list, as published examples send them, in the form of RFC 6749 section 3.3."""
    try:
        return " ".join(msgspec.json.decode(scope, type=list[str]))
    except msgspec.DecodeError:
        return scope
