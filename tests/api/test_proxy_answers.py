"""The proxy: what a service's answer is when it reaches the caller."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from nodes import Deploy
from proxying import BASE, arrived, bearer, mirroring, proxy
from starlette.responses import Response, StreamingResponse
from structlog.testing import capture_logs
from watched_database import with_vault

from holdfast.domain.door import STREAM, Limits, Upload
from holdfast.domain.exchange import Request
from holdfast.errors import NoAnswer
from holdfast.testing.clock import TestClock
from holdfast.testing.harness import PUBLIC_URL, SERVICE, Deployment
from holdfast.testing.network import FakeNetwork
from holdfast.testing.provider import ApiRoute, RawAnswer, drop, fail, redirect, say
from holdfast.testing.provider.api import Call

MIRROR = "api:GET /api/v1/mirror"
ONE = f"/vault/connections/crm/{SERVICE}"


async def told(vault: Deployment, status: int, headers: Mapping[str, str], body: bytes = b"") -> Mapping[str, str]:
    """The headers with which an answer of the service comes back."""
    with vault.provider.behave(MIRROR, say(RawAnswer(status, headers, body))):
        reply = await proxy(vault)
    assert reply.status == status
    return reply.headers


@pytest.mark.parametrize("status", [200, 201, 204, 206, 304, 400, 404, 409, 422, 500, 503])
async def test_a_status_comes_back_as_it_is(mirrored: Deployment, status: int) -> None:
    """With its body where it has one, and with a word that it is the service's own where it is an error."""
    bodiless = status in (204, 304)
    headers = await told(mirrored, status, {"content-type": "text/plain"}, b"" if bodiless else b"as it is")

    assert headers.get("x-apideck-downstream-error") == ("true" if status >= 400 else None)


async def test_headers_come_back(mirrored: Deployment) -> None:
    """What a program may need: paging, versions, limits, the service's own request id, what it wants to know."""
    sent = {
        "content-type": "application/vnd.acme+json; charset=utf-8", "etag": 'W/"17"', "x-ratelimit-remaining": "99",
        "link": '<https://api.example.com/leads?page=2>; rel="next"', "x-request-id": "sandbox-1", "retry-after": "7",
        "www-authenticate": 'Bearer realm="sandbox"', "content-disposition": "attachment; filename=leads.csv",
        "vary": "Accept", "last-modified": "Tue, 24 Nov 2026 09:00:00 GMT", "accept-ranges": "bytes",
    }  # fmt: skip

    headers = await told(mirrored, 200, sent, b"{}")

    assert {name: headers.get(name) for name in sent} == sent


async def test_what_is_not_the_services_to_say_stays_there(mirrored: Deployment) -> None:
    """Cookies and rules for browsers would be those of the vault's origin; and nobody speaks in the vault's name."""
    sent = {
        "set-cookie": "a=1", "strict-transport-security": "max-age=9", "access-control-allow-origin": "https://evil",
        "clear-site-data": '"*"', "content-security-policy": "default-src *", "alt-svc": "h3", "refresh": "0; url=/x",
        "x-apideck-downstream-error": "false", "x-apideck-request-id": "forged", "cache-control": "public, max-age=99",
        "connection": "x-hop, close", "x-hop": "1", "proxy-authenticate": "Basic", "keep-alive": "timeout=1",
        "x-accel-redirect": "/internal", "x-sendfile": "/etc/passwd", "surrogate-control": "max-age=99",
        "cdn-cache-control": "max-age=99", "edge-cdn-cache-control": "max-age=99",
    }  # fmt: skip

    headers = await told(mirrored, 200, sent, b"<script>")

    kept = {name: value for name, value in headers.items() if sent.get(name) == value}
    assert kept == {}
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer(mirrored: Deployment, status: int) -> None:
    """Nobody is called but the service; the caller is told where it leads, as an address that is not the vault's."""
    with mirrored.provider.behave(MIRROR, redirect("https://files.evil.example/1", status)):
        elsewhere = await proxy(mirrored)
    with mirrored.provider.behave(MIRROR, redirect("../files/1?sig=2", status)):
        relative = await proxy(mirrored)

    assert (elsewhere.status, elsewhere.location) == (status, "https://files.evil.example/1")
    assert relative.location == "http://127.0.0.1:9000/api/files/1?sig=2"
    assert len(arrived(mirrored)) == 2


async def test_what_is_echoed_of_the_credential_is_struck_out(mirrored: Deployment) -> None:
    """In a body and in a header, byte for byte, so that lengths stay; and it is told."""
    token = bearer(mirrored)
    body = json.dumps({"you_sent": f"Bearer {token}", "encoded": token.replace("-", "%2D")}).encode()
    headers = {"content-type": "application/json", "x-you-sent": token, "content-length": str(len(body))}

    with mirrored.provider.behave(MIRROR, say(RawAnswer(200, headers, body))), capture_logs() as logs:
        reply = await proxy(mirrored)

    assert token not in reply.text
    assert len(reply.text) == len(body)
    assert reply.headers["x-you-sent"] == "*" * len(token)
    assert [entry["host"] for entry in logs if entry["event"] == "credential_echoed"] == ["127.0.0.1:9000"]
    assert token not in str(logs)


async def test_an_authorization_of_the_callers_own_is_struck_out_too(mirrored: Deployment) -> None:
    """A log of answers should not hold it either."""
    body = b'{"authorization": "Bearer of-the-callers-own"}'

    with mirrored.provider.behave(MIRROR, say(RawAnswer(200, {}, body))):
        reply = await proxy(mirrored, headers={"x-apideck-downstream-authorization": "Bearer of-the-callers-own"})

    assert "of-the-callers-own" not in reply.text


def parts(call: Call) -> Response:
    """The token, torn into pieces of one byte."""

    async def pieces() -> AsyncIterator[bytes]:
        for byte in call.request.headers["authorization"].encode() * 2:
            yield bytes([byte])

    return StreamingResponse(pieces(), media_type="text/plain")


async def test_a_torn_echo_is_struck_out(deploy: Deploy) -> None:
    """Wherever the pieces of the body end."""
    clock = TestClock()
    provider = mirroring(clock, ApiRoute("GET", "/api/v1/parts", parts))
    async with deploy(clock=clock, provider=provider) as vault:
        await vault.connect()

        reply = await proxy(vault, url="/parts")

        assert reply.text == 2 * ("Bearer " + "*" * len(bearer(vault)))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_a_coded_body_is_not_touched(mirrored: Deployment, coding: str) -> None:
    """What the caller accepts is between the two ends; the bytes come back as they were, whatever they look like."""
    plain = b"leads" * 99 + bearer(mirrored).encode()
    body = gzip.compress(plain) if coding == "gzip" else zlib.compress(plain) if coding == "deflate" else plain
    with mirrored.provider.behave(MIRROR, say(RawAnswer(200, {"content-encoding": coding}, body))):
        raw = await raw_body(mirrored)

    assert raw == body


async def raw_body(vault: Deployment) -> bytes:
    """The body of an answer as bytes."""
    from holdfast.testing.asgi import call

    headers = [
        ("authorization", f"Bearer {vault.api_key}"), ("x-apideck-app-id", vault.application_id),
        ("x-apideck-consumer-id", vault.consumer), ("x-apideck-service-id", SERVICE),
        ("x-apideck-downstream-url", "/mirror"), ("accept-encoding", "gzip, br"),
    ]  # fmt: skip
    return (await call(vault.app, "GET", f"{PUBLIC_URL}/proxy", headers)).body


@pytest.mark.parametrize("fault", ["refused", "timeout", "lost"])
async def test_no_answer_to_a_read_may_be_asked_again(mirrored: Deployment, fault: str) -> None:
    """It is a 502, or a 504 if the time was over, and says when; the connection is degraded."""
    mirrored.network.fail_next(fault)  # type: ignore[arg-type]

    reply = await proxy(mirrored)

    assert reply.status == (504 if fault == "timeout" else 502)
    assert (reply.body["type_name"], reply.headers["retry-after"]) == ("ConnectorExecutionError", "30")
    assert (await mirrored.connection())["health"] == "degraded"


class Distrusted(FakeNetwork):
    """A network on which the service shows a certificate that is not its own."""

    def open(self, request: Request, upload: Upload | None = None, *, limits: Limits = STREAM) -> Any:
        raise NoAnswer(f"{request.host} did not show a valid certificate.", may_have_acted=False, retryable=False)


async def test_a_fault_that_stays_is_not_tried_again(mirrored: Deployment) -> None:
    """It is no 5xx, says what it is, and does not degrade the connection."""
    reply = await proxy(with_vault(mirrored, door=Distrusted()))

    assert (reply.status, reply.body["type_name"]) == (422, "ConnectorExecutionError")
    assert "certificate" in reply.body["detail"]
    assert "retry-after" not in reply.headers
    assert (await mirrored.connection())["health"] == "ok"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("fault", ["timeout", "lost"])
async def test_a_write_that_nobody_answered_may_have_been_done(mirrored: Deployment, method: str, fault: str) -> None:
    """It is no 5xx, which clients send again by themselves, and has a name of its own."""
    mirrored.network.fail_next(fault)  # type: ignore[arg-type]

    reply = await proxy(mirrored, method, body=b"{}")

    assert (reply.status, reply.body["type_name"]) == (422, "OutcomeUnknownError")
    assert "retry-after" not in reply.headers


async def test_a_write_that_did_not_leave_may_be_sent_again(mirrored: Deployment) -> None:
    """Nothing was done, so it is a 502 like that of a read."""
    mirrored.network.fail_next("refused")

    assert (await proxy(mirrored, "POST", body=b"{}")).status == 502


async def test_an_answer_that_breaks_off_is_no_whole_one(mirrored: Deployment) -> None:
    """The caller's connection is closed in the middle, so that nobody takes a piece for the whole."""
    from holdfast.testing.asgi import ConnectionLost

    with mirrored.provider.behave(MIRROR, drop()), pytest.raises(ConnectionLost):
        await proxy(mirrored)

    assert (await mirrored.connection())["health"] == "degraded"


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_service_that_is_down_degrades_the_connection(mirrored: Deployment, status: int) -> None:
    """Its answer comes back all the same, and the first good one clears it."""
    with mirrored.provider.behave(MIRROR, fail(status)):
        reply = await proxy(mirrored)
    during = (await mirrored.connection())["health"]
    await proxy(mirrored)

    assert (reply.status, during, (await mirrored.connection())["health"]) == (status, "degraded", "ok")


async def test_options_are_the_services_own(mirrored: Deployment) -> None:
    """A program's OPTIONS goes on; a browser that asks first is answered by the vault."""
    asked = {"origin": "https://app.example.com", "access-control-request-method": "GET", "authorization": None}
    preflight = await mirrored.request("OPTIONS", "/proxy", headers=asked)
    reply = await proxy(mirrored, "OPTIONS", f"{BASE}/mirror")

    assert (preflight.status, reply.status, len(arrived(mirrored))) == (204, 200, 1)
    assert "x-apideck-downstream-url" in preflight.headers["access-control-allow-headers"]


async def test_a_page_may_read_every_header_of_the_service(mirrored: Deployment) -> None:
    """A product's page that calls with a key sees what its backend would see."""
    headers = await told(mirrored, 200, {"x-total": "7"}, b"{}")

    assert headers["access-control-expose-headers"] == "*"
