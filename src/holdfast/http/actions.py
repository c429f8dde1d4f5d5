"""What a product does for a connection beside its browser: confirms it, begins it by itself, tries it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.domain.connection import State
from holdfast.http.connections import ONE, ServiceId, TokenBody, UnifiedApi
from holdfast.http.operations import Api, Body, Call
from holdfast.http.wire.envelope import Answer
from holdfast.http.wire.meanings import ConnectionId
from holdfast.usecases.confirm import confirm
from holdfast.usecases.connections import state_of
from holdfast.usecases.delegate import delegate
from holdfast.usecases.validate import validate

api = Api("Vault")


class ConfirmInput(msgspec.Struct, kw_only=True):
    """What a confirmation carries."""

    confirm_token: Annotated[str, Meta(description="The token from the fragment of the redirect.")]


class Confirmed(msgspec.Struct, kw_only=True):
    """A confirmed connection."""

    confirmed: Annotated[bool, Meta(description="True.")] = True


class ConfirmResponse(Answer, kw_only=True):
    """The confirmation was accepted."""

    data: Confirmed


class CallbackStateInput(msgspec.Struct, kw_only=True):
    """What a callback state is made for."""

    redirect_uri: Annotated[
        str | None, Meta(description="A registered redirect URI; the application's default unless given.")
    ] = None


class CallbackStateValue(msgspec.Struct, kw_only=True):
    """A state for the callback."""

    state: Annotated[str, Meta(description="To be sent to the provider as `state`; good once.")]


class CallbackStateResponse(Answer, kw_only=True):
    """The callback state that was made."""

    data: CallbackStateValue


class ValidatedState(msgspec.Struct, kw_only=True):
    """The state of a connection after its credentials were tried."""

    id: ConnectionId
    state: State


class ValidateConnectionStateResponse(Answer, kw_only=True):
    """What trying the credentials gave."""

    data: ValidatedState


@api.operation("POST", ONE + "/confirm", "connectionsConfirm", summary="Confirm connection")
async def confirm_connection(
    call: Call,
    unified_api: UnifiedApi,
    service_id: ServiceId,
    body: Annotated[ConfirmInput, Body("The token from the redirect's fragment.")],
) -> ConfirmResponse:
    """Confirms that the consumer who began the authorization is the one who ended it; then the code is redeemed."""
    await confirm(call.consumer, call.vault, unified_api, service_id, body.confirm_token)
    return ConfirmResponse(data=Confirmed())


@api.operation(
    "POST",
    ONE + "/callback-state",
    "createCallbackState",
    summary="Create callback state",
)
async def create_callback_state(
    call: Call,
    service_id: ServiceId,
    unified_api: UnifiedApi,
    body: Annotated[CallbackStateInput, Body("Where the browser goes after the callback.", required=False)],
) -> CallbackStateResponse:
    """A state for a product that sends its customer to the provider itself and answers for who comes back."""
    text = await delegate(call.consumer, call.vault, unified_api, service_id, body.redirect_uri)
    return CallbackStateResponse(data=CallbackStateValue(state=text))


@api.operation(
    "POST",
    ONE + "/validate",
    "validateConnectionState",
    summary="Validate connection state",
)
async def validate_connection(
    call: Call,
    service_id: ServiceId,
    unified_api: UnifiedApi,
    body: TokenBody,
) -> ValidateConnectionStateResponse:
    """Tries the connection's credentials: refreshes an OAuth token, asks the service about others."""
    subject = await validate(call.consumer, call.vault, unified_api, service_id)
    return ValidateConnectionStateResponse(
        data=ValidatedState(id=f"{unified_api}+{service_id}", state=state_of(call.vault, subject))
    )
