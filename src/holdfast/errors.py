"""Everything that can go wrong, as one tree. No HTTP here: `holdfast.http.errors` gives each its status.

    HoldfastError
    ├── CallerError                     the request is wrong; the caller changes it
    │   ├── RequestValidationError      a member, parameter or body is missing or malformed
    │   ├── RequestHeadersValidationError
    │   ├── UnauthorizedError           no key, a wrong key, or a key that may not do this
    │   │   └── WrongKeyError           a key, and it is nobody's
    │   ├── RequestLimitError           too many requests of a kind that is limited
    │   ├── PayloadTooLargeError, UnsupportedMediaTypeError, MethodNotAllowedError
    │   ├── EntityNotFoundError         path, consumer, resource, token: nothing of that name
    │   │   ├── ConnectorNotFoundError
    │   │   ├── IntegrationNotFoundError
    │   │   └── ConnectionNotFoundError
    │   ├── ConflictError
    │   ├── InvalidStateError           the connection is not in a state that allows this
    │   ├── BlockedByPolicyError        the operator does not let this call through
    │   ├── IdempotencyKeyReusedError   the key names another request
    │   └── OAuthRedirectUriError, OAuthInvalidStateError
    ├── ConsumerError                   the end customer must act (reconnect, fill in a setting)
    │   ├── ConnectionSettingsError
    │   └── ConnectorCredentialsError
    ├── OperatorError                   whoever runs the product must act
    │   ├── OAuthCredentialsNotFoundError, ConnectorDisabledError
    │   └── SettingsError               Holdfast itself is configured wrongly; it refuses to start
    ├── ProviderError                   the provider answered, and the answer was not a credential
    │   ├── GrantRejected               this grant is dead; the consumer reconnects
    │   │   └── RefreshRejected         so said a refresh; says how long the credentials are kept all the same
    │   ├── GrantMisconfigured          the OAuth client is wrong; the operator fixes it, no connection dies
    │   ├── GrantDeferred               no usable answer now; the same request may work later
    │   └── OAuthCodeExchangeError      whichever of these it was, when a browser's code was to be redeemed
    ├── NoAnswer                        another machine gave no whole answer; says whether it may have acted
    │   ├── ServiceUnreachable          a caller's own request to a service was not answered; it may be sent again
    │   ├── ServiceTooSlow              the same, because the time for it was over
    │   └── OutcomeUnknown              the same, and sending it again may do it twice
    ├── EgressRefused                   an outbound address the policy does not allow
    ├── IntegrityError                  a sealed value did not open; that row fails closed
    └── Unavailable                     a local fault (database, disk); nothing is known to be wrong

Each error says whether trying the same again can help (`retryable`: callers are told when) and who must act (`actor`).
Its `detail` is shown to callers and logged: never put a secret, a URL query or a provider's body in it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

Actor = Literal["caller", "consumer", "operator", "nobody"]
# What is wrong with a state: not ours, too old, spent, or begun by another browser.
StateFault = Literal["unknown", "expired", "used", "other_browser"]


class HoldfastError(Exception):
    """Something went wrong."""

    actor: ClassVar[Actor] = "nobody"
    retryable: bool = False

    def __init__(self, detail: str | dict[str, Any] | None = None) -> None:
        self.detail: str | dict[str, Any] = detail if detail is not None else (type(self).__doc__ or "").split("\n")[0]
        super().__init__(self.detail)


class CallerError(HoldfastError):
    """The request is wrong."""

    actor = "caller"


class RequestValidationError(CallerError):
    """A parameter or a member of the body is missing or malformed."""


class RequestHeadersValidationError(CallerError):
    """A required header is missing or malformed."""


class UnauthorizedError(CallerError):
    """Missing authentication"""


class WrongKeyError(UnauthorizedError):
    """Invalid Authorization Token"""


class RequestLimitError(CallerError):
    """Too many requests of this kind came from this address. Try again later."""

    retryable = True

    def __init__(self, detail: str | None = None, *, retry_after: int) -> None:
        """`retry_after`: in seconds."""
        super().__init__(detail)
        self.retry_after = retry_after


class PayloadTooLargeError(CallerError):
    """The body is larger than 1 MiB."""


class UnsupportedMediaTypeError(CallerError):
    """Send the body as application/json, without content coding."""


class MethodNotAllowedError(CallerError):
    """This path does not answer this method."""


class EntityNotFoundError(CallerError):
    """Nothing was found at this path."""

    def __init__(self, entity: str, id: str) -> None:
        super().__init__({"not_found": {"entity": entity, "id": id}})


class ConnectorNotFoundError(EntityNotFoundError):
    """No connector of this name is in the catalogue."""


class IntegrationNotFoundError(EntityNotFoundError):
    """The application has not set up this integration."""


class ConnectionNotFoundError(EntityNotFoundError):
    """The consumer has no connection of this name."""


class ConflictError(CallerError):
    """Somebody else changed the same thing at the same time."""

    retryable = True


class InvalidStateError(CallerError):
    """The connection is not in a state that allows this."""


class BlockedByPolicyError(CallerError):
    """The operator does not let this call through the proxy."""


class IdempotencyKeyReusedError(CallerError):
    """This Idempotency-Key came with another request before. A key names one request."""


class OAuthRedirectUriError(CallerError):
    """The redirect_uri is missing, or is not one that the application has registered."""


class OAuthInvalidStateError(CallerError):
    """The state parameter is unknown, expired or already used. Start the authorization again."""

    def __init__(self, detail: str | None = None, *, reason: StateFault = "unknown") -> None:
        """`reason` is for the page that a person is shown; programs are told the same of all of them."""
        super().__init__(detail)
        self.reason = reason


class ConsumerError(HoldfastError):
    """The end customer must act."""

    actor = "consumer"


class ConnectionSettingsError(ConsumerError):
    """A required setting of the connection is missing or malformed."""


class ConnectorCredentialsError(ConsumerError):
    """The connection has no usable credentials. Authorize it again."""


class OperatorError(HoldfastError):
    """Whoever runs the product must act."""

    actor = "operator"


class OAuthCredentialsNotFoundError(OperatorError):
    """The integration has no OAuth client_id and client_secret."""


class ConnectorDisabledError(OperatorError):
    """The integration is switched off for this application."""


class SettingsError(OperatorError):
    """Holdfast is configured wrongly."""


class ProviderError(HoldfastError):
    """The provider did not give a credential.

    `code` is the provider's error code (RFC 6749 section 5.2) where it gave one that is safe to show,
    `status` the HTTP status it answered with, where it answered, `retry_after` the seconds it asks to be left alone.
    """

    def __init__(
        self, detail: str, *, code: str | None = None, status: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.status = status
        self.retry_after = retry_after


class GrantRejected(ProviderError):
    """The provider will not accept this grant again."""

    actor = "consumer"


class RefreshRejected(GrantRejected):
    """The provider will not refresh this grant's token.

    Times are in ms. `credentials_expire_at`: when the credentials are given up, 0 if they have been. `retry_at`: when
    the provider may be asked again, `cooldown` from now.
    """

    def __init__(
        self, detail: str, *, code: str | None, status: int | None, credentials_expire_at: int, retry_at: int, now: int
    ) -> None:
        super().__init__(detail, code=code, status=status)
        self.credentials_expire_at = credentials_expire_at
        self.retry_at = retry_at
        self.cooldown = max(0, retry_at - now)


class GrantMisconfigured(ProviderError):
    """The provider refused the OAuth client, not the grant."""

    actor = "operator"


class ClientRefused(GrantMisconfigured):
    """The provider refuses the OAuth client of every connection, so it is not asked at the moment."""


class GrantDeferred(ProviderError):
    """The provider could not answer now."""

    retryable = True

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
        ambiguous: bool = False,
    ) -> None:
        """`ambiguous`: the provider may have acted on the request."""
        super().__init__(detail, code=code, status=status, retry_after=retry_after)
        self.ambiguous = ambiguous


class OAuthCodeExchangeError(ProviderError):
    """The provider did not exchange the authorization code for a token. Start the authorization again."""

    actor = "consumer"


class NoAnswer(HoldfastError):
    """The other side gave no whole answer.

    `may_have_acted`: the request left, so the other side may have done what it asks. False means that it has not.
    `retryable`: the same call may work later; `status`: of the answer that broke off, where its head came.
    """

    def __init__(
        self,
        detail: str,
        *,
        may_have_acted: bool,
        retryable: bool = True,
        status: int | None = None,
        late: bool = False,
    ) -> None:
        """`late`: it was given up because its time was over."""
        super().__init__(detail)
        self.may_have_acted = may_have_acted
        self.retryable = retryable
        self.status = status
        self.late = late


class ServiceUnreachable(NoAnswer):
    """The service did not answer, and the request may be sent again."""


class ServiceTooSlow(NoAnswer):
    """The service did not answer in time, and the request may be sent again."""


class OutcomeUnknown(NoAnswer):
    """The service gave no answer, and may have done what the request asks."""


class EgressRefused(HoldfastError):
    """The address is not one that Holdfast may call."""

    actor = "operator"


class IntegrityError(HoldfastError):
    """A sealed value did not open under its key and place."""

    actor = "operator"


class Unavailable(HoldfastError):
    """A local fault; try again shortly."""

    actor = "operator"
    retryable = True

    def __init__(self, detail: str | None = None, *, retry_after: int | None = None) -> None:
        """`retry_after`: in seconds, where it is known when trying again can help."""
        super().__init__(detail)
        self.retry_after = retry_after
