"""openapi_client: reading a credential, and keeping it for exactly as long as the vault says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any

import pytest
from recorded_vault import ANSWERS, API_KEY, Asked, RecordedVault, http

from openapi_client import (
    ApiClient,
    ApiException,
    AuthType,
    Configuration,
    Credential,
    CredentialCache,
    CredentialsApi,
    UnauthorizedException,
)

OF = ("test-consumer", "app_8FJm2q", "pipedrive", "crm")
PATH = "/vault/connections/crm/pipedrive/credentials"
HOUR = 3600


def token(
    vault_time: float, name: str = "v1u_AQIBAHj", *, refresh_in: float = HOUR - 30, ends_in: float = HOUR
) -> bytes:
    """An answer with a token, by a vault whose clock shows `vault_time` (s)."""
    times = {
        "refresh_after": round((vault_time + refresh_in) * 1000),
        "expires_at": round((vault_time + ends_in) * 1000),
    }
    data = {**ANSWERS["credential"], "access_token": name, **times}
    body = {"status_code": 200, "status": "OK", "data": data}
    return http(200, body, date=formatdate(vault_time, usegmt=True), etag=f'"{name}"')


def away(vault: RecordedVault) -> None:
    vault.answers(503, {"status_code": 503, "error": "Service Unavailable", "type_name": "Unavailable"})


@pytest.fixture
def credentials(configuration: Configuration) -> CredentialsApi:
    return CredentialsApi(ApiClient(configuration))


@pytest.fixture
def cache(credentials: CredentialsApi) -> CredentialCache:
    return CredentialCache(credentials)


def test_a_credential_is_read(credentials: CredentialsApi, vault: RecordedVault) -> None:
    """By the request that the vault's document has, with what was asked for."""
    found = credentials.credentials_one(*OF, min_valid_seconds=600, if_none_match='"v1"')

    (asked,) = vault.asked
    assert f"{asked.method} {asked.target}" == f"GET {PATH}?min_valid_seconds=600"
    assert asked.headers["if-none-match"] == '"v1"'
    assert (found.data.auth_type, found.data.access_token) == ("oauth2", ANSWERS["credential"]["access_token"])


def test_a_credential_does_not_show_itself() -> None:
    """Its repr, which ends in logs, has the names of what it holds."""
    held = Credential(
        auth_type=AuthType.APIKEY, access_token="s3cret-1", base_url="https://s3cret-2.example",
        headers={"Api-Token": "s3cret-3"}, query={"key": "s3cret-4"},
    )  # fmt: skip

    assert "s3cret" not in repr(held)
    assert "Api-Token" in repr(held)


def test_what_has_not_changed_is_an_exception_with_304(credentials: CredentialsApi, vault: RecordedVault) -> None:
    """Whoever names an ETag looks for that status; it is no redirect that goes astray."""
    vault.answer = lambda _: http(304, etag='"v1"')

    with pytest.raises(ApiException) as unchanged:
        credentials.credentials_one(*OF, if_none_match='"v1"')

    assert unchanged.value.status == 304
    assert "redirect" not in str(unchanged.value)


def test_a_credential_is_read_once_and_used_often(cache: CredentialCache, vault: RecordedVault) -> None:
    """Until its `refresh_after`; each connection by itself."""
    vault.answer = lambda _: token(time.time())

    for _ in range(10):
        assert cache.get(*OF).access_token == "v1u_AQIBAHj"
    cache.get("another-consumer", *OF[1:])

    assert len(vault.asked) == len(cache) == 2


@pytest.mark.parametrize("wrong_by", [-86_400, 86_400])
def test_a_wrong_clock_on_either_side_changes_nothing(
    cache: CredentialCache, vault: RecordedVault, wrong_by: float
) -> None:
    """Times count by the clock of the vault, which tells it with each answer."""
    vault.answer = lambda _: token(time.time() + wrong_by)
    for _ in range(3):
        cache.get(*OF)
    kept = len(vault.asked)
    cache.clear()
    vault.answer = lambda _: token(time.time() + wrong_by, refresh_in=-1, ends_in=30)
    for _ in range(3):
        cache.get(*OF)

    assert (kept, len(vault.asked)) == (1, 4)


def test_after_its_time_a_credential_is_asked_for_again(cache: CredentialCache, vault: RecordedVault) -> None:
    """With the ETag of what is there; what has changed takes its place."""
    vault.answer = lambda _: token(time.time(), "first", refresh_in=-1)
    cache.get(*OF)
    vault.answer = lambda _: token(time.time(), "second")

    assert cache.get(*OF).access_token == "second"
    assert [asked.headers.get("if-none-match") for asked in vault.asked] == [None, '"first"']


def test_what_still_counts_is_used_on(credentials: CredentialsApi, vault: RecordedVault) -> None:
    """After `max_age` the vault is asked, and says 304: the same credential, for as long again."""
    cache = CredentialCache(credentials, max_age=0)
    vault.answer = lambda _: token(time.time())
    first = cache.get(*OF)
    vault.answer = lambda _: http(304, date=formatdate(usegmt=True), etag='"v1u_AQIBAHj"')

    assert cache.get(*OF) is cache.get(*OF) is first
    assert len(vault.asked) == 3


def test_who_was_cut_off_is_cut_off(credentials: CredentialsApi, vault: RecordedVault) -> None:
    """A refusal takes the credential out of memory, too."""
    cache = CredentialCache(credentials, max_age=0)
    vault.answer = lambda _: token(time.time())
    cache.get(*OF)
    vault.answers(401, {"status_code": 401, "error": "Unauthorized", "type_name": "UnauthorizedError"})

    with pytest.raises(UnauthorizedException):
        cache.get(*OF)
    assert len(cache) == 0


def test_while_the_vault_is_away_what_lives_serves_on(credentials: CredentialsApi, vault: RecordedVault) -> None:
    """And not every call waits for a vault that does not answer."""
    cache = CredentialCache(credentials, max_age=0)
    vault.answer = lambda _: token(time.time())
    first = cache.get(*OF)
    away(vault)

    assert [cache.get(*OF) for _ in range(5)] == [first] * 5
    assert len(vault.asked) == 2


def test_nothing_is_used_past_its_end(cache: CredentialCache, vault: RecordedVault) -> None:
    """A dead token is not given though the vault is away, and is not asked about by its ETag."""
    vault.answer = lambda _: token(time.time(), refresh_in=-1, ends_in=0)
    cache.get(*OF)
    away(vault)

    with pytest.raises(ApiException):
        cache.get(*OF)
    assert "if-none-match" not in vault.asked[-1].headers


def test_without_the_vaults_time_no_token_is_kept(cache: CredentialCache, vault: RecordedVault) -> None:
    """A server that tells no Date leaves open how long a token lives."""
    vault.answers(200, {"status_code": 200, "status": "OK", "data": ANSWERS["credential"]})

    cache.get(*OF)
    cache.get(*OF)

    assert len(vault.asked) == 2


def test_who_needs_a_token_for_longer_is_not_given_a_shorter_one(
    credentials: CredentialsApi, vault: RecordedVault
) -> None:
    """The vault is asked for that, and asked again as soon as what is there lives shorter."""
    cache = CredentialCache(credentials, min_valid_seconds=600)
    vault.answer = lambda _: token(time.time(), ends_in=599)
    cache.get(*OF)
    cache.get(*OF)

    assert [asked.query for asked in vault.asked] == ["min_valid_seconds=600"] * 2


def test_what_a_service_refused_is_forgotten(cache: CredentialCache, vault: RecordedVault) -> None:
    """The next one to need it asks the vault, without an ETag."""
    vault.answer = lambda _: token(time.time())
    cache.get(*OF)
    cache.forget(*OF)
    cache.get(*OF)

    assert len(vault.asked) == 2
    assert "if-none-match" not in vault.asked[-1].headers


class Gate:
    """An answer that comes when it is let through; `reached` when somebody waits for it."""

    def __init__(self, answer: Callable[[], bytes]) -> None:
        self._answer = answer
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, _: Asked) -> bytes:
        self.reached.set()
        assert self.open.wait(10)
        return self._answer()


def together(cache: CredentialCache, vault: RecordedVault, answer: Callable[[], bytes], threads: int = 50) -> list[Any]:
    """What `threads` threads get that ask while the vault takes its time: credentials, or errors."""
    gate = Gate(answer)
    vault.answer = gate
    waiting = threading.Semaphore(0)

    def get(_: int) -> Any:
        waiting.release()
        try:
            return cache.get(*OF)
        except ApiException as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        asked = pool.map(get, range(threads))
        assert gate.reached.wait(10)
        for _ in range(threads):
            assert waiting.acquire(timeout=10)
        gate.open.set()
        return list(asked)


def test_threads_that_ask_together_ask_once(cache: CredentialCache, vault: RecordedVault) -> None:
    """Fifty of them, one request, one credential."""
    found = together(cache, vault, lambda: token(time.time()))

    assert {id(credential) for credential in found} == {id(found[0])}
    assert len(vault.asked) == 1


def test_threads_that_ask_together_fail_together(cache: CredentialCache, vault: RecordedVault) -> None:
    """They do not queue up behind a vault that refuses; who comes afterwards asks anew."""
    found = together(cache, vault, lambda: http(422, {"status_code": 422, "type_name": "InvalidStateError"}), threads=8)
    failed = len(vault.asked)
    vault.answer = lambda _: token(time.time())

    assert {error.status for error in found} == {422}
    assert failed < 8
    assert cache.get(*OF).access_token == "v1u_AQIBAHj"


def test_what_is_forgotten_while_it_is_read_is_not_kept(cache: CredentialCache, vault: RecordedVault) -> None:
    """The answer may be older than the refusal that made somebody forget it."""
    gate = Gate(lambda: token(time.time(), "old"))
    vault.answer = gate
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(cache.get, *OF)
        assert gate.reached.wait(10)
        cache.forget(*OF)
        gate.open.set()
        assert reading.result(10).access_token == "old"
    vault.answer = lambda _: token(time.time(), "new")

    assert cache.get(*OF).access_token == "new"


def test_the_memory_is_bounded(credentials: CredentialsApi, vault: RecordedVault) -> None:
    """The oldest one gives way."""
    cache = CredentialCache(credentials, capacity=2)
    vault.answer = lambda _: token(time.time())
    for number in range(5):
        cache.get(f"consumer-{number}", *OF[1:])

    assert len(cache) == 2


def test_a_cache_does_not_show_what_it_holds(cache: CredentialCache, vault: RecordedVault) -> None:
    """Nor does it log anything of it."""
    vault.answer = lambda _: token(time.time())
    cache.get(*OF)

    assert "v1u_AQIBAHj" not in repr(cache) + repr(vars(cache))
    assert API_KEY not in repr(cache)
