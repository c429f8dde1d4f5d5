"""What the client raises: one tree of exceptions that say what happened and what to do, and never the key."""

from __future__ import annotations

import gzip
import json
import pickle
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
from recorded_vault import ANSWERS, API_KEY, Asked, RecordedVault, http, recorded

from openapi_client import (
    ApiClient,
    ApiException,
    ApiValueError,
    BadRequestException,
    Configuration,
    Connection,
    ConnectionsApi,
    NotFoundException,
    NotFoundResponse,
    OpenApiException,
    ServiceException,
    UnauthorizedException,
    exceptions,
)

ID = ("test-consumer", "app_8FJm2q", "pipedrive", "crm")
STATE, CODE = "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJhIn0.c2ln", "g0ZGZmNjVmOWI"


def failure(api: ConnectionsApi, **options: Any) -> ApiException:
    """How reading a connection fails. No traceback of it shows the key, whatever went wrong."""
    with pytest.raises(ApiException) as failed:
        api.connections_one(*ID, **options)
    shown = "".join(traceback.format_exception(failed.value)) + repr(failed.value) + str(vars(failed.value))
    assert API_KEY not in shown
    return failed.value


def at(host: str, **settings: Any) -> ConnectionsApi:
    return ConnectionsApi(ApiClient(Configuration(host=host, api_key={"apiKey": API_KEY}, **settings)))


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.fixture
def release(vault: RecordedVault) -> Iterator[threading.Event]:
    """The vault says nothing until the test is over."""
    released = threading.Event()

    def silent(asked: Asked) -> bytes:
        released.wait()
        return recorded(asked)

    vault.answer = silent
    yield released
    released.set()


@pytest.mark.parametrize(
    ("status", "exception", "model"),
    [
        (400, "BadRequestException", "BadRequestResponse"),
        (401, "UnauthorizedException", "UnauthorizedResponse"),
        (402, "PaymentRequiredException", "PaymentRequiredResponse"),
        (403, "ForbiddenException", "UnexpectedErrorResponse"),
        (404, "NotFoundException", "NotFoundResponse"),
        (409, "ConflictException", "ConflictResponse"),
        (422, "UnprocessableEntityException", "UnprocessableResponse"),
        (429, "ApiException", "UnexpectedErrorResponse"),
        (500, "ServiceException", "UnexpectedErrorResponse"),
        (503, "ServiceException", "UnexpectedErrorResponse"),
    ],
)
def test_each_status_has_its_exception(
    api: ConnectionsApi, vault: RecordedVault, status: int, exception: str, model: str
) -> None:
    """Status, parsed data, text, headers and origin of an error are all on the exception."""
    body = {**ANSWERS["not_found"], "status_code": status}
    vault.answers(status, body, x_apideck_request_id="req_1")

    error = failure(api)

    assert type(error) is getattr(exceptions, exception)
    assert isinstance(error, ApiException)
    assert error.status == status
    assert type(error.data).__name__ == model
    assert (error.data.type_name, error.data.detail) == (body["type_name"], body["detail"])
    assert json.loads(error.body or "") == body
    assert error.headers is not None
    assert error.headers["X-Apideck-Request-Id"] == "req_1"
    assert error.origin == vault.url


def test_the_message_tells_what_happened_and_what_to_do(api: ConnectionsApi, vault: RecordedVault) -> None:
    """Status and place, the vault's message and detail, the remedy, and where it is documented: a line each."""
    vault.answers(404, ANSWERS["not_found"])

    assert str(failure(api)).splitlines() == [
        f"(404) Not Found from {vault.url}",
        'Unknown Connector: {"not_found":{"entity":"connector","id":"pipedrvie"}}',
        NotFoundException.remedy,
        "See http://127.0.0.1:8000/docs/errors#connectornotfounderror",
    ]


def test_a_failed_refresh_reads_as_a_sentence(api: ConnectionsApi, vault: RecordedVault) -> None:
    """A detail object with a message shows the message; the whole object stays on the exception."""
    vault.answers(401, ANSWERS["refresh_failed"])

    error = failure(api)

    assert isinstance(error, UnauthorizedException)
    assert "Unauthorized Request: Token refresh failed with 401 error" in str(error)
    assert error.data.detail["debug"]["retry_after_ms"] == 1620000030000


def test_retry_after_is_told(api: ConnectionsApi, vault: RecordedVault) -> None:
    """When the vault says when to come back, so does the message."""
    vault.answers(503, {**ANSWERS["not_found"], "status_code": 503}, retry_after="2")

    assert "Try again after 2 (Retry-After)." in str(failure(api))


@pytest.mark.parametrize("detail", [None, "", "text", {}, {"message": 3}, [], ["a"], 4, [[{"deep": None}]]])
@pytest.mark.parametrize("message", ["Invalid Params", None, "", 7, {"a": 1}])
def test_an_odd_envelope_is_still_an_exception(
    api: ConnectionsApi, vault: RecordedVault, message: object, detail: object
) -> None:
    """Members of other types than documented neither break the exception nor its message."""
    vault.answers(400, {"message": message, "detail": detail})

    error = failure(api)

    assert isinstance(error, BadRequestException)
    assert str(error).startswith("(400)")


@pytest.mark.parametrize(
    "body",
    [
        b"<html><h1>502 Bad Gateway</h1></html>",
        b"",
        b"\xff\xfe",
        b'{"message": "cut o',
        b"[1, 2]",
        b'"no"',
        b"[" * 9000,
    ],
)
def test_an_error_that_is_not_the_vaults_keeps_its_status(
    api: ConnectionsApi, vault: RecordedVault, body: bytes
) -> None:
    """A proxy's page in front of a dead vault is a `ServiceException` with the page as text."""
    vault.answers(502, body, content_type="text/html")

    error = failure(api)

    assert type(error) is ServiceException
    assert error.status == 502
    assert error.body == body.decode(errors="replace")
    assert not body or "does a proxy answer in its place" in str(error)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<!doctype html><title>Sign in</title>", "text/html"),
        (b'{"status_code":200,"status":"OK","data":{"id":"crm+pipe', "application/json"),
        (b"", "application/json"),
        (b"null", "application/json"),
        (b'{"status_code":200,"status":"OK"}', "application/json"),
        (b'{"data":{"id":7}}', "application/json"),
        (b'{"data":null}', "application/json"),
        (b'{"data":"\xff"}', "application/json"),
        (b"[" * 100_000, "application/json"),
    ],
)
def test_a_success_that_is_not_the_documented_one_is_an_exception(
    api: ConnectionsApi, vault: RecordedVault, body: bytes, content_type: str
) -> None:
    """A login page, a cut text or another shape with status 200 is told as such, with the cause."""
    vault.answers(200, body, content_type=content_type)

    error = failure(api)

    assert error.status == 200
    assert f"the answer ({content_type}) is not the documented one" in str(error)
    assert isinstance(error.__cause__, OpenApiException)


def test_success_is_any_2xx_and_any_json_type(api: ConnectionsApi, vault: RecordedVault) -> None:
    """201, and JSON under a name of its own, are read like 200 and application/json."""
    body = {"status_code": 201, "status": "OK", "data": ANSWERS["connection"]}
    vault.answers(201, body, content_type="application/vnd.vault+json; charset=utf-8")

    assert api.connections_add(*ID, Connection(enabled=True)).data.id == "crm+pipedrive"


@pytest.mark.parametrize("status", [200, 302, 400, 502])
def test_a_key_that_is_quoted_back_is_masked(
    api: ConnectionsApi, vault: RecordedVault, configuration: Configuration, status: int
) -> None:
    """A page that quotes the request does not bring the key into text, data or headers, whatever its status."""
    configuration.api_key_prefix["apiKey"] = "Bearer"
    vault.answer = lambda asked: http(
        status, {"message": "bad header", "detail": str(asked.headers)}, x_echo=asked.headers["authorization"]
    )

    error = failure(api)

    assert error.headers is not None
    assert error.headers["X-Echo"] == "Bearer ***"
    assert "'authorization': 'Bearer ***'" in (error.body or "")


def test_nobody_listens(closed_port: int) -> None:
    """A refused connection names who does not answer, and has the network's own words as its cause."""
    error = failure(at(f"http://127.0.0.1:{closed_port}"))

    assert (error.status, error.body, error.headers) == (0, None, None)
    assert str(error).startswith(f"(0) Nothing answers at http://127.0.0.1:{closed_port}. Does the vault run")
    assert isinstance(error.__cause__, urllib3.exceptions.NewConnectionError)


def test_a_name_that_does_not_exist() -> None:
    """A misspelled host is told as that (RFC 6761: nothing is ever found under .invalid)."""
    error = failure(at("http://vault.invalid:8000"))

    assert error.status == 0
    assert "No address is known for http://vault.invalid:8000" in str(error)


@pytest.mark.parametrize("timeout", [0.1, (5, 0.1), 1e-9])
@pytest.mark.usefixtures("release")
def test_an_answer_that_does_not_come(api: ConnectionsApi, timeout: Any) -> None:
    """`_request_timeout` in seconds, whole or as (connect, read), ends the wait."""
    error = failure(api, _request_timeout=timeout)

    assert error.status == 0
    assert "within _request_timeout" in str(error)


def test_a_connection_that_is_not_taken() -> None:
    """The first of a pair of timeouts is for connecting."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)

        error = failure(at(f"http://127.0.0.1:{address[1]}"), _request_timeout=(0.1, 5))

        for each in waiting:
            each.close()
    assert f"No connection to http://127.0.0.1:{address[1]} within _request_timeout" in str(error)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), (1, 0), (0.0, 1), 1e9])
def test_a_timeout_is_some_seconds(api: ConnectionsApi, vault: RecordedVault, timeout: Any) -> None:
    """Nothing, less than nothing and forever are refused before anything is sent."""
    with pytest.raises(ApiValueError, match="_request_timeout is seconds"):
        api.connections_one(*ID, _request_timeout=timeout)

    assert vault.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"220 smtp.example ESMTP ready\r\n",
        b"HTTP/1.1 99999 What\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 99_999 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}" * 99, mtime=0)[:12],
        b"HTTP/1.1 301 Moved\r\n\r\n",
    ],
)
def test_what_is_not_http_is_an_exception(api: ConnectionsApi, vault: RecordedVault, answer: bytes) -> None:
    """Garbage, a cut body and broken framing all end as an `ApiException` with a cause or a status."""
    vault.answer = lambda asked: answer

    error = failure(api)

    assert error.status in {0, 200, 301}
    assert error.__cause__ is not None or error.status == 301


def test_an_http_port_asked_in_https(vault: RecordedVault) -> None:
    """The wrong scheme in the host is told together with what to look at."""
    error = failure(at(vault.url.replace("http://", "https://")))

    assert error.status == 0
    assert "No trusted connection to https://127.0.0.1" in str(error)


def test_a_missing_certificate_file_is_told(vault: RecordedVault) -> None:
    """A wrong `ssl_ca_cert` is not a traceback from the standard library."""
    with pytest.raises(ApiValueError, match=r"configuration\.ssl_ca_cert: there is no file /nowhere/ca\.pem"):
        at(vault.url, ssl_ca_cert="/nowhere/ca.pem").connections_one(*ID)


def test_a_dead_proxy_is_told_as_the_proxy(closed_port: int) -> None:
    """What fails is the proxy, and its password is not shown."""
    error = failure(at("http://vault.invalid", proxy=f"http://acme:s3same@127.0.0.1:{closed_port}"))

    assert "The proxy of configuration.proxy gives no way to http://vault.invalid" in str(error)
    assert "s3same" not in "".join(traceback.format_exception(error))


def test_a_link_that_fails_does_not_show_its_state(closed_port: int) -> None:
    """Neither the message nor the traceback of a failed link holds its state or code."""
    api = at(f"http://127.0.0.1:{closed_port}", retries=2)

    with pytest.raises(ApiException) as failed:
        api.connections_callback(STATE, CODE)

    shown = "".join(traceback.format_exception(failed.value))
    assert STATE not in shown
    assert CODE not in shown


def test_a_link_refused_by_the_vault_is_an_exception(api: ConnectionsApi, vault: RecordedVault) -> None:
    """The callback of a browser without its cookie is a 400 as with every operation."""
    vault.answers(400, {**ANSWERS["not_found"], "status_code": 400, "message": "Invalid state"})

    with pytest.raises(BadRequestException, match="Invalid state"):
        api.connections_callback(STATE, CODE)


def test_nothing_is_sent_twice_by_default(api: ConnectionsApi, vault: RecordedVault) -> None:
    """A lost answer is the caller's to judge."""
    vault.answer = lambda asked: b""

    failure(api)

    assert len(vault.asked) == 1


@pytest.mark.parametrize(
    ("call", "times"),
    [
        (lambda api: api.connections_one(*ID), 2),
        (lambda api: api.connections_delete(*ID), 2),
        (lambda api: api.connections_add(*ID, Connection(enabled=True)), 1),
        (lambda api: api.connections_update(*ID, Connection(enabled=True)), 1),
        (lambda api: api.connections_callback(STATE, CODE), 1),
    ],
    ids=["GET", "DELETE", "POST", "PATCH", "link"],
)
def test_retries_repeat_only_what_may_be_repeated(
    vault: RecordedVault, call: Callable[[ConnectionsApi], object], times: int
) -> None:
    """With `retries=1` an answer that got lost is asked for again by GET and DELETE, never by a write or a link."""
    vault.answer = lambda asked: b""

    with pytest.raises(ApiException):
        call(at(vault.url, retries=1))

    assert len(vault.asked) == times


def test_a_retry_can_succeed(vault: RecordedVault) -> None:
    """One lost answer does not fail a reading that may be repeated."""
    vault.answer = lambda asked: b"" if len(vault.asked) == 1 else recorded(asked)

    assert at(vault.url, retries=1).connections_one(*ID).data.id == "crm+pipedrive"


def test_an_answer_is_final(vault: RecordedVault) -> None:
    """Retries are for the network: a 503 with Retry-After is not repeated behind the caller's back."""
    vault.answers(503, b"", retry_after="1")

    failure(at(vault.url, retries=3))

    assert len(vault.asked) == 1


def test_an_exception_can_be_made_and_passed_on() -> None:
    """Programs raise it in their own tests, and process pools send it home."""
    error = NotFoundException(404, "Not Found", body="{}", data=NotFoundResponse(message="Unknown Connector"))

    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert (again.status, again.reason, again.data) == (404, "Not Found", error.data)
    assert str(again) == str(error)
    assert repr(error) == "NotFoundException(404, 'Not Found')"
    assert str(ApiException(status=418, reason="I'm a teapot")) == "(418) I'm a teapot"
