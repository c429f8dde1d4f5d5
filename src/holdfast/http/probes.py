"""What operators and their machines ask: whether the process lives and is ready, its figures, the API's description."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Metric, generate_latest
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from holdfast.errors import Unavailable
from holdfast.http import errors
from holdfast.http.describe import reference
from holdfast.usecases.manage import applications
from holdfast.usecases.vault import Vault

# Seconds. Whether the process lives is not to depend on the database.
WARNINGS_WAIT = 0.5


def routes(vault: Vault, document: dict[str, Any]) -> list[Route]:
    """The routes of these; `document` is what `/openapi.json` answers."""
    described = msgspec.json.encode(document)

    async def health(request: Request) -> Response:
        """The process answers, and says what its operator should change, as far as the database tells it soon."""
        try:
            async with asyncio.timeout(WARNINGS_WAIT):
                warnings = await applications.warnings(vault)
        except (Unavailable, TimeoutError):
            warnings = []
        return _json({"status": "ok", **({"warnings": warnings} if warnings else {})})

    async def ready(request: Request) -> Response:
        """The database answers too, and the process is not about to end."""
        if request.scope.get("ending"):
            return errors.answer(Unavailable("This node is about to end."))
        try:
            await vault.store.q.one("SELECT 1 AS one")
        except Unavailable as error:
            return errors.answer(error)
        return _json({"status": "ready"})

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(_Published()), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def description(request: Request) -> Response:
        return Response(described, media_type="application/json")

    return [
        Route("/", lambda request: RedirectResponse("/docs")),
        Route("/health", health),
        Route("/ready", ready),
        Route("/metrics", metrics),
        Route("/openapi.json", description),
        Route("/docs", reference.page(document)),
    ]


def _json(members: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(members), media_type="application/json")


class _Published:
    """The metrics, without the one that tells which Python runs: whoever reads them learns which holes it has."""

    def collect(self) -> Iterator[Metric]:
        return (metric for metric in REGISTRY.collect() if metric.name != "python_info")
