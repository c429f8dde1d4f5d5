"""A network inside the process: each host name is an ASGI app, and `send` is the outbound door's `send`.

Owns what a network adds to an exchange: names that lead nowhere, pinned hosts, faults, size limits, content coding.
Follows no redirect, as the real door does not. Knows nothing of OAuth.
"""

from __future__ import annotations

import zlib
from collections import deque
from typing import Literal
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from holdfast.domain.exchange import Request, Response
from holdfast.domain.manifest.template import host_matches
from holdfast.errors import EgressRefused, GrantDeferred
from holdfast.testing.asgi import Answer, Apps, ConnectionLost, app_for, call

Fault = Literal["refused", "timeout", "lost"]


class FakeNetwork:
    """Sends requests to the apps that answer for their hosts.

    >>> network = FakeNetwork({"oauth.pipedrive.com": provider.app, "*.pipedrive.com": provider.app})
    >>> response = await network.send(Request("POST", "https://oauth.pipedrive.com/oauth/token", …))

    `requests` holds every request that left, in order.
    """

    def __init__(self, apps: Apps | None = None, *, max_body: int = 1_048_576) -> None:
        """`max_body` is in bytes, counted after content decoding."""
        self.apps: dict[str, ASGIApp] = dict(apps or {})
        self.requests: list[Request] = []
        self.max_body = max_body
        self._faults: deque[Fault] = deque()

    def fail_next(self, fault: Fault, times: int = 1) -> None:
        """Let the next `times` requests fail.

        `refused`: no connection, so the provider has not seen the request. `timeout`: the request went out and
        no answer came; the provider did nothing. `lost`: the provider acted on it, and the answer never arrived.
        To a caller the last two look the same, which is the point of them.
        """
        self._faults.extend([fault] * times)

    async def send(self, request: Request) -> Response:
        """The answer to `request`.

        Raises EgressRefused for a host that the request is not pinned to, and GrantDeferred for everything that
        a network does: unknown name, refused, timed out, dropped, too large; `ambiguous` if the request was sent.
        """
        if request.hosts and not host_matches(urlsplit(request.url).netloc, request.hosts):
            raise EgressRefused(f"The request may not go to {request.host}.")
        self.requests.append(request)
        fault = self._faults.popleft() if self._faults else None
        app = app_for(self.apps, request.url)
        if app is None or fault == "refused":
            raise GrantDeferred(f"{request.host} could not be reached.")
        if fault == "timeout":
            raise GrantDeferred(f"{request.host} did not answer in time.", ambiguous=True)
        response = await self._exchange(app, request)
        if fault == "lost":
            raise GrantDeferred(f"The connection to {request.host} was lost.", ambiguous=True)
        return response

    async def _exchange(self, app: ASGIApp, request: Request) -> Response:
        try:
            answer = await call(app, request.method, request.url, request.headers.items(), request.body or b"")
            body = self._decoded(answer)
        except (ConnectionLost, zlib.error):
            raise GrantDeferred(f"The connection to {request.host} was lost.", ambiguous=True) from None
        if len(body) > self.max_body:
            raise GrantDeferred(f"{request.host} answered with too much.", status=answer.status, ambiguous=True)
        return Response(answer.status, {name: answer.header(name) for name, _ in answer.headers}, body)

    def _decoded(self, answer: Answer) -> bytes:
        """The body without its content coding; never more than one byte above the limit, however it is packed."""
        if answer.header("content-encoding") not in ("gzip", "deflate"):
            return answer.body
        decoder = zlib.decompressobj(wbits=47)  # gzip or zlib, by their headers
        body = decoder.decompress(answer.body, self.max_body + 1)
        if not decoder.eof and len(body) <= self.max_body:
            raise zlib.error("the coded body ends too early")
        return body
