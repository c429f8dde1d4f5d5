"""What can go wrong in the client, as one tree.

    OpenApiException
    ├── ApiTypeError                      an argument or a member of a model has a wrong name or type
    ├── ApiValueError                     a value that cannot be sent, such as an empty path parameter
    └── ApiException                      the call failed; `status` says how, 0 when no answer came
        ├── BadRequestException           400
        ├── UnauthorizedException         401
        ├── PaymentRequiredException      402
        ├── ForbiddenException            403
        ├── NotFoundException             404
        ├── ConflictException             409
        ├── UnprocessableEntityException  422
        └── ServiceException              5xx

Nothing else leaves the client. The first two are raised before anything is sent. No text here holds the API key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec

__all__ = [
    "ApiException",
    "ApiTypeError",
    "ApiValueError",
    "BadRequestException",
    "ConflictException",
    "ForbiddenException",
    "NotFoundException",
    "OpenApiException",
    "PaymentRequiredException",
    "ServiceException",
    "UnauthorizedException",
    "UnprocessableEntityException",
]


class OpenApiException(Exception):
    """Anything the client raises."""


class ApiTypeError(OpenApiException, TypeError):
    """An argument, option or member of a model has a wrong name or type. The message names the right ones."""


class ApiValueError(OpenApiException, ValueError):
    """A value of the right type that cannot be sent."""


class ApiException(OpenApiException):
    """A call failed.

    `status` is the HTTP status, 0 when there was no answer; `reason` the status line's phrase, or what went wrong;
    `body` the answer's text; `data` the same parsed, a model with `message`, `detail`, `type_name` and `ref` when
    the vault gave its error envelope; `headers` the answer's headers; `origin` who answered. What the network
    library said is in `__cause__`.
    """

    remedy: ClassVar[str] = ""

    def __init__(
        self,
        status: int = 0,
        reason: str | None = None,
        *,
        body: str | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        origin: str | None = None,
    ) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.body = body
        self.data = data
        self.headers = headers
        self.origin = origin

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"({self.status}) {self.reason}" + (f" from {self.origin}" if self.origin else "")
        if getattr(self.data, "message", None):
            detail = getattr(self.data, "detail", None)
            yield f"{self.data.message}: {_plain(detail)}" if detail else self.data.message
        elif self.status >= 400 and self.body:
            yield "The answer is not one of the vault's: does a proxy answer in its place, or is it another server?"
        if self.remedy:
            yield self.remedy
        if self.headers and "Retry-After" in self.headers:
            yield f"Try again after {self.headers['Retry-After']} (Retry-After)."
        if getattr(self.data, "ref", None):
            yield f"See {self.data.ref}"


def _plain(detail: Any) -> str:
    if isinstance(detail, dict) and isinstance(detail.get("message"), str):
        return str(detail["message"])
    return detail if isinstance(detail, str) else msgspec.json.encode(detail).decode()


class BadRequestException(ApiException):
    """400: a parameter, a header or the body is missing or malformed."""

    remedy = "Change the request as the detail says."


class UnauthorizedException(ApiException):
    """401: no API key, a wrong one, or credentials of the connection that the service no longer takes."""

    remedy = (
        "Set configuration.api_key['apiKey'] to a key of the application you name. If the detail speaks of the "
        "connection's own credentials, the consumer has to authorize it again."
    )


class PaymentRequiredException(ApiException):
    """402: the application has used up its requests."""


class ForbiddenException(ApiException):
    """403: the key is valid and may not do this."""

    remedy = "Use an API key with the scope this call needs."


class NotFoundException(ApiException):
    """404: no such connector, integration, connection or resource."""

    remedy = "Check unified_api, service_id and resource, and that the host is the vault's."


class ConflictException(ApiException):
    """409: somebody else changed the same thing at the same time."""

    remedy = "Read it again, then repeat the change."


class UnprocessableEntityException(ApiException):
    """422: the connection is not in a state that allows this."""

    remedy = "Look at the connection's `state`, `health` and `form_fields`: they tell what is missing."


class ServiceException(ApiException):
    """5xx: the vault, or a proxy in front of it, cannot answer now."""

    remedy = "Nothing is wrong with the request; try again later."
