"""Errors as answers: one table of statuses, one envelope of six members.

No permanent condition is a 5xx, because clients retry those for minutes: what a provider refuses is a 401 or 422.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import structlog
from msgspec import Meta
from starlette.responses import Response

from holdfast import errors
from holdfast.errors import HoldfastError
from holdfast.usecases.steps import NoRedirectUri

log = structlog.get_logger()

# Seconds to wait where nobody has said how long.
AT_ONCE, A_WHILE = 1, 30

REF = "https://developers.apideck.com/errors#"

# type -> status, message. A type that is not listed answers as its closest listed ancestor.
TABLE: dict[type[HoldfastError], tuple[int, str]] = {
    errors.RequestValidationError: (400, "Invalid Params"),
    errors.RequestHeadersValidationError: (400, "Invalid Params"),
    errors.OAuthRedirectUriError: (400, "Invalid Redirect URI"),
    errors.OAuthInvalidStateError: (400, "Invalid State"),
    errors.CallerError: (400, "Bad Request"),
    errors.UnauthorizedError: (401, "Unauthorized Request"),
    errors.ConnectorCredentialsError: (401, "Connection Not Authorized"),
    errors.GrantRejected: (401, "Provider Refused Credentials"),
    errors.BlockedByPolicyError: (403, "Blocked By Policy"),
    errors.EntityNotFoundError: (404, "Not Found"),
    errors.ConnectorNotFoundError: (404, "Unknown Connector"),
    errors.IntegrationNotFoundError: (404, "Unknown Integration"),
    errors.ConnectionNotFoundError: (404, "Unknown Connection"),
    errors.MethodNotAllowedError: (405, "Method Not Allowed"),
    errors.ConflictError: (409, "Conflict"),
    errors.PayloadTooLargeError: (413, "Payload Too Large"),
    errors.UnsupportedMediaTypeError: (415, "Unsupported Media Type"),
    errors.RequestLimitError: (429, "Too Many Requests"),
    errors.IdempotencyKeyReusedError: (422, "Idempotency Key Reused"),
    errors.InvalidStateError: (422, "Invalid State"),
    errors.ConsumerError: (422, "Connection Settings"),
    errors.ConnectionSettingsError: (422, "Invalid Connection Settings"),
    errors.OperatorError: (422, "Integration Not Ready"),
    errors.OAuthCredentialsNotFoundError: (422, "OAuth Client Missing"),
    errors.ConnectorDisabledError: (422, "Integration Disabled"),
    errors.SettingsError: (422, "Invalid Settings"),
    errors.GrantMisconfigured: (422, "Provider Refused Client"),
    errors.GrantDeferred: (422, "Provider Not Available"),
    errors.OAuthCodeExchangeError: (422, "Authorization Not Completed"),
    errors.ProviderError: (422, "Provider Error"),
    errors.NoAnswer: (422, "Provider Not Available"),
    errors.ServiceUnreachable: (502, "Service Not Reached"),
    errors.ServiceTooSlow: (504, "Service Not Answering"),
    errors.OutcomeUnknown: (422, "Outcome Unknown"),
    errors.EgressRefused: (422, "Address Not Allowed"),
    errors.IntegrityError: (422, "Stored Value Damaged"),
    errors.Unavailable: (503, "Temporarily Unavailable"),
}

# The API's own names for what a provider did.
TYPE_NAMES: dict[type[HoldfastError], str] = {
    errors.GrantRejected: "OAuthConnectorError",
    errors.RefreshRejected: "OAuthConnectorError",
    errors.GrantMisconfigured: "OAuthConnectorError",
    errors.ClientRefused: "OAuthConnectorError",
    errors.GrantDeferred: "OAuthConnectorError",
    errors.ProviderError: "OAuthConnectorError",
    errors.NoAnswer: "ConnectorExecutionError",
    errors.ServiceUnreachable: "ConnectorExecutionError",
    errors.ServiceTooSlow: "ConnectorExecutionError",
    errors.OutcomeUnknown: "OutcomeUnknownError",
    errors.EgressRefused: "ConnectionSettingsError",
    errors.WrongKeyError: "UnauthorizedError",
    NoRedirectUri: "OAuthRedirectUriError",
    errors.PayloadTooLargeError: "RequestValidationError",
    errors.UnsupportedMediaTypeError: "RequestValidationError",
}


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope of every error."""

    status_code: Annotated[int, Meta(description="The HTTP status.")]
    error: Annotated[str, Meta(description="The status in words.")]
    type_name: Annotated[str, Meta(description="What kind of error it is, such as `RequestValidationError`.")]
    message: Annotated[str, Meta(description="The kind of error as a sentence.")]
    detail: Annotated[
        str | dict[str, Any],
        Meta(
            description='What is wrong: a text, or an object such as `{"missing": [{"state": "required"}]}`. '
            "When the service refuses to refresh a token: the object with `type`, `message` and `debug` that the "
            "reference of errors explains."
        ),
    ]
    ref: Annotated[str, Meta(description="Where the kind of error is explained.")]


def body(error: HoldfastError) -> ErrorBody:
    """What is told of `error`."""
    status, message = TABLE[next(kind for kind in type(error).__mro__ if kind in TABLE)]
    name = type_name(error)
    return ErrorBody(
        status_code=status,
        error=HTTPStatus(status).phrase,
        type_name=name,
        message=message,
        detail=_refresh_detail(error) if isinstance(error, errors.RefreshRejected) else error.detail,
        ref=reference(name),
    )


def _refresh_detail(error: errors.RefreshRejected) -> dict[str, Any]:
    """The object in which published clients look for what becomes of the connection. Of the provider's answer it
    holds the status and the code, and nothing that was sent."""
    told = error.detail if isinstance(error.detail, dict) else {}
    expiry = {"credentials_expire_at_ms": error.credentials_expire_at} if error.credentials_expire_at else {}
    response = {"statusCode": error.status, "data": {"error": error.code}}
    debug = {"response": response, **expiry, "retry_after_ms": error.retry_at, "cooldown_remaining_ms": error.cooldown}
    return {"type": "refresh_token_connector_error", "message": str(error), "debug": debug, **told}


def answer(error: HoldfastError) -> Response:
    """`error` as a response; a failure of our own, or of the operator's, is logged."""
    told = body(error)
    if told.status_code >= 500 or error.actor == "operator":
        log.warning("answered_error", status=told.status_code, type=type(error).__name__, detail=error.detail)
    response = Response(msgspec.json.encode(told), told.status_code, media_type="application/json")
    if (wait := retry_after(error)) is not None:
        response.headers["Retry-After"] = str(wait)
    if told.status_code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def retry_after(error: HoldfastError) -> int | None:
    """Seconds until the same request may work; None if it will not. A fault of our own is over sooner than another
    machine's."""
    known: int | None = getattr(error, "retry_after", None)
    if known or not error.retryable:
        return known
    return AT_ONCE if isinstance(error, errors.ConflictError | errors.Unavailable) else A_WHILE


def unexpected() -> Response:
    """A mistake of ours: nothing is told but that it happened."""
    told = ErrorBody(
        status_code=500,
        error="Internal Server Error",
        type_name="UnexpectedError",
        message="Unexpected Error",
        detail="Something went wrong here; the operator's log says where.",
        ref=reference("UnexpectedError"),
    )
    return Response(msgspec.json.encode(told), 500, media_type="application/json")


def type_name(error: HoldfastError) -> str:
    """The API's name of an error."""
    return TYPE_NAMES.get(type(error), type(error).__name__)


def sentence(error: HoldfastError) -> str:
    """What is told of `error` where no object can stand: its detail, or what its kind means."""
    if isinstance(error.detail, str):
        return error.detail
    return (type(error).__doc__ or "").partition("\n")[0]


def reference(name: str) -> str:
    """Where published clients expect an error to be explained."""
    return REF + name.lower()
