"""The client all API classes share: puts host, key and headers to a request and makes a model or an exception of
the answer. What is asked for is `openapi_client.operation`'s matter, how bytes travel `openapi_client.rest`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from importlib.metadata import version
from types import NoneType, TracebackType
from typing import IO, Any, Self

import msgspec
from urllib3 import BaseHTTPResponse, HTTPHeaderDict

from openapi_client import exceptions, models
from openapi_client.api_response import ApiResponse
from openapi_client.configuration import Configuration
from openapi_client.exceptions import ApiException, ApiTypeError, ApiValueError
from openapi_client.operation import Operation, Request
from openapi_client.rest import DEFAULT_TIMEOUT, RESTClient, origin

FAILURES: dict[int, tuple[type[ApiException], type[models.UnexpectedErrorResponse]]] = {
    400: (exceptions.BadRequestException, models.BadRequestResponse),
    401: (exceptions.UnauthorizedException, models.UnauthorizedResponse),
    402: (exceptions.PaymentRequiredException, models.PaymentRequiredResponse),
    403: (exceptions.ForbiddenException, models.UnexpectedErrorResponse),
    404: (exceptions.NotFoundException, models.NotFoundResponse),
    409: (exceptions.ConflictException, models.ConflictResponse),
    422: (exceptions.UnprocessableEntityException, models.UnprocessableResponse),
}

# The proxy says so of an error that is the service's own.
FOREIGN = "x-apideck-downstream-error"
FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class ApiClient:
    """A client with its pool of connections, closed at the end of a `with` block. Threads may share it.

    `header_name` and `header_value` are one header for every request, more by `set_default_header`; `cookie` is the
    Cookie header. All of these, and the API key, go to the vault's own origin only.
    """

    def __init__(
        self,
        configuration: Configuration | None = None,
        header_name: str | None = None,
        header_value: str | None = None,
        cookie: str | None = None,
    ) -> None:
        self.configuration = configuration or Configuration()
        self.default_headers = {"User-Agent": f"holdfast-client/{version('holdfast')}"}
        if header_name is not None and header_value is not None:
            self.set_default_header(header_name, header_value)
        self.cookie = cookie

    def set_default_header(self, header_name: str, header_value: str) -> None:
        """Send this header with every request from now on."""
        self.default_headers[header_name] = header_value

    @cached_property
    def rest_client(self) -> RESTClient:
        """Made at the first call, with the configuration's network settings of that moment."""
        return RESTClient(self.configuration)

    def close(self) -> None:
        """Close the connections. A later call opens new ones."""
        if "rest_client" in vars(self):
            self.rest_client.close()
            del self.rest_client

    def __enter__(self) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        """What another process is given of it: all but the connections, which it opens for itself."""
        return {name: value for name, value in vars(self).items() if name != "rest_client"}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def call(self, operation: Operation, request: Request) -> ApiResponse[Any]:
        """Send a request. `ApiException` for an answer that is an error, or none, or not what is documented."""
        headers = self._headers(operation, request)
        response, url = self.rest_client.send(
            operation.method,
            self.configuration.host + request.path,
            headers,
            request.body,
            request.options.get("_request_timeout", DEFAULT_TIMEOUT),
            follow=request.options.get("_follow_redirects", not operation.keyed),
            retry=operation.keyed,
        )
        secret = headers.get("Authorization", "").rpartition(" ")[2]
        if response.status >= (300 if operation.keyed else 400):
            raise _failure(response, url, secret)
        data = _data(operation, response, url, secret)
        return ApiResponse(response.status, data, response.headers, response.data, url)

    def open(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | IO[bytes] | None,
        timeout: float | tuple[float, float],
    ) -> tuple[BaseHTTPResponse, str]:
        """Send a request with the API key, and give its answer before its body is read, with the URL it came from.

        `ApiException` for an error of the vault's own, and if there is no answer; what a service answered through the
        proxy is an answer.
        """
        sent = HTTPHeaderDict()
        cookie = {"Cookie": self.cookie} if self.cookie else {}
        for some in (cookie, self.default_headers, headers, self._credential(None)):
            for name, value in some.items():
                sent[name] = _sendable(name, value)
        url = self.configuration.host + path
        response = self.rest_client.open(method, url, sent, body, timeout)
        if response.status >= 400 and FOREIGN not in response.headers:
            raise _failure(response, url, sent.get("Authorization", "").rpartition(" ")[2])
        return response, url

    def _headers(self, operation: Operation, request: Request) -> HTTPHeaderDict:
        """What goes with a request; of two of one name, whatever their case, the later."""
        own = {"Accept": "application/json"}
        if request.body is not None:
            own["Content-Type"] = request.options.get("_content_type", "application/json")
        if self.cookie:
            own["Cookie"] = self.cookie
        credential = self._credential(request.options.get("_request_auth")) if operation.keyed else {}
        headers = HTTPHeaderDict()
        for some in (own, self.default_headers, request.headers, credential, request.options.get("_headers", {})):
            for name, value in some.items():
                headers[name] = _sendable(name, value)
        return headers

    def _credential(self, other: Mapping[str, Any] | None) -> dict[str, str]:
        if other is None:
            key = self.configuration.get_api_key_with_prefix("apiKey")
            return {"Authorization": key} if key else {}
        if other.get("in") != "header" or "key" not in other or "value" not in other:
            raise ApiValueError("_request_auth is {'in': 'header', 'key': 'Authorization', 'value': …}")
        return {other["key"]: other["value"]}


def _sendable(name: str, value: object) -> str:
    """A header's value, if RFC 9110 section 5 allows it. Checked here because http.client would quote it."""
    if isinstance(value, str) and FIELD_NAME.fullmatch(name) and FIELD_VALUE.fullmatch(value):
        return value
    raise ApiValueError(f"The header {name} cannot be sent: is it a text without line breaks, in Latin letters?")


def _data(operation: Operation, response: BaseHTTPResponse, url: str, secret: str) -> Any:
    if not operation.keyed or operation.returns is NoneType:
        return None
    try:
        return operation.returns.from_json(response.data)
    except (ApiTypeError, ApiValueError) as error:
        kind = response.headers.get("Content-Type", "no content type")
        reason = (
            f"{response.reason}, but the answer ({kind}) is not the documented one: {error}. Is configuration.host "
            "the vault, and does no proxy or login page answer in its place?"
        )
        raise _exception(ApiException, response, url, secret, reason) from error


def _failure(response: BaseHTTPResponse, url: str, secret: str) -> ApiException:
    if response.status == 304:
        return _exception(ApiException, response, url, secret, response.reason)
    if response.status < 400:
        reason = (
            f"{response.reason}: a redirect, which a call with an API key does not follow. Set configuration.host to "
            "the vault's own address; the Location header tells where this one leads."
        )
        return _exception(ApiException, response, url, secret, reason)
    other = exceptions.ServiceException if response.status >= 500 else ApiException
    kind, model = FAILURES.get(response.status, (other, models.UnexpectedErrorResponse))
    error = _exception(kind, response, url, secret, response.reason)
    error.data = _envelope(error.body or "", model)
    return error


def _exception(
    kind: type[ApiException], response: BaseHTTPResponse, url: str, secret: str, reason: str | None
) -> ApiException:
    """The answer as an exception, without the key should it be quoted there."""
    return kind(
        response.status,
        reason,
        body=_without(secret, response.data.decode(errors="replace")),
        headers=HTTPHeaderDict((name, _without(secret, value)) for name, value in response.headers.iteritems()),
        origin=origin(url),
    )


def _envelope(body: str, model: type[models.UnexpectedErrorResponse]) -> Any:
    try:
        parsed = msgspec.json.decode(body)
        return model.from_dict(parsed) if isinstance(parsed, dict) else parsed
    except (msgspec.DecodeError, RecursionError):
        return None
    except ApiTypeError:
        return parsed


def _without(secret: str, text: str) -> str:
    """A proxy's page may quote the request it got. What is shorter than a key is a word that must stay."""
    return text.replace(secret, "***") if len(secret) >= 8 else text
