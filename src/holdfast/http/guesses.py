"""Wrong keys, counted for each address that sends them: a guesser is slowed down and told of, nobody else is.

Only attempts that failed are counted, and a right key always passes, whoever else shares its address: behind a proxy
all requests come from one, since `X-Forwarded-For`, which anybody can write, is not read. A right key cannot be found
by trying (256 random bits), so this is there for the log, and for the work that wrong keys make.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Literal

import structlog
from prometheus_client import Counter

from holdfast.clock import Clock
from holdfast.errors import RequestLimitError

log = structlog.get_logger()

# How many wrong keys an address may send at once, and after how many ms it may send one more.
AT_ONCE: Final = 20
PAUSE: Final = 3000
# How many addresses are remembered; those that were silent longest are forgotten first.
ADDRESSES: Final = 10_000
# The first wrong key of an address is logged, and then one in so many.
LOGGED: Final = 100

WRONG = Counter("holdfast_wrong_keys", "Requests with an API key or admin token that is none.", ["kind", "answer"])

Kind = Literal["key", "admin"]


@dataclass(slots=True)
class _Source:
    """What an address has left, as of `at` (ms), and how often it was wrong."""

    left: float
    at: int
    wrong: int = 0


class Guesses:
    """The memory of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._sources)

    def wrong(self, kind: Kind, address: str) -> None:
        """Counts a wrong key. RequestLimitError if this address has sent too many."""
        source = self._source(_network(address))
        if source.wrong % LOGGED == 0:
            log.warning("wrong_key", kind=kind, address=address, so_far=source.wrong + 1)
        source.wrong += 1
        limited = source.left < 1
        WRONG.labels(kind, "limited" if limited else "refused").inc()
        if limited:
            raise RequestLimitError(retry_after=max(1, round((1 - source.left) * PAUSE / 1000)))
        source.left -= 1

    def _source(self, network: str) -> _Source:
        now = self._clock.now()
        source = self._sources.setdefault(network, _Source(AT_ONCE, now))
        self._sources.move_to_end(network)
        if len(self._sources) > ADDRESSES:
            self._sources.popitem(last=False)
        source.left = min(AT_ONCE, source.left + max(0, now - source.at) / PAUSE)
        source.at = now
        return source


def _network(address: str) -> str:
    """Whose an address is: of IPv6, one customer has 64 bits (RFC 6177)."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
