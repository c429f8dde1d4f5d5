"""The provider itself: its endpoints joined to one ASGI app, its log, its faults, its server.

Which host and path an endpoint answers on is the shape's business; everything that is asked is counted and kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from urllib.parse import unquote, urlsplit

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Host, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.clock import Clock, SystemClock
from holdfast.testing.provider import metadata
from holdfast.testing.provider.api import ApiRoute, respond
from holdfast.testing.provider.authorization import CONSENT, AuthorizationEndpoint
from holdfast.testing.provider.behaviour import PROPERLY, Behaviour, perform
from holdfast.testing.provider.clients import RegisteredClient
from holdfast.testing.provider.crm import SCOPES, Crm
from holdfast.testing.provider.ledger import Grant, Issue, Ledger
from holdfast.testing.provider.received import Received
from holdfast.testing.provider.revocation import RevocationEndpoint
from holdfast.testing.provider.shape import Shape
from holdfast.testing.provider.token import TokenEndpoint
from holdfast.testing.provider.users import USERS, User

CLIENT = RegisteredClient("sandbox-client", "sandbox-secret", ("http://127.0.0.1:8000/vault/callback",), "Your product")
CRM = Shape(scopes=SCOPES)

Answerer = Callable[[Received], Response]


@dataclass(slots=True)
class _Switch:
    """A behaviour that is on. `left` counts the requests it is for; None: all of them."""

    endpoint: str
    behaviour: Behaviour
    left: int | None

    def applies(self, endpoint: str) -> bool:
        return self.left != 0 and (endpoint == self.endpoint or endpoint.startswith(self.endpoint + ":"))


class SandboxProvider:
    """An OAuth 2.0 authorization server and the API behind it, in memory.

    >>> provider = SandboxProvider(clock=clock, shape=Shape(lifetimes=Lifetimes(rotation="strict")))
    >>> async with provider.serve():
    ...     print(provider.url)

    Endpoints are named `authorize`, `consent`, `token:<grant type>`, `revoke`, `metadata` and `api:<METHOD> <URL>`.
    `calls` counts by these names and by their first part; `received` holds every request, secrets and all.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        shape: Shape = CRM,
        clients: Sequence[RegisteredClient] = (CLIENT,),
        users: Sequence[User] = USERS,
        api: Sequence[ApiRoute] | None = None,
        on_answer: Callable[[Received, int], None] | None = None,
    ) -> None:
        """`api` is the sandbox CRM unless given; `on_answer` is told of every request and its status."""
        self.clock = clock or SystemClock()
        self.shape = shape
        self.clients = {client.client_id: client for client in clients}
        self.users = tuple(users)
        self.api = tuple(Crm().routes() if api is None else api)
        self.ledger = Ledger(self.clock, shape.lifetimes)
        self.received: list[Received] = []
        self.calls: Counter[str] = Counter()
        self.url = ""
        self._on_answer = on_answer
        self._switches: list[_Switch] = []
        self.app: ASGIApp = Router(self._routes(), redirect_slashes=False, default=self._unmatched)

    def issue(self, *scopes: str, user: User | None = None) -> Issue:
        """Tokens for the first client, as if `user` (the first one) had consented just now."""
        client_id = next(iter(self.clients))
        return self.ledger.issue(Grant(client_id, user or self.users[0], scopes or tuple(self.shape.scopes or ())))

    def withdraw(self) -> None:
        """End every grant, as a person does who removes the app in the settings of her account."""
        for grant in self.ledger.grants:
            grant.ended = True

    @contextlib.contextmanager
    def behave(self, endpoint: str, behaviour: Behaviour, *, times: int | None = None) -> Iterator[None]:
        """Treat requests to `endpoint` so, inside the `with`; only the first `times` of them, if given.

        `token` means every grant type, `token:refresh_token` that one. The last switch that applies wins.
        """
        switch = _Switch(endpoint, behaviour, times)
        self._switches.append(switch)
        try:
            yield
        finally:
            self._switches.remove(switch)

    @contextlib.asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[SandboxProvider]:
        """Serve over HTTP inside this event loop; `url` tells where. Port 0 takes a free one."""
        listener = socket.create_server((host, port))  # listens from here on: who comes early waits in its queue
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # heads and bodies go out apart
        self.url = f"http://{host}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            self.app, lifespan="off", log_config=None, log_level="critical", timeout_graceful_shutdown=1
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield self
        finally:
            server.should_exit = True
            await serving

    def _routes(self) -> list[BaseRoute]:
        """The endpoints, grouped by host; those without one answer everywhere."""
        by_host: dict[str, list[Route]] = {}
        for method, url, answer in self._endpoints():
            address = urlsplit(url)
            route = Route(unquote(address.path) or "/", answer, methods=[method])
            by_host.setdefault(address.hostname or "", []).append(route)
        everywhere = by_host.pop("", [])
        apps = {host: Router([*routes, *everywhere], redirect_slashes=False, default=self._unmatched)
                for host, routes in by_host.items()}  # fmt: skip
        return [*(Host(host, app) for host, app in apps.items()), *everywhere]

    def _endpoints(self) -> Iterator[tuple[str, str, Callable[[Request], Awaitable[Response]]]]:
        shape = self.shape
        authorization = AuthorizationEndpoint(shape, self.ledger, self.clients, self.users)
        token = TokenEndpoint(shape, self.ledger, self.clients, self.users)
        yield "GET", shape.authorization.url, self._endpoint("authorize", authorization.ask)
        yield "POST", CONSENT, self._endpoint("consent", authorization.decide)
        for url in dict.fromkeys((shape.token.url, shape.token.refresh_url or shape.token.url)):
            yield shape.token.method, url, self._endpoint("token", token.answer, token.grant_type)
        if shape.revocation is not None:
            revocation = RevocationEndpoint(shape, shape.revocation, self.ledger, self.clients)
            yield shape.revocation.method, shape.revocation.url, self._endpoint("revoke", revocation.answer)
        yield "GET", metadata.PATH, self._endpoint("metadata", partial(metadata.describe, shape))
        for (method, url), grouped in groupby(sorted(self.api, key=_place), key=_place):
            routes = tuple(grouped)
            answer = partial(respond, shape.api, self.ledger, self.users[0], routes)
            whole = not any(route.streams for route in routes)
            yield method, url, self._endpoint(f"api:{method} {url}", answer, whole=whole)

    def _endpoint(
        self, name: str, answer: Answerer, part: Callable[[Received], str] | None = None, *, whole: bool = True
    ) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            received = await Received.of(name, request, whole=whole)
            if part is not None:
                received = replace(received, endpoint=f"{name}:{part(received)}")
            self._record(received)
            response = await perform(self._behaviour(received.endpoint), partial(answer, received), self.clock)
            if self._on_answer is not None:
                self._on_answer(received, response.status_code)
            return response

        return respond

    def _record(self, received: Received) -> None:
        self.received.append(received)
        self.calls.update({received.endpoint, received.endpoint.partition(":")[0]})

    def _behaviour(self, endpoint: str) -> Behaviour:
        switch = next((switch for switch in reversed(self._switches) if switch.applies(endpoint)), None)
        if switch is None:
            return PROPERLY
        if switch.left is not None:
            switch.left -= 1
        return switch.behaviour

    async def _unmatched(self, scope: Scope, receive: Receive, send: Send) -> None:
        respond = self._endpoint("unmatched", lambda _: JSONResponse({"error": "not_found"}, 404))
        await (await respond(Request(scope, receive)))(scope, receive, send)


class _Server(uvicorn.Server):
    """Leaves the process's signals to whoever started it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _place(route: ApiRoute) -> tuple[str, str]:
    return route.method, route.url
