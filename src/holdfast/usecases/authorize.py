"""The browser's way to the provider and back (RFC 6749 section 4.1).

Each step ends in a value of `steps`, or an error. An error that happens when the place to return to is known
is `Failed` there; before that it is raised, so that nobody is ever sent to an unknown place.
The order of the checks is the defence: who asked (state), from which browser (cookie), for which connector
(context), from which issuer (`iss`), and only then is anything sent to the provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_bytes

from holdfast.domain.connection import has_client, missing_for_authorization
from holdfast.domain.tenancy import Application, Caller, ConsumerScope, Scope
from holdfast.errors import (
    ConnectionSettingsError,
    HoldfastError,
    OAuthCredentialsNotFoundError,
    OAuthInvalidStateError,
    RequestValidationError,
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
from holdfast.store import flows
from holdfast.store.flows import Flow, Pending
from holdfast.usecases import links, states
from holdfast.usecases.confirm import keep
from holdfast.usecases.credential.redeem import redeem
from holdfast.usecases.credential.setup import setup
from holdfast.usecases.steps import Binding, Confirm, Connected, Failed, Go, return_target
from holdfast.usecases.subject import Subject, application, find_enabled, require_enabled, with_connection
from holdfast.usecases.vault import Vault

NONCE_LIMIT = 512


async def begin(vault: Vault, service_id: str, application_id: str, query: Mapping[str, str]) -> Go | Failed:
    """Opens a flow for a link state and sends the browser to the provider, bound to it.

    OAuthRedirectUriError when the redirect_uri is not the application's, RequestValidationError when the
    application demands a nonce and there is none; after that the product is told.
    """
    app = await application(Scope(application_id, Caller.own("link")), vault)
    target = return_target(vault, app, query.get("redirect_uri"))
    nonce = _nonce(app, query.get("nonce"))
    try:
        scope, about, _ = await links.follow(vault, service_id, application_id, query.get("state", ""), "authorize")
        require_enabled(about)
        return await _open_flow(scope, vault, about, app, target, nonce, query.get("scope"))
    except HoldfastError as error:
        return Failed(target, error, "authorize", service_id, application_id)


async def callback(
    vault: Vault, context: str, query: Mapping[str, str], cookies: Mapping[str, str]
) -> Connected | Confirm | Failed:
    """Takes the provider's answer: spends the state, then redeems the code or keeps it for confirmation.

    Raises OAuthInvalidStateError, without asking anybody, for a state that is unknown, used, expired, of another
    browser or of another context.
    """
    mac, key_id = states.flow_state_mac(vault, query.get("state", ""))
    bound = states.binding_cookie(vault, mac)
    scope, flow = await flows.spend(vault.store, mac, states.binding_mac(vault, key_id, cookies.get(bound, "")))
    if flow.context != context:
        raise OAuthInvalidStateError()
    target = flow.redirect_uri or return_target(vault, await application(scope, vault), None)
    try:
        return await _answered(scope, vault, flow, target, query, bound if flow.binding_mac else None)
    except OAuthInvalidStateError:
        raise
    except HoldfastError as error:
        return Failed(target, error, "callback", flow.service_id, scope.application_id)


async def _open_flow(
    scope: ConsumerScope,
    vault: Vault,
    about: Subject,
    app: Application,
    target: str,
    nonce: str | None,
    asked: str | None,
) -> Go:
    missing = missing_for_authorization(about.connector, about.connection)
    if missing:
        raise ConnectionSettingsError(f"Fill in {', '.join(missing)} first.")
    known = await setup(scope, vault, about)
    if known.client is None or not has_client(about.integration, about.connector):
        raise OAuthCredentialsNotFoundError()
    state, binding = states.new_flow_state(vault), states.new_token(vault.keys.cookie)
    verifier = new_verifier(token_bytes(VERIFIER_BYTES)) if uses_pkce(about.connector) else None
    context = states.callback_context(scope, vault, about.connector.id)
    location = authorization_url(
        known,
        redirect_uri=states.callback_url(vault, context),
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
    bound = Binding(states.binding_cookie(vault, state.mac), binding.text, flows.FLOW_LIFETIME // 1000)
    return Go(location, bound)


async def _answered(
    scope: ConsumerScope, vault: Vault, flow: Flow, target: str, query: Mapping[str, str], spent: str | None
) -> Connected | Confirm:
    about = await with_connection(scope, vault, await find_enabled(scope, vault, flow.unified_api, flow.service_id))
    code, captured = read_callback(await setup(scope, vault, about), query)
    pending = Pending(flow.unified_api, flow.service_id, code, flow.verifier, flow.context, captured)
    if flow.confirms:
        token = await keep(scope, vault, about, pending)
        return Confirm(target, flow.nonce or "", token, flow.service_id, spent)
    await redeem(scope, vault, about, pending)
    return Connected(target, spent)


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
