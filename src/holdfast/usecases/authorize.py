"""The browser dance: begin, callback, confirm, revoke (RFC 6749 section 4.1).

Each step ends in a `Redirect`, a value, or an error. An error that happens when the place to return to is known
becomes a redirect there (`failed`); before that it is raised, so that nobody is ever sent to an unknown place.
The order of the checks is the defence: who asked (state), from which browser (cookie), for which connector
(context), from which issuer (`iss`), and only then is anything sent to the provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_bytes
from urllib.parse import urlencode, urlsplit, urlunsplit

import structlog

from holdfast.domain.connection import (
    Connection,
    awaiting_confirmation,
    disconnected,
    has_client,
    missing_for_authorization,
)
from holdfast.domain.tenancy import Application, Caller, ConsumerScope, Scope
from holdfast.errors import (
    ConnectionSettingsError,
    EntityNotFoundError,
    HoldfastError,
    InvalidStateError,
    OAuthCredentialsNotFoundError,
    OAuthInvalidStateError,
    OAuthRedirectUriError,
    RequestValidationError,
    UnauthorizedError,
)
from holdfast.grants.authorize import (
    VERIFIER_BYTES,
    authorization_url,
    manifest_scopes,
    new_verifier,
    read_callback,
    uses_pkce,
)
from holdfast.grants.flow import Setup
from holdfast.store import Store, connections, flows
from holdfast.store.connections import Change, Stored
from holdfast.store.flows import Flow, Pending
from holdfast.usecases import links, revocations
from holdfast.usecases.credential.redeem import redeem
from holdfast.usecases.credential.setup import setup
from holdfast.usecases.subject import (
    Subject,
    application,
    find_subject,
    require_enabled,
    require_reach,
    with_connection,
)
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

NONCE_LIMIT = 512


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie of the callback; an empty value removes it. `max_age` in seconds."""

    name: str
    value: str = field(repr=False)
    max_age: int


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where the browser goes next."""

    location: str
    cookie: Cookie | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of a step whose place to return to is known."""

    redirect_uri: str
    origin: str
    service_id: str
    application_id: str


class Returned(Exception):
    """Carries a `Failure` with its error up to the step's caller."""

    def __init__(self, failure: Failure, error: HoldfastError) -> None:
        super().__init__(str(error))
        self.failure = failure
        self.error = error


async def begin(vault: Vault, service_id: str, application_id: str, query: Mapping[str, str]) -> Redirect:
    """Opens a flow for a link state and sends the browser to the provider, bound by a cookie.

    OAuthRedirectUriError when the redirect_uri is not the application's, RequestValidationError when the
    application demands a nonce and there is none; everything after that is `Returned`.
    """
    app = await application(Scope(application_id, Caller.own("link")), vault)
    target = return_target(vault, app, query.get("redirect_uri"))
    nonce = _nonce(app, query.get("nonce"))
    failure = Failure(target, "authorize", service_id, application_id)
    try:
        scope, about = await _linked(vault, service_id, application_id, query.get("state", ""), "authorize")
        require_enabled(about)
        return await _open_flow(scope, vault, about, app, target, nonce, query.get("scope"))
    except HoldfastError as error:
        raise Returned(failure, error) from error


async def callback(vault: Vault, context: str, query: Mapping[str, str], cookies: Mapping[str, str]) -> Redirect:
    """Takes the provider's answer: spends the state, then redeems the code or keeps it for confirmation.

    Raises OAuthInvalidStateError, without asking anybody, for a state that is unknown, used, expired, of another
    browser or of another context.
    """
    mac, key_id = links.flow_state_mac(vault, query.get("state", ""))
    cookie = links.binding_cookie(vault, mac)
    scope, flow = await flows.spend(vault.store, mac, _binding(vault, key_id, cookies.get(cookie)))
    if flow.context != context:
        raise OAuthInvalidStateError()
    target = flow.redirect_uri or return_target(vault, await application(scope, vault), None)
    failure = Failure(target, "callback", flow.service_id, scope.application_id)
    try:
        location = await _answered(scope, vault, flow, target, query)
    except OAuthInvalidStateError:
        raise
    except HoldfastError as error:
        raise Returned(failure, error) from error
    return Redirect(location, Cookie(cookie, "", 0) if flow.binding_mac else None)


async def confirm(scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str, token: str) -> Subject:
    """Redeems the code that waits under `token`, for the consumer who began the authorization.

    EntityNotFoundError if the token is unknown, expired, used or tried too often; UnauthorizedError if it is
    somebody else's; OAuthCodeExchangeError if the provider does not take the code.
    """
    require_reach(scope, unified_api, service_id)  # before a try of the token is counted
    mac, owner, pending = await _tried(vault, token)
    asked = (scope.application_id, scope.consumer_id, unified_api, service_id)
    if asked != (owner.application_id, owner.consumer_id, pending.unified_api, pending.service_id):
        raise UnauthorizedError("The confirmation belongs to another consumer or connection.")
    about = await _with_connection(scope, vault, unified_api, service_id)
    require_enabled(about)
    if not await flows.spend_confirmation(scope, vault.store, mac):
        raise EntityNotFoundError("confirm_token", "***")
    try:
        return await redeem(scope, vault, about, pending)
    except HoldfastError:
        await _stop_waiting(scope, vault, about)
        raise


async def _tried(vault: Vault, token: str) -> tuple[bytes, ConsumerScope, Pending]:
    """The MAC of a confirm token, and what it stands for. EntityNotFoundError."""
    for key in vault.keys.confirm:
        mac = links.token_mac(key, token)
        if found := await flows.try_confirmation(vault.store, mac):
            return mac, *found
    raise EntityNotFoundError("confirm_token", "***")


async def _stop_waiting(scope: ConsumerScope, vault: Vault, about: Subject) -> None:
    """The code is spent and gave nothing: there is nothing left to confirm."""

    def decide(before: Connection | None) -> Change | None:
        return Change(awaiting_confirmation(before, until=0)) if before else None

    await connections.change(scope, vault.store, about.connector, about.unified_api, decide)


async def delegate(
    scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str, redirect_uri: str | None
) -> str:
    """A flow state for a product that sends its customer to the provider itself and answers for who comes back."""
    about = await find_subject(scope, vault, unified_api, service_id)
    if about.connector.auth.oauth is None or about.connector.auth.oauth.authorize is None:
        raise InvalidStateError("This connector has no browser authorization.")
    target = return_target(vault, await application(scope, vault), redirect_uri)
    state = links.new_flow_state(vault)
    flow = Flow(unified_api, service_id, links.callback_context(scope, vault, service_id), target)
    async with vault.store.transaction() as tx:
        await flows.begin(scope, tx, state.mac, flow)
    return state.text


async def revoke(vault: Vault, service_id: str, application_id: str, query: Mapping[str, str]) -> Redirect:
    """Ends the grant that a revoke link names: here at once, at the provider by a job."""
    app = await application(Scope(application_id, Caller.own("link")), vault)
    target = return_target(vault, app, query.get("redirect_uri"), required=True)
    try:
        scope, about = await _linked(vault, service_id, application_id, query.get("state", ""), "revoke")
        link = links.read(vault, query["state"], "revoke")
        if about.connection and about.connection.grant and links.grant_name(about.connection) == link.jti:
            await disconnect(scope, vault, about)
    except HoldfastError as error:
        raise Returned(Failure(target, "revoke", service_id, application_id), error) from error
    # Our own page says what happened; a product's page is returned to exactly as it was named.
    return Redirect(f"{target}?disconnected" if target == vault.callback_page else target)


async def disconnect(scope: ConsumerScope, vault: Vault, about: Subject) -> Subject:
    """Drops the connection's grant and tells the provider; settings and metadata stay."""

    def decide(before: Connection | None) -> Change | None:
        return Change(disconnected(before, vault.clock.now()), None) if before and before.grant else None

    return about.with_connection(await revocations.drop_grant(scope, vault, about, decide))


def return_target(vault: Vault, app: Application, redirect_uri: str | None, *, required: bool = False) -> str:
    """Where the browser goes in the end: exactly a registered URI, our own page, or the application's default.

    OAuthRedirectUriError otherwise (RFC 9700 section 4.1.3: compared as text, never by pattern).
    """
    if redirect_uri in app.redirect_uris or redirect_uri == vault.callback_page:
        return redirect_uri or ""
    if redirect_uri or required:
        raise OAuthRedirectUriError()
    if not app.redirect_uris:
        raise OAuthRedirectUriError("The application has no redirect URI; name one, or register a default.")
    return app.redirect_uris[0]


async def _linked(
    vault: Vault, service_id: str, application_id: str, state: str, aud: links.Audience
) -> tuple[ConsumerScope, Subject]:
    """Who and what a link state names; its names must be those of the path."""
    link = links.read(vault, state, aud)
    if (link.service_id, link.application_id) != (service_id, application_id):
        raise OAuthInvalidStateError()
    scope = ConsumerScope(application_id, Caller.own("link"), link.consumer_id)
    return scope, await _with_connection(scope, vault, link.unified_api, service_id)


async def _with_connection(scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str) -> Subject:
    return await with_connection(scope, vault, await find_subject(scope, vault, unified_api, service_id))


async def _open_flow(
    scope: ConsumerScope,
    vault: Vault,
    about: Subject,
    app: Application,
    target: str,
    nonce: str | None,
    asked: str | None,
) -> Redirect:
    missing = missing_for_authorization(about.connector, about.connection)
    if missing:
        raise ConnectionSettingsError(f"Fill in {', '.join(missing)} first.")
    known = await setup(scope, vault, about)
    if known.client is None or not has_client(about.integration, about.connector):
        raise OAuthCredentialsNotFoundError()
    state, binding = links.new_flow_state(vault), links.new_token(vault.keys.cookie)
    verifier = new_verifier(token_bytes(VERIFIER_BYTES)) if uses_pkce(about.connector) else None
    context = links.callback_context(scope, vault, about.connector.id)
    location = authorization_url(
        known,
        redirect_uri=links.callback_url(vault, context),
        state=state.text,
        scopes=_scopes(about, known, asked),
        verifier=verifier,
    )
    flow = Flow(
        unified_api=about.unified_api,
        service_id=about.connector.id,
        context=context,
        redirect_uri=target,
        nonce=nonce,
        confirms=_confirms(vault, app, nonce, target),
        binding_mac=binding.mac,
        verifier=verifier,
    )
    async with vault.store.transaction() as tx:
        await flows.begin(scope, tx, state.mac, flow)
    cookie = Cookie(links.binding_cookie(vault, state.mac), binding.text, flows.FLOW_LIFETIME // 1000)
    return Redirect(location, cookie)


async def _answered(scope: ConsumerScope, vault: Vault, flow: Flow, target: str, query: Mapping[str, str]) -> str:
    about = await _with_connection(scope, vault, flow.unified_api, flow.service_id)
    require_enabled(about)
    code, captured = read_callback(await setup(scope, vault, about), query)
    pending = Pending(flow.unified_api, flow.service_id, code, flow.verifier, flow.context, captured)
    if flow.confirms:
        return await _keep_for_confirmation(scope, vault, about, pending, target, flow.nonce or "")
    await redeem(scope, vault, about, pending)
    return target


async def _keep_for_confirmation(
    scope: ConsumerScope, vault: Vault, about: Subject, pending: Pending, target: str, nonce: str
) -> str:
    token = links.new_token(vault.keys.confirm)
    until = vault.clock.now() + flows.CONFIRMATION_LIFETIME

    async def keep(tx: Store, held: Stored | None) -> None:
        await flows.await_confirmation(scope, tx, token.mac, pending)

    def decide(before: Connection | None) -> Change:
        connection = before or connections.blank(scope, pending.unified_api, pending.service_id)
        return Change(awaiting_confirmation(connection, until))

    await connections.change(scope, vault.store, about.connector, about.unified_api, decide, keep)
    named = {"nonce": nonce, "confirm_token": token.text, "service_id": pending.service_id}
    return f"{target.partition('#')[0]}#{urlencode(named)}"


def _nonce(app: Application, nonce: str | None) -> str | None:
    """The nonce, where the application uses one."""
    if app.confirmation == "off":
        return None
    if app.confirmation == "always" and not nonce:
        raise RequestValidationError("This application requires a nonce; open the link from the page that shows it.")
    if nonce and (len(nonce) > NONCE_LIMIT or not nonce.isprintable()):
        raise RequestValidationError("The nonce is not a short printable text.")
    return nonce


def _confirms(vault: Vault, app: Application, nonce: str | None, target: str) -> bool:
    if app.confirmation == "always":
        return True
    return nonce is not None and target == vault.callback_page


def _scopes(about: Subject, known: Setup, asked: str | None) -> tuple[str, ...]:
    """The scopes to ask for: those of the request if the integration has them, else all that it has."""
    own = about.integration.scopes
    granted = own if own is not None else manifest_scopes(known, about.unified_api)
    wanted = tuple(asked.split()) if asked else granted
    if not set(wanted) <= set(granted):
        raise RequestValidationError("The integration does not have every scope that was asked for.")
    return wanted


def _binding(vault: Vault, key_id: str, cookie: str | None) -> bytes:
    """The MAC of the cookie, under the key of the flow that it was set with."""
    return links.token_mac(vault.keys.cookie.find(key_id) or vault.keys.cookie.current, cookie or "")


def failure_location(failure: Failure, error: HoldfastError, type_name: str, ref: str) -> str:
    """`redirect_uri` with the error in its query; the fragment, where a token could stand, is dropped."""
    named = {
        "error_type": type_name,
        "error_message": str(error.detail)[:200],
        "origin": failure.origin,
        "service_id": failure.service_id,
        "application_id": failure.application_id,
        "ref": ref,
    }
    scheme, host, path, query, _ = urlsplit(failure.redirect_uri)
    return urlunsplit((scheme, host, path, "&".join(filter(None, [query, urlencode(named)])), ""))
