"""A flow that a product begins itself, and for which it answers."""

from __future__ import annotations

from holdfast.domain.tenancy import ConsumerScope
from holdfast.errors import InvalidStateError
from holdfast.store import flows
from holdfast.store.flows import Flow
from holdfast.usecases import states
from holdfast.usecases.steps import return_target
from holdfast.usecases.subject import application, find_subject
from holdfast.usecases.vault import Vault


async def delegate(
    scope: ConsumerScope, vault: Vault, unified_api: str, service_id: str, redirect_uri: str | None
) -> str:
    """A flow state for a product that sends its customer to the provider itself and answers for who comes back."""
    about = await find_subject(scope, vault, unified_api, service_id)
    if about.connector.auth.oauth is None or about.connector.auth.oauth.authorize is None:
        raise InvalidStateError("This connector has no browser authorization.")
    target = return_target(vault, await application(scope, vault), redirect_uri)
    state = states.new_flow_state(vault)
    flow = Flow(unified_api, service_id, states.callback_context(scope, vault, service_id), target)
    async with vault.store.transaction() as tx:
        await flows.begin(scope, tx, state.mac, flow)
    return state.text
