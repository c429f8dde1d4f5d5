"""The browser's way to the provider and back (RFC 6749 section 4.1).

Each step ends in a value of `steps`, or an error. An error that happens when the place to return to is known
is `Failed` there; before that it is raised, so that nobody is ever sent to an unknown place.
The order of the checks is the defence: who asked (state), from which browser (cookie), for which connector
(context), from which issuer (`iss`), and only then is anything sent to the provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from secrets import token_bytes

import structlog

from holdfast.domain.connection import has_client, missing_for_authorization
from holdfast.domain.tenancy import Application, Caller, ConsumerScope, Scope
from holdfast.errors import (
    ConnectionSettingsError,
    HoldfastError,
    InvalidStateError,
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
from holdfast.grants.sent import Sent
from holdfast.store import flows
from holdfast.store.flows import Flow, Pending
from holdfast.usecases import links, states
from holdfast.usecases.confirm import keep
from holdfast.usecases.credential.redeem import redeem
from holdfast.usecases.credential.setup import setup
from holdfast.usecases.steps import (
    Ask,
    Binding,
    Confirm,
    Connected,
    Failed,
    Go,
    Parties,
    Visit,
    own_origins,
    return_target,
)
from holdfast.usecases.subject import Subject, application, find_enabled, require_enabled, with_connection
from holdfast.usecases.vault import Vault

log = structlog.get_logger()

NONCE_LIMIT = 512
# Of a provider's error, as much as a person reads (characters).
WORDS_LIMIT = 200


async def begin(
    vault: Vault, service_id: str, application_id: str, query: Mapping[str, str], visit: Visit
) -> Go | Ask | Failed:
    """Opens a flow for a link state and sends the browser to the provider, bound to it; or asks the person first.

    OAuthRedirectUriError when the redirect_uri is not the application's, RequestValidationError when the
    application demands a nonce and there is none; after that the product is told.
    """
    app = await application(Scope(application_id, Caller.own("link")), vault)
    target = return_target(vault, app, query.get("redirect_uri"))
    nonce = _nonce(app, query.get("nonce"))
    parties = Parties.of(vault, app, service_id)
    try:
        scope, about, _ = await links.follow(vault, service_id, application_id, query.get("state", ""), "authorize")
        require_enabled(about)
        if _is_a_surprise(vault, app, nonce, visit):
            return Ask("connect", parties, scope.consumer_id, target)
        return await _open_flow(scope, vault, about, app, target, nonce, query.get("scope"))
    except HoldfastError as error:
        return Failed(parties, target, error, "authorize", service_id, application_id)


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
    app = await application(scope, vault)
    target = flow.redirect_uri or return_target(vault, app, None)
    parties = Parties.of(vault, app, flow.service_id)
    try:
        return await _answered(scope, vault, flow, mac, parties, target, query, bound if flow.binding_mac else None)
    except OAuthInvalidStateError:
        raise
    except HoldfastError as error:
        if "error" in query:
            _tell_operator(flow.service_id, query)
        return Failed(parties, target, error, "callback", flow.service_id, scope.application_id)


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
        confirms=nonce is not None or app.confirmation == "always",
        binding_mac=binding.mac,
        verifier=verifier,
    )
    async with vault.store.transaction() as tx:
        await flows.begin(scope, tx, state.mac, flow)
    bound = Binding(states.binding_cookie(vault, state.mac), binding.text, flows.FLOW_LIFETIME // 1000)
    return Go(location, bound)


async def _answered(
    scope: ConsumerScope,
    vault: Vault,
    flow: Flow,
    mac: bytes,
    parties: Parties,
    target: str,
    query: Mapping[str, str],
    spent: str | None,
) -> Connected | Confirm:
    about = await with_connection(scope, vault, await find_enabled(scope, vault, flow.unified_api, flow.service_id))
    if flow.ended:
        raise InvalidStateError(flows.ENDED)
    code, captured = read_callback(await setup(scope, vault, about), query)
    pending = Pending(flow.unified_api, flow.service_id, code, flow.verifier, flow.context, captured, ("flow", mac))
    if flow.confirms:
        token = await keep(scope, vault, about, pending)
        return Confirm(parties, target, flow.nonce or "", token, flow.service_id, spent)
    await redeem(scope, vault, about, pending)
    return Connected(parties, target, spent)


def _tell_operator(service_id: str, query: Mapping[str, str]) -> None:
    """What the provider wrote, for the log alone: as text it could be anybody's, and it may repeat the query of our
    own redirect."""
    sent = Sent((query.get("state", ""), query.get("code", "")))
    said = (query["error"], query.get("error_description", ""))
    code, text = ("***" if word in sent else word[:WORDS_LIMIT] for word in said)
    tell = log.info if query["error"] == "access_denied" else log.warning  # a person may say no
    tell("authorization_refused", service=service_id, code=code, said=text)


def _nonce(app: Application, nonce: str | None) -> str | None:
    """The nonce, where the application uses one. Wherever there is one, the authorization is confirmed."""
    if app.confirmation == "off":
        return None
    if app.confirmation == "always" and not nonce:
        raise RequestValidationError("This application requires a nonce; open the link from the page that shows it.")
    if nonce and (len(nonce) > NONCE_LIMIT or not nonce.isprintable()):
        raise RequestValidationError("The nonce is not a short printable text.")
    return nonce


def _is_a_surprise(vault: Vault, app: Application, nonce: str | None, visit: Visit) -> bool:
    """Whether the person might not know whose account theirs is about to become.

    Without a nonce nobody confirms who comes back, so whoever passes on a link of their own would get the account of
    whoever opens it. A page of the application may be taken to say what its link does; all other ways in are asked.
    """
    if app.confirmation != "auto" or nonce is not None or not visit.browser or visit.agreed:
        return False
    return visit.origin is None or visit.origin not in own_origins(vault, app)


def _scopes(about: Subject, known: Setup, asked: str | None) -> tuple[str, ...]:
    """The scopes to ask for: those of the request if the integration has them, else all that it has."""
    own = about.integration.scopes
    granted = own if own is not None else manifest_scopes(known, about.unified_api)
    wanted = tuple(asked.split()) if asked else granted
    if not set(wanted) <= set(granted):
        raise RequestValidationError("The integration does not have every scope that was asked for.")
    return wanted
