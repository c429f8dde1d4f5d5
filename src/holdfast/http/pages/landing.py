"""Our own page after an authorization, for products that have none, and the stylesheet of all pages."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.http.pages import outcome
from holdfast.http.pages.sheet import STYLESHEET, STYLESHEET_PATH, page
from holdfast.usecases.vault import Vault


def routes(vault: Vault) -> list[Route]:
    """The routes of these pages."""

    async def landing(request: Request) -> Response:
        """What happened, if the browser brings word of it from us; opened otherwise, that nothing did."""
        found = outcome.read(vault, request.query_params.get("outcome", ""))
        if found is None:
            return page("nothing")
        return page(found.said, names=found.names, back=found.back, code=found.code)

    return [Route("/oauth/callback", landing), Route(STYLESHEET_PATH, _stylesheet)]


async def _stylesheet(request: Request) -> Response:
    """Named by its content, so it may be kept for ever."""
    return Response(STYLESHEET, media_type="text/css", headers={"Cache-Control": "public, max-age=31536000, immutable"})
