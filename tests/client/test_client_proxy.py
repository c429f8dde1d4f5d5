"""The client's call through the proxy: what it sends, and whose answer is whose."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from recorded_vault import API_KEY, RecordedVault

from openapi_client import ApiClient, ApiException, ApiValueError, Configuration, ProxyApi
from openapi_client.exceptions import ServiceException, UnauthorizedException

LEADS = {"success": True, "data": [{"id": 7, "title": "Fleet contract"}]}
ENVELOPE = {
    "status_code": 401, "error": "Unauthorized", "type_name": "UnauthorizedError", "message": "Unauthorized Request",
    "detail": "The API key does not have the scope proxy.", "ref": "https://example.com/errors#unauthorizederror",
}  # fmt: skip


@pytest.fixture
def proxies(configuration: Configuration) -> Iterator[ProxyApi]:
    with ApiClient(configuration) as client:
        yield ProxyApi(client)


def call(proxies: ProxyApi, *arguments: Any, **options: Any) -> Any:
    return proxies.proxy("test-consumer", "app_8FJm2q", "pipedrive", "/v1/leads?limit=1", *arguments, **options)


def test_a_call_says_what_it_wants_in_headers(proxies: ProxyApi, vault: RecordedVault) -> None:
    """The key, the selectors, the URL and whatever else is given; the caller's own headers beside them."""
    vault.answers(200, LEADS)

    answer = call(
        proxies, "POST", json={"title": "Fleet"}, headers={"X-Note": "a"}, x_apideck_unified_api="crm",
        x_apideck_timeout=9000, idempotency_key="order-7731", x_apideck_downstream_authorization="Bearer own",
    )  # fmt: skip

    (asked,) = vault.asked
    assert (asked.method, asked.target, json.loads(asked.body)) == ("POST", "/proxy", {"title": "Fleet"})
    told = {
        "authorization": API_KEY, "x-apideck-consumer-id": "test-consumer", "x-apideck-app-id": "app_8FJm2q",
        "x-apideck-service-id": "pipedrive", "x-apideck-downstream-url": "/v1/leads?limit=1", "x-note": "a",
        "x-apideck-unified-api": "crm", "x-apideck-timeout": "9000", "idempotency-key": "order-7731",
        "x-apideck-downstream-authorization": "Bearer own", "content-type": "application/json",
    }  # fmt: skip
    assert {name: asked.headers.get(name) for name in told} == told
    assert (answer.status_code, answer.ok, answer.json()) == (200, True, LEADS)


def test_what_is_not_given_is_not_sent(proxies: ProxyApi, vault: RecordedVault) -> None:
    """A GET is five headers and the connection's own."""
    call(proxies)

    asked = vault.asked[0].headers
    assert (asked.keys() & {"x-apideck-timeout", "idempotency-key", "content-type", "content-length"}) == set()


@pytest.mark.parametrize("body", [b"raw", "raw", io.BytesIO(b"raw")])
def test_a_body_is_sent_as_it_is(proxies: ProxyApi, vault: RecordedVault, body: Any) -> None:
    """Bytes, a text or a file, of the type that is said."""
    if isinstance(body, io.BytesIO):
        call(proxies, "POST", body=body, headers={"Content-Type": "text/plain", "Content-Length": "3"})
    else:
        call(proxies, "POST", body=body, headers={"Content-Type": "text/plain"})

    assert (vault.asked[0].body, vault.asked[0].headers["content-type"]) == (b"raw", "text/plain")


def test_an_answer_comes_in_pieces(proxies: ProxyApi, vault: RecordedVault) -> None:
    """As large as asked for at most."""
    vault.answers(200, b"x" * 300_000, content_type="application/octet-stream")

    with call(proxies) as answer:
        sizes = [len(piece) for piece in answer.stream(65_536)]

    assert (sum(sizes), max(sizes)) == (300_000, 65_536)


def test_an_error_of_the_service_is_an_answer(proxies: ProxyApi, vault: RecordedVault) -> None:
    """The caller knows what the service means by it."""
    vault.answers(401, {"error": "no such lead"}, x_apideck_downstream_error="true")

    answer = call(proxies)

    assert (answer.status_code, answer.ok, answer.json()) == (401, False, {"error": "no such lead"})


def test_an_error_of_the_vault_is_an_exception(proxies: ProxyApi, vault: RecordedVault) -> None:
    """With its envelope, as from every other call."""
    vault.answers(401, ENVELOPE)
    with pytest.raises(UnauthorizedException) as refused:
        call(proxies)
    vault.answers(504, b"gateway")
    with pytest.raises(ServiceException):
        call(proxies)

    assert refused.value.data.detail == ENVELOPE["detail"]


def test_a_redirect_is_an_answer(proxies: ProxyApi, vault: RecordedVault) -> None:
    """Where it leads is not the vault's, and the key does not go there."""
    vault.answers(302, location="https://files.example/1")

    answer = call(proxies)

    assert (answer.status_code, answer.headers["location"], len(vault.asked)) == (302, "https://files.example/1", 1)


def test_an_answer_that_breaks_off_is_an_exception(proxies: ProxyApi, vault: RecordedVault) -> None:
    """Whether it is read whole or in pieces; no text of it quotes the URL."""
    vault.answers(200, b"half", content_length="9999")

    with pytest.raises(ApiException) as whole:
        _ = call(proxies).data
    with pytest.raises(ApiException):
        list(call(proxies).stream())

    assert (whole.value.status, "/proxy" in str(whole.value)) == (0, False)


def test_nobody_there_is_an_exception() -> None:
    """And a write is not sent twice."""
    with (
        ApiClient(Configuration(host="http://127.0.0.1:9", retries=3)) as client,
        pytest.raises(ApiException) as broken,
    ):
        call(ProxyApi(client), "POST", body=b"{}")

    assert broken.value.status == 0


@pytest.mark.parametrize("wrong", [{"method": "TRACE"}, {"body": b"a", "json": {}}, {"headers": {"x-a": "a\r\nb: c"}}])
def test_what_cannot_be_sent_is_refused_here(proxies: ProxyApi, vault: RecordedVault, wrong: dict[str, Any]) -> None:
    """Before anything leaves."""
    with pytest.raises(ApiValueError):
        call(proxies, **wrong)

    assert vault.asked == []


def test_what_is_no_json_is_told(proxies: ProxyApi, vault: RecordedVault) -> None:
    """A page, say."""
    vault.answers(200, b"<html>")

    with pytest.raises(ApiValueError):
        call(proxies).json()


def test_an_answer_does_not_show_itself(proxies: ProxyApi, vault: RecordedVault) -> None:
    """Its repr is its status and who gave it."""
    vault.answers(200, LEADS)

    assert repr(call(proxies)) == f"ProxyAnswer(200 from {vault.url})"
