"""Bytes over HTTP, by urllib3: the pool, timeouts, redirects, and one kind of exception for all that can break.

Redirects are followed here rather than by urllib3, which would write the state and code of an OAuth flow to the
log. What is sent beside the URL stays with the origin (RFC 6454) it was meant for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Retry, Timeout, exceptions, make_headers
from urllib3.util import parse_url

from openapi_client.configuration import Configuration
from openapi_client.exceptions import ApiException, ApiValueError

# Programs written for a generated client import ApiException from here.
__all__ = ["ApiException", "RESTClient", "origin"]

MAX_REDIRECTS = 10
DEFAULT_TIMEOUT = (10.0, 60.0)
A_DAY = 86_400
# Headers that tell nothing of the caller, which another origin may see.
ANONYMOUS = {"accept", "user-agent"}

# The first class that fits gives the sentence.
BROKEN: dict[type[Exception], str] = {
    exceptions.NameResolutionError: "No address is known for {}. Is configuration.host spelled right?",
    exceptions.NewConnectionError: "Nothing answers at {}. Does the vault run, and is configuration.host its address?",
    exceptions.ConnectTimeoutError: "No connection to {} within _request_timeout.",
    exceptions.ReadTimeoutError: "No answer from {} within _request_timeout. It may have done what was asked.",
    exceptions.SSLError: "No trusted connection to {}. Check its scheme, its certificate, configuration.ssl_ca_cert.",
    exceptions.ProxyError: "The proxy of configuration.proxy gives no way to {}.",
    Exception: "The connection to {} broke, or does not speak HTTP. It may have done what was asked.",
}


class RESTClient:
    """A pool of connections; threads may share it."""

    def __init__(self, configuration: Configuration) -> None:
        self._pool = _pool(configuration)
        self._retries = configuration.retries or 0

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float | tuple[float, float],
        *,
        follow: bool,
        retry: bool,
    ) -> tuple[BaseHTTPResponse, str]:
        """The answer, read to its end, and the URL it came from. `ApiException` with status 0 when there is none."""
        timing, retries = _timeout(timeout), self._retries if retry else 0
        for _ in range(MAX_REDIRECTS):
            response = self._exchange(method, url, headers, body, timing, retries)
            target = _target(url, response) if follow else None
            if target is None:
                return response, url
            if origin(target) != origin(url):
                headers = {name: value for name, value in headers.items() if name.lower() in ANONYMOUS}
            url = target
        raise ApiException(reason=f"More than {MAX_REDIRECTS} redirects, the last one to {origin(url)}.")

    def open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | IO[bytes] | None,
        timeout: float | tuple[float, float],
    ) -> BaseHTTPResponse:
        """The answer before its body is read, a redirect being one. The request is sent once.

        `ApiException` with status 0 when there is none.
        """
        with broken(url):
            return self._pool.request(
                method, url, body=body, headers=headers, timeout=_timeout(timeout), retries=False, redirect=False,
                preload_content=False,
            )  # fmt: skip

    def close(self) -> None:
        self._pool.clear()

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: Timeout, retries: int
    ) -> BaseHTTPResponse:
        try:
            return self._pool.request(
                method, url, body=body, headers=headers, timeout=timeout, retries=_retry(retries), redirect=False
            )
        except exceptions.MaxRetryError as error:
            cause: Exception = error.reason or error
        except exceptions.HTTPError as error:
            cause = error
        # Raised out here, so that urllib3's own message, which quotes the URL, is in no traceback.
        sentence = next(text for kind, text in BROKEN.items() if isinstance(cause, kind))
        raise ApiException(reason=sentence.format(origin(url))) from cause


@contextmanager
def broken(url: str) -> Iterator[None]:
    """What urllib3 raises inside is an `ApiException` outside, whose text quotes no more of `url` than its origin."""
    cause: Exception | None = None
    try:
        yield
    except exceptions.HTTPError as error:
        cause = error
    if cause is not None:
        sentence = next(text for kind, text in BROKEN.items() if isinstance(cause, kind))
        raise ApiException(reason=sentence.format(origin(url))) from cause


def origin(url: str) -> str:
    """Scheme, host and port of a URL: who it leads to, without what it says."""
    parts = parse_url(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme or "")
    return f"{parts.scheme}://{parts.host}:{port}"


def _target(url: str, response: BaseHTTPResponse) -> str | None:
    """Where a redirect leads, if it is one to follow; an app's own scheme (RFC 8252) is not."""
    location = response.get_redirect_location()
    if not location:
        return None
    try:
        target = urljoin(url, location)
        return target if parse_url(target).scheme in {"http", "https"} else None
    except ValueError as error:
        raise ApiException(response.status, f"{origin(url)} redirects to something that is no URL.") from error


def _pool(configuration: Configuration) -> PoolManager:
    if configuration.ssl_ca_cert is not None and not Path(configuration.ssl_ca_cert).is_file():
        raise ApiValueError(f"configuration.ssl_ca_cert: there is no file {configuration.ssl_ca_cert}")
    trust = "CERT_REQUIRED" if configuration.verify_ssl else "CERT_NONE"
    settings: dict[str, Any] = {"maxsize": 16, "cert_reqs": trust, "ca_certs": configuration.ssl_ca_cert}
    if configuration.proxy is None:
        return PoolManager(**settings)
    try:
        user = parse_url(configuration.proxy).auth
        headers = make_headers(proxy_basic_auth=user) if user else None
        return ProxyManager(configuration.proxy, proxy_headers=headers, **settings)
    except (exceptions.HTTPError, TypeError) as error:
        raise ApiValueError("configuration.proxy is an http or https URL, like http://127.0.0.1:3128") from error


def _retry(times: int) -> Retry:
    return Retry(
        total=None,
        connect=times,
        read=times,
        status=0,
        other=0,
        allowed_methods={"GET", "DELETE"},
        respect_retry_after_header=False,
        backoff_factor=0.5,
    )


def _timeout(seconds: float | tuple[float, float]) -> Timeout:
    pair = seconds if isinstance(seconds, tuple) else (seconds, seconds)
    if not all(0 < each <= A_DAY for each in pair):
        raise ApiValueError(f"_request_timeout is seconds, more than 0 and at most {A_DAY}")
    return Timeout(connect=pair[0], read=pair[1]) if isinstance(seconds, tuple) else Timeout(total=seconds)
