"""The browser's endpoints, authorize, callback and revoke, and how what comes of them is spelled.

They need no key: the state is the credential. A use case gives what a step came to as a value; here it becomes a
redirect, a fragment, a cookie. Every redirect is a 301 that no cache may keep and that says nothing of where it came
from; nothing here is done for a prefetch or a HEAD.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from holdfast.http import errors
from holdfast.http.body import read_form
from holdfast.http.connections import ServiceId
from holdfast.http.operations import Api, Call, Param, single_query
from holdfast.http.pages import forms as form_tokens
from holdfast.http.pages import outcome, visitor
from holdfast.http.pages.outcome import Outcome
from holdfast.http.pages.refusals import said_of
from holdfast.http.pages.sentences import Said
from holdfast.http.pages.sheet import Form, page
from holdfast.usecases import authorize, disconnect, steps
from holdfast.usecases.steps import (
    Ask,
    Binding,
    Confirm,
    Connected,
    Disconnected,
    Ended,
    Failed,
    FetchedAhead,
    Go,
    Parties,
    Step,
    Visit,
    origin_of,
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
# A URL has to carry it, and a person to read it.
MESSAGE_LIMIT = 200
ENDED: dict[Ended, Said] = {
    "ended": "disconnected", "pending": "disconnected_pending", "here": "disconnected_here",
}  # fmt: skip
AGREED = Visit(browser=True, clicked=True, agreed=True)

GoOn = Callable[[Vault, Request, Visit], Awaitable[Response]]


@api.operation(
    "GET",
    "/vault/authorize/{service_id}/{application_id}",
    "connectionsAuthorize",
    summary="Authorize",
    status=301,
    security="none",
    pages=True,
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


@api.operation(
    "GET", "/vault/callback", "connectionsCallback", summary="Callback", status=301, security="none", pages=True
)
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
    pages=True,
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
    pages=True,
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
    pages=True,
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
    pages=True,
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
        return _forget(await _left_alone(vault, request, declined), vault, used)
    response = await go_on(vault, request, AGREED)
    if response.status_code == 301:
        response.status_code = 303  # the form is not sent once more to where it leads (RFC 9110 section 15.4.4)
    return _forget(response, vault, used)


async def _left_alone(vault: Vault, request: Request, declined: Said) -> Response:
    """The page that says that nothing was done."""
    service_id, application_id = _path(request)
    parties = await steps.parties(vault, service_id, application_id)
    return page(declined, names=_names(parties))


async def _authorize(vault: Vault, request: Request, visit: Visit) -> Response:
    step = await authorize.begin(vault, *_path(request), _query(vault, request), visit)
    return _spelled(vault, request, step)


async def _revoke(vault: Vault, request: Request, visit: Visit) -> Response:
    step = await disconnect.revoke(vault, *_path(request), _query(vault, request), visit)
    return _spelled(vault, request, step)


async def _callback(call: Call, context: str) -> Response:
    step = await authorize.callback(call.vault, context, _query(call.vault, call.request), call.request.cookies)
    return _spelled(call.vault, call.request, step)


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


def _spelled(vault: Vault, request: Request, step: Step) -> Response:
    """What a step came to, as the browser is told."""
    match step:
        case Go(url, binding):
            return _bind(_redirect(url), vault, binding)
        case Ask():
            return _asked(vault, request, step)
        case Confirm(parties, target, nonce, token, service_id, spent):
            # In the fragment, which no server sees and no Referer carries.
            named = urlencode({"nonce": nonce, "confirm_token": token, "service_id": service_id})
            told = _told(vault, target.partition("#")[0], parties, "waiting")
            return _forget(_redirect(f"{told}#{named}"), vault, spent)
        case Connected(parties, target, spent):
            return _forget(_redirect(_told(vault, target, parties, "connected")), vault, spent)
        case Disconnected(parties, ended, target):
            return _redirect(_told(vault, target, parties, ENDED[ended]))
        case Failed():
            return _redirect(_failure_location(vault, step))


def _asked(vault: Vault, request: Request, step: Ask) -> Response:
    """The page on which a person agrees, with a form that only this browser can send."""
    binding, token = form_tokens.issue(vault, request)
    link = f"{request.url.path}?{request.url.query}"
    asks = step.what == "connect"
    shown = page(
        "ask_connect" if asks else "ask_disconnect",
        names={**_names(step.parties), "customer": step.customer},
        facts=_facts(vault, step) if asks else (),
        form=Form(link, token, danger=not asks),
    )
    return _bind(shown, vault, binding)


def _facts(vault: Vault, step: Ask) -> list[tuple[str, str, str]]:
    """Who asks, for whom, from where."""
    back = origin_of(step.target)
    site = "" if back is None or back == origin_of(vault.public_url) else back.partition("://")[2]
    return [
        ("Asked by", step.parties.application, site),
        ("For", step.customer, f"an account at {step.parties.application}"),
        ("From", step.parties.service or "the service", "you sign in there next"),
    ]


def _told(vault: Vault, target: str, parties: Parties, said: Said, code: str = "") -> str:
    """`target` as it was named; our own page, which knows nothing by itself, with a signed word of what happened."""
    if target != vault.callback_page:
        return target
    told = outcome.signed(vault, Outcome(said, parties.service, parties.application, parties.back, code))
    return f"{target}?{urlencode({'outcome': told})}"


def _failure_location(vault: Vault, failed: Failed) -> str:
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
    target = _told(vault, failed.target, failed.parties, said_of(failed.error), name)
    scheme, host, path, query, _ = urlsplit(target)
    return urlunsplit((scheme, host, path, "&".join(filter(None, [query, urlencode(named)])), ""))


def _names(parties: Parties) -> dict[str, str]:
    known = {"application": parties.application, "service": parties.service}
    return {role: name for role, name in known.items() if name}


def _redirect(location: str) -> Response:
    """A 301, which browsers keep for ever unless they are told not to (RFC 9110 section 15.4.2)."""
    response = RedirectResponse(location, 301)
    # Starlette quotes what is already a URL; the location goes out as it was made.
    response.headers["Location"] = location
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _bind(response: Response, vault: Vault, binding: Binding) -> Response:
    """Sets a cookie that the browser also sends when the provider leads it back here (SameSite=Lax)."""
    response.set_cookie(
        binding.name, binding.text, max_age=binding.lifetime, path="/", secure=vault.secure, httponly=True,
        samesite="lax",
    )  # fmt: skip
    return response


def _forget(response: Response, vault: Vault, name: str | None) -> Response:
    return _bind(response, vault, Binding(name, "", 0)) if name else response
