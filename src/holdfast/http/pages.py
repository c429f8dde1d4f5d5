"""What is not an operation: the operator's probes, the API's description, the page after an authorization."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from html import escape
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Metric, generate_latest
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from holdfast.errors import Unavailable
from holdfast.http import errors
from holdfast.http.describe import reference
from holdfast.usecases.vault import Vault

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style nonce="{nonce}">
:root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }}
body {{ min-height: 90vh; display: grid; place-content: center; text-align: center; margin: 1rem }}
</style></head>
<body><main><h1>{title}</h1><p>{text}</p></main></body></html>"""


def routes(vault: Vault, document: dict[str, Any]) -> list[Route]:
    """The routes of these pages; `document` is what `/openapi.json` answers."""
    described = msgspec.json.encode(document)

    async def health(request: Request) -> Response:
        """The process answers."""
        return _json({"status": "ok"})

    async def ready(request: Request) -> Response:
        """The database answers too."""
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
        Route("/oauth/callback", landing),
    ]


class _Published:
    """The metrics, without the one that tells which Python runs: whoever reads them learns which holes it has."""

    def collect(self) -> Iterator[Metric]:
        return (metric for metric in REGISTRY.collect() if metric.name != "python_info")


async def landing(request: Request) -> Response:
    """Where a browser ends after an authorization when the product has no page of its own."""
    query = request.query_params
    title, text = "Connected", "Return to where you came from. This window may be closed."
    if "disconnected" in query:
        title = "Disconnected"
    elif "error_type" in query:
        title = "Not connected"
        text = f"{query.get('error_message', '')[:200]} You can close this window and try again."
    nonce = secrets.token_urlsafe(16)
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'"
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return HTMLResponse(_PAGE.format(title=title, text=escape(text), nonce=nonce), headers=headers)


def _json(members: dict[str, str]) -> Response:
    return Response(msgspec.json.encode(members), media_type="application/json")
