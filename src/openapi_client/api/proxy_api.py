"""The proxy: a request of one's own to a service, with the credential of a customer's connection on it.

Bodies stream in both directions. What the service answers is an answer, whatever its status; an `ApiException` is
raised for what the vault itself refuses, and when no answer came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import IO, Any, Self

import msgspec
from urllib3 import BaseHTTPResponse

from openapi_client.api_client import ApiClient
from openapi_client.exceptions import ApiValueError
from openapi_client.rest import DEFAULT_TIMEOUT, broken, origin

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
Body = bytes | str | Iterable[bytes] | IO[bytes]


class ProxyAnswer:
    """What a service answered. Read `data`, or take the body piece by piece with `stream`; close it in a `with` block
    if it is not read to its end.

    `status_code` and `headers` are the service's; headers are found whatever their case.
    """

    def __init__(self, response: BaseHTTPResponse, url: str) -> None:
        self._response = response
        self._url = url
        self.status_code = response.status
        self.headers: Mapping[str, str] = response.headers

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < 400

    @property
    def data(self) -> bytes:
        """The whole body, unpacked. `ApiException` if the rest of it does not come."""
        with broken(self._url):
            return self._response.data

    def json(self) -> Any:
        """The body as JSON. `ApiValueError` if it is none."""
        try:
            return msgspec.json.decode(self.data)
        except msgspec.DecodeError as error:
            raise ApiValueError(f"the service's answer is no JSON: {error}") from None

    def stream(self, size: int = 65_536) -> Iterator[bytes]:
        """The body as it comes, in pieces of at most `size` bytes, unpacked. `ApiException` if the rest does not."""
        with broken(self._url):
            yield from self._response.stream(size)

    def close(self) -> None:
        """Hang up, if the body was not read to its end."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ProxyAnswer({self.status_code} from {origin(self._url)})"


class ProxyApi:
    """Calls services. Threads may share one."""

    def __init__(self, api_client: ApiClient | None = None) -> None:
        self.api_client = api_client or ApiClient()

    def proxy(
        self,
        x_apideck_consumer_id: str,
        x_apideck_app_id: str,
        x_apideck_service_id: str,
        x_apideck_downstream_url: str,
        method: str = "GET",
        *,
        body: Body | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        x_apideck_unified_api: str | None = None,
        x_apideck_downstream_authorization: str | None = None,
        x_apideck_timeout: int | None = None,
        idempotency_key: str | None = None,
        _request_timeout: float | tuple[float, float] | None = None,
    ) -> ProxyAnswer:
        """Send a request to a service and return as soon as the head of its answer is there.

        `x_apideck_downstream_url` is absolute, or a path below the service's base URL. The body is `body` (bytes, a
        text, a file or an iterable of bytes, which is streamed) or `json`; `headers` go on to the service.
        `x_apideck_timeout` is in milliseconds, for the service; `_request_timeout` in seconds, for the vault.
        """
        if method.upper() not in METHODS:
            raise ApiValueError(f"proxy: method is one of {', '.join(METHODS)}")
        if body is not None and json is not None:
            raise ApiValueError("proxy: give body or json, not both")
        said = {
            "x-apideck-consumer-id": x_apideck_consumer_id,
            "x-apideck-app-id": x_apideck_app_id,
            "x-apideck-service-id": x_apideck_service_id,
            "x-apideck-downstream-url": x_apideck_downstream_url,
            "x-apideck-unified-api": x_apideck_unified_api,
            "x-apideck-downstream-authorization": x_apideck_downstream_authorization,
            "x-apideck-timeout": None if x_apideck_timeout is None else str(x_apideck_timeout),
            "Idempotency-Key": idempotency_key,
        }
        own = {"Content-Type": "application/json"} if json is not None else {}
        sent = {**own, **(headers or {}), **{name: value for name, value in said.items() if value is not None}}
        content = msgspec.json.encode(json) if json is not None else body.encode() if isinstance(body, str) else body
        timeout = DEFAULT_TIMEOUT if _request_timeout is None else _request_timeout
        return ProxyAnswer(*self.api_client.open(method.upper(), "/proxy", sent, content, timeout))
