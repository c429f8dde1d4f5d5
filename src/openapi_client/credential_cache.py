"""Credentials in memory: a program that calls a service a thousand times asks the vault once.

    cache = openapi_client.CredentialCache(openapi_client.CredentialsApi(api_client))
    token = cache.get("test-consumer", app_id, "pipedrive", "crm").access_token
    ...
    cache.forget("test-consumer", app_id, "pipedrive", "crm")    # the service answered 401

Knows when to ask again, and that threads ask together; the vault decides everything else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from openapi_client.api.credentials_api import CredentialsApi
from openapi_client.api_response import ApiResponse
from openapi_client.exceptions import ApiException
from openapi_client.models import Credential, GetCredentialResponse

# Consumer, application, service and unified API, in the order of the call.
Key = tuple[str, str, str, str]

NOT_MODIFIED: Final = 304
# Seconds for which a credential that still lives is used on after the vault could not answer.
PAUSE: Final = 5.0


@dataclass(frozen=True, slots=True, repr=False)
class _Entry:
    """A credential as it was read. `until`, by the monotonic clock: not to be asked for before; `ends`: not to be used
    from then on."""

    credential: Credential
    etag: str | None
    until: float
    ends: float


class CredentialCache:
    """A bounded memory of credentials. Threads may share it; one that is asked for by several is read once.

    A credential is used until its `refresh_after`, and for at most `max_age` seconds, so that whoever was cut off from
    a connection is for that long; then the vault is asked whether it still counts. It is never used past its end. While
    the vault cannot be reached, one that has not ended is used on. `min_valid_seconds` is what the vault is asked for.
    """

    def __init__(
        self,
        api: CredentialsApi,
        *,
        max_age: float = 300.0,
        min_valid_seconds: int | None = None,
        capacity: int = 10_000,
    ) -> None:
        self._api = api
        self._max_age = max_age
        self._min_valid = min_valid_seconds
        self._capacity = capacity
        self._lock = threading.Lock()
        self._entries: dict[Key, _Entry] = {}
        self._flights: dict[Key, Future[Credential]] = {}

    def get(self, x_apideck_consumer_id: str, x_apideck_app_id: str, service_id: str, unified_api: str) -> Credential:
        """The credential, from memory or from the vault. Raises what `credentials_one` does, in every thread that
        waits for it."""
        key = (x_apideck_consumer_id, x_apideck_app_id, service_id, unified_api)
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and time.monotonic() < entry.until:
                return entry.credential
            flight = self._flights.get(key)
            mine = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if mine:
            self._fly(key, entry, flight)
        return flight.result()

    def forget(self, x_apideck_consumer_id: str, x_apideck_app_id: str, service_id: str, unified_api: str) -> None:
        """Reads this credential anew the next time. What is being read meanwhile is given to those who wait for it and
        not kept."""
        key = (x_apideck_consumer_id, x_apideck_app_id, service_id, unified_api)
        with self._lock:
            self._entries.pop(key, None)
            self._flights.pop(key, None)

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._entries.clear()
            self._flights.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _fly(self, key: Key, entry: _Entry | None, flight: Future[Credential]) -> None:
        try:
            found = self._read(key, entry)
        except BaseException as error:
            self._land(key, flight, None)
            flight.set_exception(error)
            raise
        self._land(key, flight, found)
        flight.set_result(found.credential)

    def _land(self, key: Key, flight: Future[Credential], found: _Entry | None) -> None:
        with self._lock:
            if self._flights.get(key) is not flight:
                return  # forgotten meanwhile
            del self._flights[key]
            self._entries.pop(key, None)
            if found is not None:
                self._entries[key] = found
                if len(self._entries) > self._capacity:
                    del self._entries[next(iter(self._entries))]

    def _read(self, key: Key, entry: _Entry | None) -> _Entry:
        asked_at = time.monotonic()
        if entry is not None and asked_at >= entry.ends:
            entry = None
        known = entry.etag if entry is not None else None
        try:
            response = self._api.credentials_one_with_http_info(
                *key, min_valid_seconds=self._min_valid, if_none_match=known
            )
        except ApiException as error:
            if entry is None:
                raise
            if error.status == NOT_MODIFIED:
                return self._entry(entry.credential, known, error.headers or {}, asked_at)
            if 0 < error.status < 500:
                raise
            # The vault is away, and what it gave lives: better than nothing, until it is asked again.
            return _Entry(entry.credential, known, min(asked_at + PAUSE, entry.ends), entry.ends)
        return self._of(response, asked_at)

    def _of(self, response: ApiResponse[GetCredentialResponse], asked_at: float) -> _Entry:
        return self._entry(response.data.data, response.headers.get("ETag"), response.headers, asked_at)

    def _entry(self, credential: Credential, etag: str | None, headers: Mapping[str, str], asked_at: float) -> _Entry:
        """Times become moments of the monotonic clock: this machine's own clock may be wrong, or set meanwhile."""
        now = _clock_of(headers)
        ends = _moment(credential.expires_at, now, asked_at)
        refresh = _moment(credential.refresh_after, now, asked_at)
        return _Entry(credential, etag, min(refresh, ends - (self._min_valid or 0), asked_at + self._max_age), ends)


def _clock_of(headers: Mapping[str, str]) -> float:
    """What the vault's clock shows (ms), which counts whole seconds: the next one, so that nothing seems to live
    longer than it does. Without a Date, which every server has to send, no token is kept."""
    try:
        return (parsedate_to_datetime(headers["Date"]).timestamp() + 1) * 1000
    except (KeyError, ValueError):
        return float("inf")


def _moment(at: int | None, now: float, asked_at: float) -> float:
    return float("inf") if at is None else asked_at + (at - now) / 1000
