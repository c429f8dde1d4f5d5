"""The vault as a server: its socket, its limits, its end.

TLS and what a proxy adds (`X-Forwarded-*`) are not read: links are made from HOLDFAST_PUBLIC_URL alone, and nobody
is let in or kept out by an address. `docs/how-to/deploy.md` shows a proxy in front.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, TypeVar

import click
import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from holdfast.server import openfiles
from holdfast.server.protocol import EndingState, LimitedProtocol

T = TypeVar("T")

# Seconds that a request may go on after the listener has closed: longer than anybody waits for a refresh. And that an
# idle connection is kept: longer than proxies keep theirs, so that it is never the vault that closes a connection just
# being used again.
GRACE = 30
KEEP_ALIVE = 75
BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; `port` 0 takes a free one. ClickException if the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = str(error.strerror).partition(" (")[0]  # Python adds the address once more
        raise click.ClickException(f"{host}:{port} cannot be listened on: {why}.") from None
    # Connections inherit it. Without uvloop nobody else sets it here, and each answer's body would wait 40 ms for the
    # acknowledgement of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def address(listener: socket.socket) -> str:
    """Where a listener is reached, as a URL; one that listens everywhere is reached at 127.0.0.1."""
    host, port = listener.getsockname()[:2]
    named = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://[{named}]:{port}" if ":" in named else f"http://{named}:{port}"


def run(main: Coroutine[Any, Any, T]) -> T:
    """What `main` gives, on the event loop that the server runs on."""
    with asyncio.Runner(loop_factory=_config(_nothing).get_loop_factory()) as runner:
        return runner.run(main)


async def serve(app: ASGIApp, listener: socket.socket, announce: Callable[[], None], drain: float = 0) -> None:
    """Serves an open application until SIGTERM or SIGINT; what has begun by then is answered.

    For `drain` seconds after the signal, or until a second one, requests are still taken: each has `ending` in its
    scope, and its answer is the last one on its connection. `announce` is called when requests are taken and signals
    are heeded.
    """
    await _Server(_config(app), announce, drain).serve([listener])


def serve_by_many(factory: str, workers: int, listener: socket.socket, announce: Callable[[], None]) -> None:
    """Serves by processes that each make their application by `factory`, until SIGTERM or SIGINT.

    ClickException if a process could not start; its log says why.
    """
    config = _config(factory, factory=True, lifespan="on", workers=workers, timeout_worker_healthcheck=30)
    supervisor = Multiprocess(config, [listener])
    announce()
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise click.ClickException("A worker process could not start.")


@contextlib.asynccontextmanager
async def in_background(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serves an open application while the block runs. Signals stay with whoever runs it."""
    server = _Background(_config(app, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None], drain: float) -> None:
        super().__init__(config)
        self.server_state: EndingState = EndingState()
        self._announce = announce
        self._drain = drain
        self._hurried = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.server_state.ending = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurried.wait(), self._drain)
        for connection in [taken for listener in sockets or [] for taken in close_to_new(listener)]:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self._loop.call_soon_threadsafe(self._hurried.set)
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but for its end: a process that was asked to stop, and did, has exit status 0."""
        asked = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in asked}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _protocol(self) -> LimitedProtocol:
        return LimitedProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def close_to_new(listener: socket.socket) -> list[socket.socket]:
    """The connections that waited at a listener which from now on refuses.

    A socket that is closed while connections wait resets them, and a client that has sent its request by then cannot
    know whether it was carried out. Between the last that is taken and the end no other call stands.
    """
    waiting: list[socket.socket] = []
    listener.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            waiting.append(listener.accept()[0])
    with contextlib.suppress(OSError):  # systems that know no such end of a listener
        listener.shutdown(socket.SHUT_RD)
    return waiting


class _Background(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: ASGIApp | Callable[..., Any] | str, **more: Any) -> uvicorn.Config:
    openfiles.raise_limit()  # processes that are started from here inherit it
    options = {"lifespan": "off", "workers": 1, "timeout_graceful_shutdown": GRACE, **more}
    return uvicorn.Config(
        app,
        http=LimitedProtocol,
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,  # it prints queries; holdfast.server.access does not
        proxy_headers=False,
        server_header=False,
        date_header=True,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        **options,
    )


async def _nothing(*_: Any) -> None: ...
