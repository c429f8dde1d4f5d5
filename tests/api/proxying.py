"""Calls through the proxy, and a service that tells what reached it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from holdfast.testing.clock import TestClock
from holdfast.testing.harness import SERVICE, Deployment, Reply
from holdfast.testing.provider import ApiRoute, SandboxProvider
from holdfast.testing.provider.api import Call
from holdfast.testing.provider.crm import Crm
from holdfast.testing.provider.files import Files
from holdfast.testing.provider.received import Received

METHODS = ("GET", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
BASE = "http://127.0.0.1:9000/api/v1"
MIRROR = f"{BASE}/mirror"


def mirrored(call: Call) -> Response:
    """What came, as JSON."""
    request = call.request
    told = {"method": request.method, "url": request.url, "headers": dict(request.headers)}
    return JSONResponse({**told, "body": request.body.decode("utf-8", "replace")})


def mirror() -> tuple[ApiRoute, ...]:
    """`/mirror` answers every method with what it got."""
    return tuple(ApiRoute(method, "/api/v1/mirror", mirrored) for method in (*METHODS, "HEAD"))


def mirroring(clock: TestClock, *more: ApiRoute) -> SandboxProvider:
    """The sandbox CRM with `/mirror`, files, and `more`."""
    routes = [*Crm().routes(), *Files().routes(), *mirror(), *more]
    return SandboxProvider(clock=clock, api=routes)


async def proxy(
    vault: Deployment,
    method: str = "GET",
    url: str = "/mirror",
    *,
    headers: Mapping[str, str | None] | None = None,
    body: bytes | None = None,
    **options: Any,
) -> Reply:
    """A call of the sandbox through the proxy."""
    wanted = {"x-apideck-service-id": SERVICE, "x-apideck-downstream-url": url, **(headers or {})}
    return await vault.request(method, "/proxy", headers=wanted, body=body, **options)


def seen(reply: Reply) -> Any:
    """What the mirror saw."""
    assert reply.status == 200, reply.text
    return json.loads(reply.text)


def arrived(vault: Deployment) -> list[Received]:
    """The calls of its API that reached the service."""
    return [received for received in vault.provider.received if received.endpoint.startswith("api:")]


def bearer(vault: Deployment) -> str:
    """The access token that the provider issued last."""
    return list(vault.provider.ledger.access)[-1]
