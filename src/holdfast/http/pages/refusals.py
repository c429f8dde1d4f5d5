"""Which page an error is. An error's own words are for programs and may quote others; a page says ours."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from holdfast import errors
from holdfast.errors import HoldfastError
from holdfast.http.errors import type_name
from holdfast.http.pages.forms import HiddenSender, StalePage
from holdfast.http.pages.sentences import Said
from holdfast.http.pages.sheet import page
from holdfast.usecases.steps import FetchedAhead, NoRedirectUri

# The closest listed ancestor counts.
SAID: dict[type[HoldfastError], Said] = {
    StalePage: "stale_page",
    HiddenSender: "hidden_sender",
    FetchedAhead: "ahead",
    errors.CallerError: "invalid_link",
    errors.OAuthRedirectUriError: "nowhere",
    NoRedirectUri: "invalid_link",
    errors.InvalidStateError: "overtaken",
    errors.ConsumerError: "settings",
    errors.ConnectorCredentialsError: "failed",
    errors.OperatorError: "not_ready",
    errors.IntegrationNotFoundError: "not_ready",
    errors.ConnectorNotFoundError: "not_ready",
    errors.GrantMisconfigured: "not_ready",
    errors.EgressRefused: "not_ready",
    errors.IntegrityError: "not_ready",
    errors.GrantDeferred: "service_down",
    errors.NoAnswer: "service_down",
    errors.Unavailable: "unreachable",
    errors.ProviderError: "failed",
    HoldfastError: "broken",
}
_STATES: dict[str, Said] = {"expired": "expired", "used": "used", "other_browser": "other_browser"}


def said_of(error: BaseException) -> Said:
    """The page that tells a person of `error`."""
    if isinstance(error, errors.OAuthInvalidStateError):
        return _STATES.get(error.reason, "invalid_link")
    if type(error) is errors.EntityNotFoundError and _entity(error) == "application":
        return "gone"
    if isinstance(error, errors.ProviderError) and error.code == "access_denied":
        return "denied"
    if isinstance(error, errors.OAuthCodeExchangeError) and isinstance(error.__cause__, HoldfastError):
        return said_of(error.__cause__)
    return SAID.get(next((kind for kind in type(error).__mro__ if kind in SAID), HoldfastError), "broken")


def _entity(error: errors.EntityNotFoundError) -> str:
    found = error.detail["not_found"] if isinstance(error.detail, dict) else {}
    return str(found.get("entity"))


def refused(error: Exception, told: Response) -> Response:
    """`told`, which is what a program is answered, as a page with the same status."""
    name = type_name(error) if isinstance(error, HoldfastError) else "UnexpectedError"
    shown = page(said_of(error), told.status_code, code=name)
    for header in ("retry-after", "allow"):
        if header in told.headers:
            MutableHeaders(raw=shown.raw_headers)[header] = told.headers[header]
    return shown
