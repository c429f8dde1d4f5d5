"""Names to addresses, once for each connection, and every address checked: what aiohttp connects to is what was seen.

One forbidden address among many forbids the name: whoever controls it would only have to try again. Answers are
kept for ten seconds (aiohttp's cache), after the check, so a name that changes its mind changes nothing.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import structlog
from aiohttp.abc import AbstractResolver, ResolveResult

from holdfast.errors import EgressRefused
from holdfast.outbound.policy import EgressPolicy

Resolve = Callable[[str, int], Awaitable[list[str]]]

log = structlog.get_logger()


class SystemResolver:
    """getaddrinfo in threads of its own: a name server that stalls holds up no other work of the process."""

    THREADS = 32

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(self.THREADS, thread_name_prefix="holdfast-names")

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of `host`. OSError if it has none."""
        look_up = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [str(address[0]) for *_, address in found]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class CheckedResolver(AbstractResolver):
    """`resolve`, with the policy's word on every address. aiohttp asks it for each new connection to a name."""

    def __init__(self, policy: EgressPolicy, resolve: Resolve) -> None:
        self._policy = policy
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of `host`. EgressRefused if one of them is forbidden, OSError if there is none."""
        addresses = await self._resolve(host, port)
        if not addresses:
            raise OSError(f"{host} has no address")
        return [self._checked(host, address, port) for address in addresses]

    async def close(self) -> None:
        """Nothing to close: the names belong to whoever made `resolve`."""

    def _checked(self, host: str, address: str, port: int) -> ResolveResult:
        try:
            self._policy.check_address(host, address, port)
        except EgressRefused:
            log.warning("egress refused", host=host, address=address)
            raise
        return ResolveResult(
            hostname=host,
            host=address,
            port=port,
            family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            proto=socket.IPPROTO_TCP,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
